//! A browser, over the pipe that DevTools speak.

use core::time::Duration;
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::DEADLINE;

/// A page in a browser of its own, which ends when this is dropped.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    /// What the page's console had to complain of.
    complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Nothing where there is no Chromium. In CI there has to be.
    pub(crate) fn start() -> Option<Self> {
        if !is_installed("chromium") {
            let why = "there is no chromium here: the status page is not looked at";
            assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{why}");
            eprintln!("skipped: {why}");
            return None;
        }
        let profile = tempfile::tempdir().expect("a directory");
        // Its pipe is what it has open as 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#,
                "sh",
            ])
            .arg("chromium")
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let input = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        let (tell, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON");
                if tell.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            session: None,
            calls: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", json!({}));
        let targets = targets["targetInfos"].as_array().expect("targets");
        let page = targets.iter().find(|it| it["type"] == "page");
        let id = &page.expect("a page")["targetId"];
        let attached = self.call(
            "Target.attachToTarget",
            json!({ "targetId": id, "flatten": true }),
        );
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
    }

    /// What a script comes to, as JSON.
    #[track_caller]
    pub(crate) fn read(&mut self, script: &str) -> Value {
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true,
        });
        let read = self.call("Runtime.evaluate", parameters);
        assert!(read["exceptionDetails"].is_null(), "{script}: {read}");
        read["result"]["value"].clone()
    }

    #[track_caller]
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let read = self.read(&format!(
            "document.querySelector({selector:?})?.textContent ?? ''"
        ));
        read.as_str().expect("text").to_owned()
    }

    /// Waits for a script to come to `true`.
    #[track_caller]
    pub(crate) fn until(&mut self, script: &str) {
        let deadline = Instant::now() + DEADLINE;
        // It may be asked before the page is there.
        let safe = format!("(() => {{ try {{ return {script}; }} catch {{ return false; }} }})()");
        while self.read(&safe) != true {
            if Instant::now() > deadline {
                let seen = self.read("document.body.innerText");
                panic!("never: {script}\nthe page says: {seen}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let is_mobile = width < 600;
        let parameters = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_mobile,
        });
        self.call("Emulation.setDeviceMetricsOverride", parameters);
    }

    /// `light` or `dark`. Nothing moves, so that what is seen is what will be.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowLeft` and the like.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Space" => (32, " "),
            "ArrowLeft" => (37, ""),
            _ => panic!("what key is {key}?"),
        };
        let name = if key == "Space" { " " } else { key };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let parameters = json!({
                "type": kind, "key": name, "code": key, "text": text,
                "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", parameters);
        }
    }

    /// Types into whatever has the focus.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// What assistive technology is told: how many of which role, with names or without.
    pub(crate) fn roles(&mut self, role: &str) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes");
        let of_role = nodes
            .iter()
            .filter(|node| node["role"]["value"] == role && node["ignored"] != true);
        let name = |node: &Value| {
            node["name"]["value"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        of_role.map(name).collect()
    }

    /// What the console complained of since asked last.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Whatever was on its way has come before this is answered.
        self.read("0");
        core::mem::take(&mut self.complaints)
    }

    /// Keeps what is seen, if somebody wants to see it.
    pub(crate) fn keep(&mut self, name: &str) {
        let Some(folder) = env::var_os("SELKIE_PAGE_SHOTS") else {
            return;
        };
        let parameters = json!({ "captureBeyondViewport": true });
        let shot = self.call("Page.captureScreenshot", parameters);
        let bytes = Base64::decode_vec(shot["data"].as_str().expect("data"));
        let path = Path::new(&folder).join(format!("page-{name}.png"));
        fs::write(path, bytes.expect("base64")).expect("written");
    }

    #[track_caller]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&call).expect("JSON");
        bytes.push(0);
        self.input.write_all(&bytes).expect("sent");
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.messages.recv_timeout(left) else {
                panic!("{method}: no answer");
            };
            if message["id"] == self.calls {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let is_bad = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => ["error", "warning", "assert"]
                .iter()
                .any(|bad| parameters["type"] == *bad),
            Some("Log.entryAdded") => ["error", "warning"]
                .iter()
                .any(|bad| parameters["entry"]["level"] == *bad),
            _ => false,
        };
        if is_bad {
            self.complaints.push(parameters.to_string());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        // It ends itself in order, or is ended.
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        let _ = self.input.write_all(close);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Nothing but what the test asks for.
const OPTIONS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-proxy-server",
    // What whoever owns that name could do.
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
    "--remote-debugging-pipe",
];

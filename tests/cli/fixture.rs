//! Processes of the command, and what to expect of them.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{BufRead, BufReader, Read},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

/// Far above what anything here takes on an idle machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn check_failure(output: &Output, parts: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("selkie: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

/// A directory that `selkie certs` filled.
pub(crate) struct Certs {
    pub(crate) dir: TempDir,
}

impl Certs {
    #[track_caller]
    pub(crate) fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_str().expect("text");
        let output = run(&["certs", "init", "--dir", path]);
        assert!(output.status.success(), "{}", stderr(&output));
        for name in names {
            let output = run(&["certs", "issue", name, "--dir", path]);
            assert!(output.status.success(), "{}", stderr(&output));
        }
        Self { dir }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A member on any port.
    pub(crate) fn args(&self, name: &str, more: &[&str]) -> Vec<String> {
        self.at(SocketAddr::from(([127, 0, 0, 1], 0)), name, more)
    }

    pub(crate) fn at(&self, bind: SocketAddr, name: &str, more: &[&str]) -> Vec<String> {
        let file = |suffix| text(&self.path(&format!("{name}{suffix}.pem")));
        let mut args = owned(&[
            "agent", "--json", "--preset", "local", "--name", name, "--bind",
        ]);
        args.push(bind.to_string());
        for (option, file) in [
            ("--ca", text(&self.path("ca.pem"))),
            ("--cert", file("")),
            ("--key", file("-key")),
        ] {
            args.extend([option.to_owned(), file]);
        }
        args.extend(owned(more));
        args
    }
}

/// A running `selkie agent --json`. Killed when dropped.
pub(crate) struct Agent {
    name: &'static str,
    child: Child,
    events: Receiver<Value>,
    pub(crate) seen: Vec<Value>,
    errors: Receiver<String>,
    pub(crate) addr: SocketAddr,
    pub(crate) generation: u64,
}

impl Agent {
    #[track_caller]
    pub(crate) fn start(name: &'static str, args: &[String]) -> Self {
        Self::run(name, agent(args))
    }

    #[track_caller]
    pub(crate) fn run(name: &'static str, mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        let mut agent = Self {
            name,
            child,
            events: lines(stdout, |line| serde_json::from_str(&line).expect("JSON")),
            seen: Vec::new(),
            errors: lines(stderr, |line| line),
            addr: SocketAddr::from(([0, 0, 0, 0], 0)),
            generation: 0,
        };
        let started = agent.until_event("started", name);
        let addr = started["addr"].as_str().expect("an address");
        agent.addr = addr.parse().expect("an address");
        agent.generation = started["generation"].as_u64().expect("a generation");
        agent
    }

    #[track_caller]
    pub(crate) fn until_event(&mut self, event: &str, name: &str) -> Value {
        let what = format!("{event} {name}");
        self.until(&what, |seen| seen["event"] == event && seen["name"] == name)
    }

    /// Reads on until an event is what is wanted. Each is looked at once.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                let errors: Vec<_> = self.errors.try_iter().collect();
                panic!(
                    "{} never saw {what}; saw {:#?}, said {errors:?}",
                    self.name, self.seen
                );
            };
            self.seen.push(event.clone());
            if is_it(&event) {
                return event;
            }
        }
    }

    #[track_caller]
    pub(crate) fn until_stderr(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.errors.recv_timeout(left).expect("more on stderr");
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// The exit code, and what was still printed.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        // Its stdout ends when it does.
        while let Ok(event) = self
            .events
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push(event);
        }
        assert!(Instant::now() < deadline, "{} did not exit", self.name);
        self.child.wait().expect("reaped").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that runs a member, unless the arguments say it all.
pub(crate) fn agent(args: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
    if args.first().is_none_or(|arg| arg != "agent") {
        command.args(["agent", "--json"]);
        if !args.iter().any(|arg| arg == "--preset") {
            command.args(["--preset", "local"]);
        }
    }
    command.args(args);
    if !args.iter().any(|arg| arg.starts_with("--admin")) {
        command.env("SELKIE_NO_ADMIN", "true");
    }
    command
}

/// Waits for a process to end, but not for ever. Returns its exit code.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it did not exit");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill").success());
}

/// Reads lines on a thread of its own.
pub(crate) fn lines<T: Send + 'static>(
    from: impl Read + Send + 'static,
    parse: impl Fn(String) -> T + Send + 'static,
) -> Receiver<T> {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tx.send(parse(line)).is_err() {
                break;
            }
        }
    });
    rx
}

/// A port that was free just now.
pub(crate) fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(args)
        .output()
        .expect("run")
}

pub(crate) fn run_owned(args: &[String]) -> Output {
    run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

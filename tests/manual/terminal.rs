//! Where a page is carried out.

use core::time::Duration;
use std::{
    fs,
    io::Read,
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use tempfile::TempDir;

use crate::{page::Block, shown::is_shown};

/// A folder, an address, and the terminals in which something runs.
pub(crate) struct Site {
    page: &'static str,
    folder: TempDir,
    addr: String,
    running: Vec<Running>,
}

/// What was left running.
struct Running {
    child: Child,
    is_agent: bool,
    said: Said,
}

type Said = Arc<Mutex<String>>;

impl Site {
    /// The number tells pages apart.
    pub(crate) fn new(page: &'static str, number: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut private = fs::DirBuilder::new();
        let runtime = folder.path().join("run");
        private.mode(0o700).create(runtime).expect("a folder");
        let [.., high, low] = std::process::id().to_be_bytes();
        let addr = format!("127.{}.{high}.{}", 10 + number, low.clamp(1, 254));
        Self {
            page,
            folder,
            addr,
            running: Vec::new(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Types what is in the block, and waits until all is as shown.
    #[track_caller]
    pub(crate) fn carry_out(&mut self, block: &Block, shown: Option<&Block>) {
        let shown = shown.map(|block| self.here(&block.text));
        let fails = shown.as_ref().is_some_and(|text| is_failure(text));
        let typed = block.typed();
        let stays = STAYS.iter().any(|command| typed[0].starts_with(command));
        if stays && !fails && !typed[0].contains("--check") {
            assert_eq!(typed.len(), 1, "{}: more than one", self.place(block));
            self.leave_running(block, shown.as_deref());
            return;
        }
        let only_asks = typed
            .iter()
            .all(|line| ASKS.iter().any(|ask| line.starts_with(ask)));
        let deadline = Instant::now() + DEADLINE;
        // In its terminal one sees that it has ended, before one starts the next.
        let leavers = typed.iter().filter(|line| line.starts_with("selkie leave"));
        let agents = self.num_agents().saturating_sub(leavers.count());
        loop {
            let (code, said) = self.run(&block.text);
            let as_shown = shown.as_ref().is_none_or(|shown| is_shown(shown, &said));
            if as_shown && code == Some(fails.into()) {
                while self.num_agents() > agents {
                    assert!(Instant::now() < deadline, "{}: no end", self.place(block));
                    thread::sleep(Duration::from_millis(10));
                }
                return;
            }
            assert!(
                only_asks && Instant::now() < deadline,
                "{}: exits with {code:?}, and says\n{said}",
                self.place(block)
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many agents run.
    fn num_agents(&mut self) -> usize {
        let agents = self.running.iter_mut().filter(|it| it.is_agent);
        agents
            .filter_map(|it| {
                it.child
                    .try_wait()
                    .expect("a status")
                    .is_none()
                    .then_some(())
            })
            .count()
    }

    /// As in a terminal of its own.
    #[track_caller]
    fn leave_running(&mut self, block: &Block, shown: Option<&str>) {
        let is_agent = block.text.starts_with("selkie agent");
        let is_picture = block.text.starts_with("selkie top");
        let typed = self.here(&block.text);
        let script = match is_picture {
            false => format!("exec {} 2>&1", typed.trim_end()),
            // It wants a terminal.
            true => {
                let typed = typed.trim_end();
                format!("exec script -qec 'stty cols 80 rows 24; exec {typed}' /dev/null")
            }
        };
        let mut command = self.shell(&script);
        let mut child = command.spawn().expect("started");
        let said = collect(child.stdout.take().expect("piped"));
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ended = child.try_wait().expect("a status").is_some();
            let text = said.lock().expect("collected").clone();
            // More may have been said since: what comes later is not shown.
            let is_there = match shown {
                Some(shown) => (0..=text.lines().count()).any(|count| {
                    let lines: Vec<_> = text.lines().take(count).collect();
                    is_shown(shown, &lines.join("\n"))
                }),
                None if is_agent => text.contains("  started "),
                None => !is_picture || text.contains("alive"),
            };
            if is_there && !ended {
                break;
            }
            assert!(
                !ended && Instant::now() < deadline,
                "{}: ended {ended}, and says\n{text}",
                self.place(block)
            );
            thread::sleep(Duration::from_millis(20));
        }
        self.running.push(Running {
            child,
            is_agent,
            said,
        });
    }

    /// The exit code, and all that was said.
    fn run(&self, script: &str) -> (Option<i32>, String) {
        let script = format!("exec 2>&1\n{}", self.here(script));
        let output = self.shell(&script).output().expect("run");
        let said = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), said)
    }

    fn shell(&self, script: &str) -> Command {
        let selkie = Path::new(env!("CARGO_BIN_EXE_selkie"));
        let path = selkie.parent().expect("a folder").display();
        let mut command = Command::new("sh");
        command
            .args(["-euc", script])
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", format!("{path}:/usr/bin:/bin"))
            .env("HOME", self.folder())
            .env("XDG_RUNTIME_DIR", self.folder().join("run"))
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1", &self.addr)
    }

    fn place(&self, block: &Block) -> String {
        format!("{}, line {}:\n{}", self.page, block.line, block.text)
    }

    /// Ends what still runs, as Ctrl-C does. Agents leave, and say that all is well.
    #[track_caller]
    pub(crate) fn close(mut self) {
        for running in &mut self.running {
            if running.child.try_wait().expect("a status").is_none() {
                let pid = running.child.id().to_string();
                let killed = Command::new("kill").args(["-INT", &pid]).status();
                assert!(killed.expect("kill").success());
                if running.is_agent {
                    let code = wait(&mut running.child);
                    let said = running.said.lock().expect("collected");
                    // One that gives up just now ends otherwise.
                    let is_well = code == Some(0) || said.contains("  defunct ");
                    assert!(is_well, "{}: {code:?}: {said}", self.page);
                }
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for running in &mut self.running {
            // It may have ended already.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

/// Whether a failure of the command is shown: an agent that runs also warns so.
fn is_failure(shown: &str) -> bool {
    shown.lines().any(|line| line.starts_with("selkie: ")) && !shown.contains("  started ")
}

fn collect(mut from: impl Read + Send + 'static) -> Said {
    let said = Said::default();
    let all = said.clone();
    thread::spawn(move || {
        let mut buf = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buf) {
            let text = String::from_utf8_lossy(&buf[..len]);
            all.lock().expect("collected").push_str(&text);
        }
    });
    said
}

#[track_caller]
fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            return status.code();
        }
        assert!(Instant::now() < deadline, "it does not end");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What does not end by itself.
const STAYS: &[&str] = &["selkie agent", "selkie watch", "selkie top"];

/// What changes nothing.
const ASKS: &[&str] = &[
    "selkie members",
    "selkie info",
    "selkie ready",
    "selkie why",
    "selkie doctor",
    "selkie rtt",
    "selkie reach",
    "selkie certs list",
    "selkie keys list",
    "curl ",
];

/// Far above what anything here takes on an idle machine.
const DEADLINE: Duration = Duration::from_secs(90);

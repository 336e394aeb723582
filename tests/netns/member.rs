//! A running `selkie agent --json`, and what it said when.

use core::{fmt, time::Duration};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use serde_json::Value;

/// Far above what anything here takes on an idle machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// An event that a member printed.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) event: String,
    /// Whom it is about, if anybody.
    pub(crate) name: String,
    pub(crate) json: Value,
}

impl Said {
    pub(crate) fn is(&self, event: &str, name: &str) -> bool {
        self.event == event && self.name == name
    }
}

/// A process. Killed when dropped.
pub(crate) struct Member {
    pub(crate) name: String,
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    said: Mutex<Vec<Said>>,
    errors: Mutex<Vec<String>>,
    more: Condvar,
}

impl Member {
    #[track_caller]
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let log = Arc::new(Log::default());
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        each_line(stdout, {
            let log = Arc::clone(&log);
            move |line| log.add(&line)
        });
        each_line(stderr, {
            let log = Arc::clone(&log);
            move |line| log.errors.lock().expect("no panic").push(line)
        });
        let name = name.to_owned();
        let member = Self { name, child, log };
        member.until(0, "started", &member.name);
        member
    }

    /// How much it said so far: what comes later is after this mark.
    pub(crate) fn mark(&self) -> usize {
        self.log.said.lock().expect("no panic").len()
    }

    /// All that it said after a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Said> {
        self.log.said.lock().expect("no panic")[mark..].to_vec()
    }

    /// Waits for an event about somebody, after a mark.
    #[track_caller]
    pub(crate) fn until(&self, mark: usize, event: &str, name: &str) -> Said {
        let what = format!("{event} {name}");
        self.wait_for(&what, |said| {
            let mut later = said.iter().skip(mark);
            later.find(|said| said.is(event, name)).cloned()
        })
    }

    /// Waits until its view is this; says since when it was. Others are of no interest.
    #[track_caller]
    pub(crate) fn until_sees(&self, view: &BTreeMap<&str, State>) -> Instant {
        let what = format!("{view:?}");
        self.wait_for(&what, |said| {
            let sees = view_of(said);
            let is_so = |(name, state): (&&str, &State)| sees.get(*name) == Some(state);
            let since = || said.last().map(|last| last.at);
            view.iter().all(is_so).then(since).flatten()
        })
    }

    #[track_caller]
    fn wait_for<T>(&self, what: &str, find: impl Fn(&[Said]) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut said = self.log.said.lock().expect("no panic");
        loop {
            if let Some(found) = find(&said) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let errors = self.log.errors.lock().expect("no panic").clone();
                // So that the log is not poisoned for those who still write.
                let said = said.clone();
                panic!("{self} never saw {what}; said {said:#?}, {errors:?}");
            }
            said = self.log.more.wait_timeout(said, left).expect("no panic").0;
        }
    }

    /// Sends a signal: STOP, CONT, TERM.
    #[track_caller]
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// As `kill -9` does.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn add(&self, line: &str) {
        let at = Instant::now();
        let json: Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let (event, name) = (text("event"), text("name"));
        let said = Said {
            at,
            event,
            name,
            json,
        };
        self.said.lock().expect("no panic").push(said);
        self.more.notify_all();
    }
}

/// What a member can think of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    Suspect,
    Down,
}

fn view_of(said: &[Said]) -> BTreeMap<String, State> {
    let mut view = BTreeMap::new();
    for said in said {
        let state = match said.event.as_str() {
            "joined" | "refuted" => State::Alive,
            "suspect" => State::Suspect,
            "down" | "left" => State::Down,
            _ => continue,
        };
        view.insert(said.name.clone(), state);
    }
    view
}

fn each_line(from: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            take(line);
        }
    });
}

//! The admin channel of an agent, under load.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use tempfile::TempDir;

use crate::fixture::{Agent, DEADLINE, owned, text};

/// A member that can be asked.
struct Site {
    dir: TempDir,
    agent: Agent,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = text(&dir.path().join("a.sock"));
        let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "a"];
        let more = ["--admin", &socket];
        let agent = Agent::start("a", &owned(&[&args[..], &more].concat()));
        Self { dir, agent }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("a.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        stream
    }
}

/// Asks, and reads the whole answer. The connection stays.
#[track_caller]
fn get(stream: &mut (impl Read + Write), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:1\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = reader.read_line(&mut head).expect("an answer in time");
        assert!(read > 0, "closed after {head:?}");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the rest in time");
    head + &String::from_utf8(body).expect("text")
}

/// How much each thread of a process computed so far, in hundredths of a second.
#[cfg(target_os = "linux")]
fn computed(process: u32) -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let stats = tasks.flatten().filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, figures) = stat.split_once('(')?.1.rsplit_once(')')?;
        let figures: Vec<&str> = figures.split_whitespace().collect();
        let ticks = |place: usize| figures.get(place)?.parse::<u64>().ok();
        Some((name.to_owned(), ticks(11)? + ticks(12)?))
    });
    stats.collect()
}

#[cfg(target_os = "linux")]
#[test]
fn answers_take_none_of_the_time_of_the_thread_that_runs_the_member() {
    let site = Site::new();
    let process = site.agent.id();
    let sum = |of: &dyn Fn(&str) -> bool| -> u64 {
        let all = computed(process);
        all.iter()
            .filter(|(name, _)| of(name))
            .map(|(_, it)| it)
            .sum()
    };
    let before = (sum(&|_| true), sum(&|name| name == "smol-1"));
    let mut stream = site.connect();
    let deadline = std::time::Instant::now() + DEADLINE;
    while sum(&|_| true) < before.0 + 50 {
        assert!(std::time::Instant::now() < deadline, "it does not compute");
        for _ in 0..20 {
            assert!(get(&mut stream, "/metrics").contains("selkie_is_member 1"));
        }
    }
    let all = sum(&|_| true) - before.0;
    let members = sum(&|name| name == "smol-1") - before.1;
    assert!(
        members * 4 < all,
        "{members} of {all}: {:?}",
        computed(process)
    );
}

#[test]
fn an_agent_ends_in_time_whoever_is_connected() {
    let mut site = Site::new();
    let mut idle = site.connect();
    get(&mut idle, "/v1/info");
    let mut reader = site.connect();
    let request = b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n";
    reader.write_all(request).expect("sent");
    let half = site.connect();
    (&half).write_all(b"GET /v1/in").expect("sent");
    site.agent.signal("TERM");
    assert_eq!(site.agent.wait(), Some(0));
    assert!(!site.socket().exists(), "its socket is left behind");
}

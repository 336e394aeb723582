//! The admin channel of an agent, under load.

use core::net::SocketAddr;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
};

use tempfile::TempDir;

use crate::fixture::{Agent, DEADLINE, check_failure, owned, run, text};

/// A member that can be asked.
struct Site {
    dir: TempDir,
    agent: Agent,
}

impl Site {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = text(&dir.path().join("a.sock"));
        let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "a"];
        let args = [&args[..], &["--admin", &socket], more].concat();
        let agent = Agent::start("a", &owned(&args));
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

#[test]
fn readers_of_events_take_no_places_of_others_and_are_told_when_they_are_too_many() {
    let mut site = Site::with(&["--admin-http", "127.0.0.1:0"]);
    let said = site.agent.until_stderr("the status page is at http://");
    let (_, addr) = said.split_once("http://").expect("an address");
    let addr: SocketAddr = addr.trim_end_matches('/').parse().expect("an address");
    let connect = || {
        let stream = TcpStream::connect(addr).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        stream
    };
    // Nobody reads on: all of them stay.
    let mut readers = Vec::new();
    for _ in 0..32 {
        let mut reader = connect();
        assert!(get(&mut reader, "/v1/events").starts_with("HTTP/1.1 200"));
        readers.push(reader);
    }
    for _ in 0..64 {
        let mut refused = connect();
        let answer = get(&mut refused, "/v1/events");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("end one of them"), "{answer}");
        // It holds no place, though we keep it.
        assert_eq!(refused.read(&mut [0]).expect("an end"), 0);
        readers.push(refused);
    }
    let metrics = get(&mut connect(), "/metrics");
    assert!(metrics.contains("\nselkie_admin_readers 32\n"), "{metrics}");
    let refused = "\nselkie_admin_readers_refused_total 64\n";
    assert!(metrics.contains(refused), "{metrics}");
    let watched = ["watch", "--admin", &format!("http://{addr}")];
    check_failure(&run(&watched), &["too many read events", "end one of them"]);

    // The socket has places of its own.
    let events = get(&mut site.connect(), "/v1/events");
    assert!(events.starts_with("HTTP/1.1 200"), "{events}");
    // And one that goes makes room.
    readers.remove(0);
    let deadline = std::time::Instant::now() + DEADLINE;
    while !get(&mut connect(), "/v1/events").starts_with("HTTP/1.1 200") {
        assert!(std::time::Instant::now() < deadline, "no place got free");
    }
}

#[test]
fn who_does_not_read_the_answers_is_given_up() {
    let site = Site::new();
    // More than fits between us, and they take all places.
    let request = "GET /page/page.css HTTP/1.1\r\nhost: x\r\n\r\n".repeat(64);
    let mut silent: Vec<_> = (0..64).map(|_| site.connect()).collect();
    for stream in &mut silent {
        stream.write_all(request.as_bytes()).expect("sent");
    }
    let mut last = site.connect();
    last.set_read_timeout(Some(2 * DEADLINE)).expect("set");
    let answer = get(&mut last, "/v1/info");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[cfg(target_os = "linux")]
#[test]
fn those_who_are_connected_are_answered_though_nobody_else_can_be_let_in() {
    const FILES_MAX: usize = 40;
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("a.sock");
    let mut command = Command::new("sh");
    let limited = format!("ulimit -n {FILES_MAX} && exec \"$@\"");
    command.args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_selkie")]);
    command.args(["agent", "--json", "--preset", "local", "--name", "a"]);
    command.args(["--bind", "127.0.0.1:0", "--transport", "udp", "--admin"]);
    let agent = Agent::run("a", {
        command.arg(&socket);
        command
    });
    let connect = || UnixStream::connect(&socket).expect("connected");
    let mut first = connect();
    first.set_read_timeout(Some(DEADLINE)).expect("set");
    get(&mut first, "/v1/info");
    let others: Vec<_> = (0..FILES_MAX).map(|_| connect()).collect();
    let files = format!("/proc/{}/fd", agent.id());
    let deadline = std::time::Instant::now() + DEADLINE;
    while std::fs::read_dir(&files).expect("files").count() < FILES_MAX {
        assert!(std::time::Instant::now() < deadline, "it has files left");
    }
    get(&mut first, "/v1/info");
    // Places get free once others go.
    drop(others);
    let mut last = connect();
    last.set_read_timeout(Some(DEADLINE)).expect("set");
    get(&mut last, "/v1/info");
}

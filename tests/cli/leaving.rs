//! How `selkie agent` ends.

use core::time::Duration;
use std::{
    io::{self, BufRead, BufReader, Read},
    process::Stdio,
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::fixture::{Agent, DEADLINE, agent, owned, run, signal, stderr, text, wait};

const UDP: [&str; 4] = ["--transport", "udp", "--bind", "127.0.0.1:0"];

/// With it, nobody is suspected for being slow.
const PATIENT: [&str; 2] = ["--preset", "wan"];

#[test]
fn told_to_stop_it_leaves_and_all_is_well() {
    for signal in ["TERM", "INT"] {
        let mut a = Agent::start("a", &args("a", &[]));
        let seed = a.addr.to_string();
        let mut b = Agent::start("b", &args("b", &["--join", &seed]));
        a.until_event("joined", "b");
        b.until_event("joined", "a");
        a.signal(signal);
        check_saw_it_leave(&mut b, "a");
        assert_eq!(a.wait(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    for (second, code) in [("TERM", 143), ("INT", 130)] {
        let mut a = Agent::start("a", &args("a", &[]));
        let seed = a.addr.to_string();
        let mut b = Agent::start("b", &args("b", &["--join", &seed]));
        a.until_event("joined", "b");
        // Nobody acknowledges the departure: it takes its time.
        b.kill();
        a.signal("TERM");
        a.until("leaving", |event| event["event"] == "leaving");
        a.signal(second);
        assert_eq!(a.wait(), Some(code), "SIG{second}");
    }
}

#[test]
fn when_nobody_reads_its_output_it_leaves() {
    let mut a = agent(&args("a", &[]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdout = BufReader::new(a.stdout.take().expect("piped"));
    let mut started = String::new();
    stdout.read_line(&mut started).expect("a line");
    let started: Value = serde_json::from_str(&started).expect("JSON");

    let seed = started["addr"].as_str().expect("an address");
    let mut b = Agent::start("b", &args("b", &["--join", seed]));
    b.until_event("joined", "a");
    // Only now, that b is sure of it; what happens next is more than it can tell.
    drop(stdout);
    let _c = Agent::start("c", &args("c", &["--join", seed]));
    check_saw_it_leave(&mut b, "a");
    assert_eq!(wait(&mut a), Some(1));
    let mut stderr = String::new();
    let mut errors = a.stderr.take().expect("piped");
    errors.read_to_string(&mut stderr).expect("text");
    assert!(
        stderr.starts_with("selkie: cannot write to stdout: "),
        "{stderr}"
    );
}

/// As where a pager shows it, or what collects it has come to a halt.
#[test]
fn though_its_reader_has_stopped_to_read_it_leaves_when_told_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut a = agent(&args("a", &[]))
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdout = BufReader::new(a.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let started: Value = serde_json::from_str(&line).expect("JSON");
    let seed = started["addr"].as_str().expect("an address");
    let socket = text(&dir.path().join("b.sock"));
    let more = ["--join", seed, "--admin", &socket];
    let mut b = Agent::start("b", &args("b", &more));
    b.until_event("joined", "a");
    // More than fits between it and us.
    let long = "x".repeat(120_000);
    let sent = run(&["send", "a", &long, "--admin", &socket]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    // It is about to tell of it.
    let mut until = |part: &str| {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(part) {
            let mut byte = [0];
            stdout.read_exact(&mut byte).expect("more");
            seen.extend(byte);
        }
    };
    until("xxx");
    signal(&a, "TERM");
    check_saw_it_leave(&mut b, "a");
    assert_eq!(wait(&mut a), Some(0));
}

#[test]
fn when_nobody_reads_its_errors_it_carries_on() {
    let join = ["--log", "trace", "--join", "nobody.invalid:1"];
    let mut a = agent(&args("a", &join))
        .stdout(Stdio::piped())
        .stderr(unread())
        .spawn()
        .expect("started");
    let stdout = BufReader::new(a.stdout.take().expect("piped"));
    let mut events = stdout.lines().map(|line| line.expect("a line"));
    let event = |name: &str| format!("\"event\":\"{name}\"");
    let mut until = |name: &str| events.by_ref().find(|line| line.contains(&event(name)));
    let started: Value = serde_json::from_str(&until("started").expect("an event")).expect("JSON");
    until("unresolved").expect("an event");

    let seed = started["addr"].as_str().expect("an address");
    let mut b = Agent::start("b", &args("b", &["--join", seed]));
    until("joined").expect("an event");
    b.kill();
    signal(&a, "TERM");
    until("leaving").expect("an event");
    signal(&a, "TERM");
    assert_eq!(wait(&mut a), Some(143));
}

#[test]
fn errors_that_nobody_reads_are_no_panic() {
    let bad = ["--bind", "0.0.0.0:0", "--transport", "udp"];
    let mut refused = agent(&owned(&bad))
        .stderr(unread())
        .spawn()
        .expect("started");
    assert_eq!(wait(&mut refused), Some(1));
    let wrong = ["--bind", "nowhere"];
    let mut wrong = agent(&owned(&wrong))
        .stderr(unread())
        .spawn()
        .expect("started");
    assert_eq!(wait(&mut wrong), Some(2));
}

#[test]
fn of_two_with_one_name_the_one_that_gives_up_exits_and_says_why() {
    let hasty = |name, more: &[&str]| owned(&[&UDP[..], &["--name", name], more].concat());
    let mut seed = Agent::start("seed", &hasty("seed", &[]));
    let join = seed.addr.to_string();
    let twin = || hasty("twin", &["--join", &join]);
    let (mut elder, mut younger) = (Agent::start("twin", &twin()), Agent::start("twin", &twin()));
    seed.until_event("joined", "twin");
    let deadline = Instant::now() + DEADLINE;
    while !elder.has_ended() && !younger.has_ended() {
        assert!(Instant::now() < deadline, "neither gave up");
        thread::sleep(Duration::from_millis(10));
    }
    let (mut gone, mut stays) = match elder.has_ended() {
        true => (elder, younger),
        false => (younger, elder),
    };
    gone.until("the reason", |event| event["event"] == "defunct");
    gone.until_stderr("selkie: the member gave up: declared down, and cannot come back");
    assert_eq!(gone.wait(), Some(1));
    stays.signal("TERM");
    assert_eq!(stays.wait(), Some(0));
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let output = run(&["agent", "--help"]);
    let help = String::from_utf8(output.stdout).expect("text");
    for part in ["Exit codes:", "0 ", "1 ", "2 ", "130 ", "143 "] {
        assert!(help.contains(part), "no {part:?} in {help}");
    }
}

fn args(name: &str, more: &[&str]) -> Vec<String> {
    owned(&[&UDP[..], &PATIENT, &["--name", name], more].concat())
}

/// The news of a departure is not preceded by a suspicion.
#[track_caller]
fn check_saw_it_leave(agent: &mut Agent, name: &str) {
    agent.until_event("left", name);
    let suspected = |event: &Value| event["event"] == "suspect" && event["name"] == name;
    assert!(!agent.seen.iter().any(suspected), "{:?}", agent.seen);
}

/// A pipe that has no reader any more.
fn unread() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

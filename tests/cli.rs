//! The command `selkie`, run as its users do: real processes, sockets and certificates.
#![cfg(all(feature = "cli", unix))]

use core::{net::SocketAddr, time::Duration};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Instant, SystemTime},
};

use selkie::transports::certs::DevCa;
use serde_json::Value;
use tempfile::TempDir;

/// Far above what anything here takes on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn demo_over_udp_ends_well() {
    check_demo(&["demo", "--json", "--transport", "udp", "--nodes", "4"]);
}

#[test]
fn demo_over_quic_ends_well() {
    check_demo(&["demo", "--json"]);
}

#[test]
fn demo_prints_lines_where_there_is_no_terminal() {
    let output = run(&["demo", "--nodes", "3", "--transport", "udp"]);
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "escape codes in {stdout:?}");
    for part in ["suspect", "is down", "is back", "is gone at once"] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
}

#[test]
fn demo_of_two_is_refused() {
    let output = run(&["demo", "--nodes", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("2 is not in 3..=50"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn members_over_quic_find_each_other_fail_return_and_leave() {
    let certs = Certs::new(&["a", "b", "c"]);
    let seed = free_port();
    // Before there is a seed.
    let mut a = Agent::start("a", &certs.args("a", &["--join", &seed.to_string()]));
    let mut b = Agent::start("b", &certs.args("b", &["--join", &seed.to_string()]));
    let mut c = Agent::start("c", &certs.at(seed, "c", &[]));
    for (agent, others) in [
        (&mut a, ["b", "c"]),
        (&mut b, ["a", "c"]),
        (&mut c, ["a", "b"]),
    ] {
        let mut missing = others.to_vec();
        agent.until("both others", |event| {
            if event["event"] == "joined" {
                missing.retain(|name| event["name"] != *name);
            }
            missing.is_empty()
        });
    }

    a.kill();
    for agent in [&mut b, &mut c] {
        agent.until_event("suspect", "a");
        agent.until_event("down", "a");
    }

    let generation = a.generation;
    let mut a = Agent::start("a", &certs.args("a", &["--join", &seed.to_string()]));
    assert!(a.generation > generation);
    for agent in [&mut b, &mut c] {
        let event = agent.until_event("renamed", "a");
        assert_eq!(event["addr"], a.addr.to_string());
        assert_eq!(event["before"]["generation"], generation);
        agent.until_event("joined", "a");
    }

    let asked = Instant::now();
    b.signal("TERM");
    for agent in [&mut a, &mut c] {
        agent.until_event("down", "b");
    }
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(b.wait(), Some(0));
}

#[test]
fn members_over_udp_speak_any_codec() {
    for codec in ["postcard", "bincode", "msgpack"] {
        let args = [
            "--bind",
            "127.0.0.1:0",
            "--transport",
            "udp",
            "--codec",
            codec,
        ];
        let mut a = Agent::start("a", &owned(&[&args[..], &["--name", "a"]].concat()));
        let seed = a.addr.to_string();
        let join = ["--name", "b", "--join", &seed];
        let mut b = Agent::start("b", &owned(&[&args[..], &join].concat()));
        a.until_event("joined", "b");
        b.until_event("joined", "a");
    }
}

#[test]
fn members_on_ipv6_find_each_other_through_a_dual_stack_socket() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6");
        return;
    }
    let shared = ["--transport", "udp", "--name"];
    let dual = ["a", "--bind", "[::]:0", "--advertise", "127.0.0.1:0"];
    let mut a = Agent::start("a", &owned(&[&shared[..], &dual].concat()));
    let v4 = a.addr.to_string();
    let v6 = format!("[::1]:{}", a.addr.port());
    let b = ["b", "--bind", "127.0.0.1:0", "--join", &v4];
    let mut b = Agent::start("b", &owned(&[&shared[..], &b].concat()));
    a.until_event("joined", "b");
    b.until_event("joined", "a");

    let dual = [
        "c",
        "--bind",
        "[::]:0",
        "--advertise",
        "[::1]:0",
        "--join",
        &v6,
    ];
    let mut c = Agent::start("c", &owned(&[&shared[..], &dual].concat()));
    a.until_event("joined", "c");
    c.until_event("joined", "a");
}

#[test]
fn a_second_signal_exits_at_once() {
    let shared = [
        "--transport",
        "udp",
        "--preset",
        "wan",
        "--bind",
        "127.0.0.1:0",
    ];
    let mut a = Agent::start("a", &owned(&[&shared[..], &["--name", "a"]].concat()));
    let seed = a.addr.to_string();
    let join = ["--name", "b", "--join", &seed];
    let mut b = Agent::start("b", &owned(&[&shared[..], &join].concat()));
    a.until_event("joined", "b");
    // Nobody acknowledges the departure: it takes its time.
    b.kill();
    a.signal("TERM");
    a.until("leaving", |event| event["event"] == "leaving");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(130));
}

#[test]
fn wildcard_bind_needs_an_address_to_advertise() {
    let output = run(&["agent", "--bind", "0.0.0.0:0", "--transport", "udp"]);
    check_failure(&output, &["0.0.0.0", "hint: ", "--advertise"]);
}

#[test]
fn port_in_use_is_named() {
    let holder = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let addr = holder.local_addr().expect("an address").to_string();
    let output = run(&["agent", "--bind", &addr, "--transport", "udp"]);
    check_failure(&output, &[&addr, "in use", "hint: "]);
    let certs = Certs::new(&["a"]);
    let output = run_owned(&certs.at(addr.parse().expect("an address"), "a", &[]));
    check_failure(&output, &[&addr, "in use", "hint: "]);
}

#[test]
fn quic_without_certificates_says_how_to_make_them() {
    let output = run(&["agent", "--bind", "127.0.0.1:0"]);
    check_failure(
        &output,
        &[
            "--ca",
            "--cert",
            "--key",
            "hint: ",
            "selkie certs init",
            "selkie certs issue",
        ],
    );
}

#[test]
fn unreadable_certificate_is_named() {
    let certs = Certs::new(&["a"]);
    fs::remove_file(certs.path("a.pem")).expect("removed");
    let output = run_owned(&certs.args("a", &[]));
    check_failure(&output, &["a.pem", "No such file"]);
    fs::write(certs.path("a.pem"), "not a certificate").expect("written");
    let output = run_owned(&certs.args("a", &[]));
    check_failure(&output, &["a.pem"]);
}

#[test]
fn expired_certificate_is_named() {
    let certs = Certs::new(&["a"]);
    let ca = DevCa::read_from(certs.dir.path()).expect("an authority");
    let day = Duration::from_secs(24 * 60 * 60);
    let past = SystemTime::now() - 3 * day;
    let issued = ca.issue_for("a", past, day / 2).expect("a certificate");
    fs::write(certs.path("a.pem"), issued.cert_pem()).expect("written");
    fs::write(certs.path("a-key.pem"), issued.key_pem()).expect("written");
    let output = run_owned(&certs.args("a", &[]));
    check_failure(&output, &["a.pem", "expired 2 days ago", "hint: "]);
}

#[test]
fn key_of_another_certificate_is_refused() {
    let certs = Certs::new(&["a", "b"]);
    fs::copy(certs.path("b-key.pem"), certs.path("a-key.pem")).expect("copied");
    let output = run_owned(&certs.args("a", &[]));
    check_failure(&output, &["a-key.pem"]);
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let ours = Certs::new(&["a"]);
    let theirs = Certs::new(&["a"]);
    fs::copy(theirs.path("ca.pem"), ours.path("ca.pem")).expect("copied");
    let output = run_owned(&ours.args("a", &[]));
    check_failure(&output, &["a.pem", "authority", "hint: "]);
}

#[test]
fn members_of_another_authority_stay_strangers() {
    let ours = Certs::new(&["a", "b"]);
    let theirs = Certs::new(&["x"]);
    let mut a = Agent::start("a", &ours.args("a", &[]));
    let join = a.addr.to_string();
    let mut x = Agent::start("x", &theirs.args("x", &["--join", &join]));
    let mut b = Agent::start("b", &ours.args("b", &["--join", &join]));
    a.until_event("joined", "b");
    b.until_event("joined", "a");
    x.until_stderr("authority");
    for agent in [&mut a, &mut b, &mut x] {
        agent.signal("TERM");
        assert_eq!(agent.wait(), Some(0));
    }
    assert!(
        a.seen.iter().all(|event| event["name"] != "x"),
        "{:?}",
        a.seen
    );
    assert!(
        x.seen.iter().all(|event| event["event"] != "joined"),
        "{:?}",
        x.seen
    );
}

#[test]
fn unresolvable_seed_is_named_and_tried_again() {
    let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "a"];
    let join = ["--join", "nobody.invalid:7946"];
    let mut a = Agent::start("a", &owned(&[&args[..], &join].concat()));
    a.until_stderr("nobody.invalid:7946");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
}

#[test]
fn seed_without_port_is_wrong_usage() {
    let output = run(&["agent", "--bind", "127.0.0.1:0", "--join", "db-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("port"), "{}", stderr(&output));
}

#[test]
fn keys_are_their_owners_and_nothing_is_overwritten_unasked() {
    let certs = Certs::new(&["a"]);
    for key in ["ca-key.pem", "a-key.pem"] {
        let mode = fs::metadata(certs.path(key))
            .expect("a key")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let dir = certs.dir.path().to_str().expect("text");
    let key = fs::read(certs.path("a-key.pem")).expect("a key");
    let output = run(&["certs", "issue", "a", "--dir", dir]);
    check_failure(&output, &["exists", "--force"]);
    let output = run(&["certs", "init", "--dir", dir]);
    check_failure(&output, &["exists", "--force"]);
    assert_eq!(fs::read(certs.path("a-key.pem")).expect("a key"), key);
    assert!(
        run(&["certs", "issue", "a", "--dir", dir, "--force"])
            .status
            .success()
    );
    assert_ne!(fs::read(certs.path("a-key.pem")).expect("a key"), key);
}

#[track_caller]
fn check_demo(args: &[&str]) {
    let output = run(args);
    let stdout = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success(), "{stdout}{}", stderr(&output));
    let mut last = None;
    for line in stdout.lines() {
        last = Some(serde_json::from_str::<Value>(line).expect("JSON"));
    }
    let last = last.expect("a result");
    assert_eq!(last["result"], "ok", "{stdout}");
    let times = [
        "converged_ms",
        "suspect_ms",
        "down_ms",
        "rejoined_ms",
        "left_ms",
    ];
    for time in times {
        assert!(last[time].is_u64(), "{time} in {last}");
    }
    assert_eq!(
        last.as_object().map(|object| object.len()),
        Some(times.len() + 1)
    );
    assert!(
        last["down_ms"].as_u64() >= last["suspect_ms"].as_u64(),
        "{last}"
    );
}

#[track_caller]
fn check_failure(output: &Output, parts: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("selkie: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

/// A directory that `selkie certs` filled.
struct Certs {
    dir: TempDir,
}

impl Certs {
    #[track_caller]
    fn new(names: &[&str]) -> Self {
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

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A member on any port.
    fn args(&self, name: &str, more: &[&str]) -> Vec<String> {
        self.at(SocketAddr::from(([127, 0, 0, 1], 0)), name, more)
    }

    fn at(&self, bind: SocketAddr, name: &str, more: &[&str]) -> Vec<String> {
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
struct Agent {
    name: &'static str,
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    errors: Receiver<String>,
    addr: SocketAddr,
    generation: u64,
}

impl Agent {
    #[track_caller]
    fn start(name: &'static str, args: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
        if args.first().is_none_or(|arg| arg != "agent") {
            command.args(["agent", "--json"]);
            if !args.iter().any(|arg| arg == "--preset") {
                command.args(["--preset", "local"]);
            }
        }
        let mut child = command
            .args(args)
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
    fn until_event(&mut self, event: &str, name: &str) -> Value {
        let what = format!("{event} {name}");
        self.until(&what, |seen| seen["event"] == event && seen["name"] == name)
    }

    /// Reads on until an event is what is wanted. Each is looked at once.
    #[track_caller]
    fn until(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
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
    fn until_stderr(&mut self, part: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.errors.recv_timeout(left).expect("more on stderr");
            if line.contains(part) {
                return;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// The exit code, and what was still printed.
    #[track_caller]
    fn wait(&mut self) -> Option<i32> {
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

/// Reads lines on a thread of its own.
fn lines<T: Send + 'static>(
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
fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(args)
        .output()
        .expect("run")
}

fn run_owned(args: &[String]) -> Output {
    run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

//! What is asked of running agents.

use core::time::Duration;
use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::{Command, Output, Stdio},
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::fixture::{
    Agent, Certs, DEADLINE, agent, check_failure, lines, owned, run, stderr, text,
};

/// Three members over QUIC that know each other, and can be asked.
pub(crate) struct Site {
    pub(crate) certs: Certs,
    pub(crate) a: Agent,
    pub(crate) b: Agent,
    pub(crate) c: Agent,
}

impl Site {
    pub(crate) fn new() -> Self {
        let certs = Certs::new(&["a", "b", "c"]);
        let [at_a, at_b, at_c] = ["a.sock", "b.sock", "c.sock"].map(|it| text(&certs.path(it)));
        let mut a = Agent::start("a", &certs.args("a", &["--admin", &at_a]));
        let join = a.addr.to_string();
        let join = |at| ["--join", &join, "--admin", at];
        let mut b = Agent::start("b", &certs.args("b", &join(&at_b)));
        let mut c = Agent::start("c", &certs.args("c", &join(&at_c)));
        for agent in [&mut a, &mut b, &mut c] {
            let mut joined = 0;
            agent.until("both others", |event| {
                joined += usize::from(event["event"] == "joined");
                joined == 2
            });
        }
        Self { certs, a, b, c }
    }

    /// Asks the first.
    pub(crate) fn ask(&self, args: &[&str]) -> Output {
        let socket = text(&self.certs.path("a.sock"));
        run(&[args, &["--admin", &socket]].concat())
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.ask(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    #[track_caller]
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
fn members_and_figures_are_told() {
    let site = Site::new();
    let members = site.json(&["members"]);
    let mut names: Vec<_> = members.as_array().expect("a list").iter().collect();
    assert_eq!(names.remove(0)["name"], "a");
    assert!(
        names.iter().all(|member| member["state"] == "alive"),
        "{members}"
    );
    let table = site.text(&["members", "--name", "b|x"]);
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAME", "STATE", "ADDRESS", "SINCE", "METADATA"]);
    assert_eq!(rows[1][..3], ["b", "alive", &site.b.addr.to_string()]);
    assert_eq!(rows.len(), 2, "{table}");
    let down = site.json(&["members", "--status", "down", "--status", "left"]);
    assert_eq!(down, serde_json::json!([]));

    let info = site.json(&["info"]);
    assert_eq!(info["members"]["alive"], 2);
    assert_eq!(info["facts"]["transport"], "QUIC");
    assert!(site.text(&["info"]).contains("local health  0 of 8"));
    assert!(site.text(&["why", "b"]).contains("was not suspected"));
    let ready = site.text(&["ready", "--members", "2"]);
    assert_eq!(ready, "ready; other active members: 2\n");
    assert_eq!(site.json(&["ready"])["active"], 2);
    check_failure(
        &site.ask(&["ready", "--members", "3", "--wait", "1"]),
        &["not ready", "2 of 3", "hint: "],
    );

    let findings = site.json(&["doctor"]);
    assert!(
        findings.as_array().is_some_and(|all| all.len() > 8),
        "{findings}"
    );
    let doctor = site.text(&["doctor"]);
    assert!(
        doctor.contains("good      it knows 2 other active members"),
        "{doctor}"
    );
    assert!(doctor.contains("certificate is good until"), "{doctor}");
    assert!(doctor.contains("clock agrees with those"), "{doctor}");
    let reached = format!("reaches it at {}", site.a.addr);
    assert!(doctor.contains(&reached), "{doctor}");
}

#[test]
fn members_are_told_things() {
    let mut site = Site::new();
    let set = site.json(&["set-meta", "rack 7"]);
    assert_eq!(set["len"], 6);
    assert_eq!(site.json(&["members"])[0]["metadata"]["text"], "rack 7");

    assert_eq!(site.text(&["send", "b", "hello\u{1b}[2J"]), "b has it\n");
    let message = site.b.until_event("message", "a");
    assert_eq!(message["detail"], "hello\u{1b}[2J");

    assert_eq!(
        site.text(&["broadcast", "deploy 5"]),
        "on its way to all members\n"
    );
    for agent in [&mut site.b, &mut site.c] {
        agent.until("the broadcast", |event| {
            event["event"] == "broadcast" && event["detail"] == "deploy 5"
        });
    }
    check_failure(
        &site.ask(&["broadcast", "deploy 5"]),
        &["not sent", "of late", "hint: "],
    );

    let joined = site.json(&["join", &site.b.addr.to_string()]);
    assert_eq!(joined["announced"][0], site.b.addr.to_string());
}

#[test]
fn why_names_the_accusers_of_a_member_that_is_cut_off() {
    let mut site = Site::new();
    site.c.signal("STOP");
    site.a.until_event("down", "c");
    let why = site.json(&["why", "c"]);
    let latest = &why[0];
    assert_eq!(latest["member"]["name"], "c");
    assert_eq!(latest["outcome"], "down", "{why}");
    let by = latest["by"]["name"].as_str().expect("an accuser");
    assert!(["a", "b"].contains(&by), "{why}");
    assert!(latest["local_health"].is_u64(), "{why}");
    if by == "a" {
        // It had asked the only other one.
        assert_eq!(latest["asked"][0]["by"]["name"], "b", "{why}");
    }
    let table = site.text(&["why", "c"]);
    assert!(
        table.starts_with("WHEN") && table.contains("THROUGH"),
        "{table}"
    );
    assert!(table.contains(" down "), "{table}");
    assert_eq!(site.json(&["members", "--status", "down"])[0]["name"], "c");

    // It lives, and comes back.
    site.c.signal("CONT");
    site.a.until_event("joined", "c");
}

#[test]
fn a_member_is_forced_out_and_the_agent_leaves_when_told() {
    let mut site = Site::new();
    site.c.signal("STOP");
    assert!(site.text(&["down", "c"]).contains("c is down"));
    site.b.until_event("down", "c");
    check_failure(
        &site.ask(&["down", "c"]),
        &["cannot declare c down", "down already"],
    );

    let left = site.text(&["leave"]);
    assert!(left.starts_with("left; "), "{left}");
    assert_eq!(site.a.wait(), Some(0), "{:?}", site.a.seen);
    site.b.until_event("left", "a");
    assert!(!site.certs.path("a.sock").exists());
}

#[test]
fn events_and_members_are_watched_until_the_agent_stops() {
    let site = Site::new();
    let socket = text(&site.certs.path("a.sock"));
    let watching = |args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_selkie"))
            .args([args, &["--json", "--admin", &socket]].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        let parse = |line: String| serde_json::from_str::<Value>(&line).expect("JSON");
        (child, lines(stdout, parse))
    };
    let (mut watch, events) = watching(&["watch"]);
    let (mut top, pictures) = watching(&["top"]);
    let picture = pictures.recv_timeout(DEADLINE).expect("a picture");
    assert_eq!(
        picture["members"].as_array().map(Vec::len),
        Some(3),
        "{picture}"
    );
    assert!(picture["datagrams_in_per_second"].is_u64(), "{picture}");
    let (mut table, tables) = watching(&["members", "--watch", "--status", "left"]);
    assert_eq!(tables.recv_timeout(DEADLINE), Ok(serde_json::json!([])));
    while events.recv_timeout(DEADLINE).expect("an event")["event"] != "connected" {}
    site.b.signal("TERM");
    let left = events.recv_timeout(DEADLINE).expect("an event");
    assert_eq!(
        (&left["event"], &left["name"]),
        (&"left".into(), &"b".into())
    );
    let table_now = tables.recv_timeout(DEADLINE).expect("a table");
    assert_eq!(table_now[0]["name"], "b");
    site.a.signal("TERM");
    for child in [&mut watch, &mut table, &mut top] {
        assert_eq!(crate::fixture::wait(child), Some(1));
    }
}

#[test]
fn why_a_member_does_not_answer_moves_no_cursor() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("liar.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // A peer says itself why it closed a connection.
    let error = "closed by peer: \u{1b}[2Jall is well\nhint: rm";
    let who = r#""name": "a", "addr": "10.0.0.1:7946", "generation": 1"#;
    let answers = [
        (
            "200 OK",
            format!(
                r#"[{{{who}, "error": {error:?}, "keys": [], "certificate_expires": null,
                "certificate_days": null, "authorities": [], "public_key": "00"}}]"#
            ),
        ),
        (
            "200 OK",
            format!(
                r#"[{{"from": "b", "to": "a", "echoes": 0, "min_ns": 0, "median_ns": 0,
                "max_ns": 0, "error": {error:?}}}]"#
            ),
        ),
        ("502 Bad Gateway", format!(r#"{{"error": {error:?}}}"#)),
    ];
    let answers = answers.map(|(status, body)| (status, body.replace("\\u{1b}", "\\u001b")));
    let liar = thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().expect("asked");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                asked.extend(byte);
            }
            let len = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {len}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).expect("answered");
        }
    });
    let at = ["--admin", &text(&socket)];
    for args in [&["certs", "list"][..], &["rtt"], &["send", "a", "text"]] {
        let output = run(&[args, &at].concat());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains("all is well\\nhint: rm"), "{said:?}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    liar.join().expect("asked for all");
}

#[test]
fn who_asks_in_vain_is_told_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let dead = text(&dir.path().join("dead.sock"));
    drop(UnixListener::bind(&dead).expect("a socket"));
    let none = text(&dir.path().join("none.sock"));
    check_failure(
        &run(&["members", "--admin", &dead]),
        &[&dead, "hint: ", "dead"],
    );
    check_failure(
        &run(&["ready", "--wait", "1", "--admin", &none]),
        &[&none, "hint: "],
    );
    check_failure(
        &run(&["members", "--admin", &none]),
        &[&none, "hint: ", "--admin"],
    );
    let http = "http://127.0.0.1:1";
    check_failure(
        &run(&["info", "--admin", http]),
        &[http, "hint: ", "--admin-http"],
    );
    check_failure(
        &run(&["info", "--admin", "http://here"]),
        &["http://here", "hint: "],
    );
    for args in [
        &["members", "--name", "("][..],
        &["members", "--status", "ill"],
        &["down"],
        &["send", "b"],
        &[
            "agent",
            "--bind",
            "127.0.0.1:0",
            "--admin-http",
            "10.0.0.1:80",
        ],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn agents_of_ours_are_found_at_their_usual_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let ask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
        let command = command.args(args).env("XDG_RUNTIME_DIR", dir.path());
        command.output().expect("run")
    };
    let start = |name: &'static str| {
        let args = [
            "--bind",
            "127.0.0.1:0",
            "--transport",
            "udp",
            "--name",
            name,
        ];
        let mut command = agent(&owned(&args));
        command
            .env("XDG_RUNTIME_DIR", dir.path())
            .env_remove("SELKIE_NO_ADMIN");
        Agent::run(name, command)
    };
    check_failure(
        &ask(&["members"]),
        &["no agent to ask", "hint: ", "--admin"],
    );
    // Somebody else may have put theirs there.
    let folder = dir.path().join("selkie");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("set");
    check_failure(&ask(&["members"]), &["not a folder of ours only", "hint: "]);
    fs::remove_dir(&folder).expect("removed");
    let _a = start("a");
    wait_until(|| ask(&["info", "--json"]).status.success());
    let mut b = start("b");
    wait_until(|| ask(&["info", "--agent", "b"]).status.success());
    check_failure(
        &ask(&["members"]),
        &["selkie@a", "selkie@b", "hint: ", "--agent"],
    );
    // Its socket stays, and does not confuse anybody.
    b.kill();
    let info = ask(&["info", "--json"]);
    let info: Value = serde_json::from_slice(&info.stdout).expect("JSON");
    assert_eq!(info["name"], "a");
}

#[test]
fn loopback_is_for_reading_and_for_prometheus() {
    let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "a"];
    let admin = ["--admin-http", "127.0.0.1:0", "--no-admin"];
    let mut a = Agent::start("a", &owned(&[&args[..], &admin].concat()));
    let line = a.until_stderr("/metrics");
    let (_, url) = line.split_once("at ").expect("an address");
    let http = url.trim_end_matches("/metrics");
    let members = run(&["members", "--admin", http]);
    assert!(members.status.success(), "{}", stderr(&members));
    let doctor = run(&["doctor", "--admin", http]);
    check_failure(&doctor, &["not well"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        said.contains("bad       it knows no other active member"),
        "{said}"
    );
    check_failure(
        &run(&["leave", "--admin", http]),
        &["read-only", "hint: ", "--admin"],
    );
    assert!(!a.has_ended());
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{}", stderr(&output));
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(script.contains("set-meta"), "{script}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = run(&["man", "--dir", &text(dir.path())]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(dir.path().join("selkie-agent.1")).expect("a page");
    assert!(page.contains("advertise"), "{page}");
}

#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never was");
        thread::sleep(Duration::from_millis(20));
    }
}

//! What members seal with, and how it is replaced.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Agent, DEADLINE, check_failure, lines, owned, run, stderr, text};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three members over sealed UDP, each with a file of keys of its own, and another key.
struct Site {
    dir: TempDir,
    agents: Vec<Agent>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| text(&dir.path().join(name));
        for key in ["old.key", "new.key"] {
            let made = run(&["keys", "generate", "--out", &path(key)]);
            assert!(made.status.success(), "{}", stderr(&made));
        }
        let mut agents: Vec<Agent> = Vec::new();
        for name in NAMES {
            let key = fs::read_to_string(path("old.key")).expect("a key");
            let file = path(&format!("{name}.key"));
            fs::write(&file, format!("# of {name}\n{key}")).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
            let mut args = owned(&[
                "--bind",
                "127.0.0.1:0",
                "--transport",
                "udp",
                "--name",
                name,
            ]);
            args.extend(owned(&["--preset", "lan", "--seal-key", &file]));
            args.extend(owned(&["--admin", &path(&format!("{name}.sock"))]));
            if let Some(first) = agents.first() {
                args.extend(owned(&["--join", &first.addr.to_string()]));
            }
            agents.push(Agent::start(name, &args));
        }
        for agent in &mut agents {
            let mut joined = 0;
            agent.until("both others", |event| {
                joined += usize::from(event["event"] == "joined");
                joined == 2
            });
        }
        Self { dir, agents }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn ask(&self, at: &str, args: &[&str]) -> Output {
        let socket = text(&self.path(&format!("{at}.sock")));
        run(&[args, &["--admin", &socket]].concat())
    }

    #[track_caller]
    fn json(&self, at: &str, args: &[&str]) -> Value {
        let output = self.ask(at, &[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// As long as it takes to suspect somebody.
    fn lets_seconds_pass(&self) {
        let socket = text(&self.path("a.sock"));
        let mut top = Command::new(env!("CARGO_BIN_EXE_selkie"))
            .args(["top", "--json", "--admin", &socket])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let seconds = lines(top.stdout.take().expect("piped"), |line| line);
        for _ in 0..4 {
            seconds.recv_timeout(DEADLINE).expect("a picture");
        }
        let _ = top.kill();
        let _ = top.wait();
    }

    /// Each file has its comment and this key, and the permissions that it had.
    #[track_caller]
    fn check_files(&self, key: &str) {
        for name in NAMES {
            let file = self.path(&format!("{name}.key"));
            let text = fs::read_to_string(&file).expect("keys");
            assert_eq!(text, format!("# of {name}\n{key}"));
            let mode = fs::metadata(&file).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
    }

    /// The names of the keys that members know, those that seal first.
    fn keys(&self, at: &str) -> Vec<String> {
        let list = self.json(at, &["keys", "list"]);
        let keys = list["keys"].as_array().expect("a list");
        let name = |key: &Value| key["key"].as_str().expect("a name").to_owned();
        keys.iter().map(name).collect()
    }
}

#[test]
fn a_key_is_replaced_at_three_members_by_commands_alone_and_nobody_is_suspected() {
    let mut site = Site::new();
    let [old] = site.keys("a").try_into().expect("one key");
    let file = text(&site.path("new.key"));
    let added = site.ask("a", &["keys", "add", &file]);
    let said = String::from_utf8_lossy(&added.stdout).into_owned();
    assert!(
        said.contains("at 1 of 3 members"),
        "{said} {}",
        stderr(&added)
    );
    assert!(
        said.contains("next: selkie keys add FILE, at b,c"),
        "{said}"
    );
    let new = site
        .keys("a")
        .into_iter()
        .find(|key| *key != old)
        .expect("another");

    // The others could not open what is sealed with it.
    let early = site.ask("a", &["keys", "use", &new]);
    check_failure(&early, &["b does not have the key", "hint: ", "--force"]);
    let table = site.ask("b", &["keys", "list"]);
    let table = String::from_utf8(table.stdout).expect("text");
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["KEY", "HERE", "OPENS", "SEALS", "MISSING", "AT"]);
    assert_eq!(
        rows[1],
        [&old, "seals", "3", "of", "3", "3", "of", "3", "-"]
    );
    assert_eq!(rows[2], [&new, "-", "1", "of", "3", "0", "of", "3", "b,c"]);

    for at in ["b", "c"] {
        site.json(at, &["keys", "add", &file]);
    }
    for (nth, at) in NAMES.iter().enumerate() {
        let used = site.json(at, &["keys", "use", &new.to_uppercase()]);
        assert_eq!(
            used,
            json!({"key": new, "here": "seals", "done": nth + 1, "members": 3})
        );
        if nth == 0 {
            // The others still seal with it.
            let early = site.ask(at, &["keys", "remove", &old]);
            check_failure(&early, &["b still seals with the key", "hint: "]);
        }
    }
    for (nth, at) in NAMES.iter().enumerate() {
        // It is known by its file, too.
        let file = text(&site.path("old.key"));
        let removed = site.json(at, &["keys", "remove", &file]);
        assert_eq!(
            removed,
            json!({"key": old, "here": "-", "done": nth + 1, "members": 3})
        );
    }
    assert_eq!(site.keys("c"), [new.as_str()]);
    site.check_files(&fs::read_to_string(&file).expect("a key"));
    site.lets_seconds_pass();
    let reach = site.json("a", &["reach"]);
    assert_eq!(reach["agrees"], true, "{reach}");
    for agent in &mut site.agents {
        agent.signal("TERM");
        assert_eq!(agent.wait(), Some(0));
        let is_bad = |seen: &&Value| ["suspect", "down"].iter().any(|it| seen["event"] == *it);
        assert_eq!(agent.seen.iter().find(is_bad), None);
    }
}

#[test]
fn keys_that_cannot_be_changed_stay_and_it_is_said_why() {
    let site = Site::new();
    let [old] = site.keys("a").try_into().expect("one key");
    let ask = |args: &[&str]| site.ask("a", args);
    check_failure(&ask(&["keys", "remove", &old, "--force"]), &["primary"]);
    check_failure(
        &ask(&["keys", "use", "00000000", "--force"]),
        &["no such key"],
    );
    for args in [
        &["keys", "use", "xyz"][..],
        &["keys", "remove"],
        &["keys", "add"],
    ] {
        assert_eq!(ask(args).status.code(), Some(2), "{args:?}");
    }
    let none = text(&site.path("none.key"));
    check_failure(
        &ask(&["keys", "add", &none]),
        &["none.key", "hint: ", "keys generate"],
    );
    let two = site.path("two.key");
    let key = fs::read_to_string(site.path("new.key")).expect("a key");
    fs::write(&two, format!("{key}{key}")).expect("written");
    check_failure(
        &ask(&["keys", "add", &text(&two)]),
        &["two.key", "one line"],
    );
    check_failure(
        &ask(&["certs", "list"]),
        &["no certificates", "hint: ", "keys list"],
    );
    check_failure(&ask(&["certs", "reload"]), &["no certificates"]);

    // From stdin; and what is wrong with the file by hand is told of, and nothing is changed.
    fs::write(site.path("a.key"), "what is this\n").expect("written");
    let mut add = Command::new(env!("CARGO_BIN_EXE_selkie"));
    add.args(["keys", "add", "-", "--admin", &text(&site.path("a.sock"))]);
    let key = fs::File::open(site.path("new.key")).expect("a key");
    add.stdin(Stdio::from(key));
    check_failure(
        &add.output().expect("run"),
        &["a.key", "line 1 is not a key"],
    );
    assert_eq!(site.keys("b"), [old.as_str()]);
}

//! Where `selkie agent` has its settings from.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::fixture::{Agent, Certs, agent, check_failure, owned, run, stderr, text};

fn write(dir: &Path, settings: &str) -> String {
    let file = dir.join("agent.toml");
    fs::write(&file, settings).expect("written");
    text(&file)
}

fn check(file: &str, more: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
    command
        .args(["agent", "--check", "--json", "--config", file])
        .args(more);
    command.envs(env.iter().copied()).output().expect("run")
}

const UDP: &str = "bind = \"127.0.0.1:0\"\ntransport = \"udp\"\n";

#[test]
fn what_is_typed_outdoes_the_environment_and_that_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = write(dir.path(), &format!("{UDP}name = \"of-the-file\""));
    let env = [("SELKIE_NAME", "of-the-environment")];
    for (more, env, name) in [
        (&[][..], &[][..], "of-the-file"),
        (&[], &env, "of-the-environment"),
        (&["--name", "typed"], &env, "typed"),
        (&["--name", "typed"], &[], "typed"),
    ] {
        let output = check(&file, more, env);
        assert!(output.status.success(), "{}", stderr(&output));
        let checked = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            checked.contains(&format!("\"name\":\"{name}\"")),
            "{checked}"
        );
    }
}

#[test]
fn settings_that_make_no_sense_are_named_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    for (settings, parts) in [
        ("bind = ", &["agent.toml", "hint: ", "TOML"][..]),
        ("colour = \"red\"", &["no setting colour", "hint: ", "bind"]),
        ("bind = { a = 1 }", &["bind", "neither"]),
        (
            "bind = \"127.0.0.1:0\"",
            &["--ca", "hint: ", "selkie certs"],
        ),
    ] {
        check_failure(&check(&write(dir.path(), settings), &[], &[]), parts);
    }
    let none = text(&dir.path().join("none.toml"));
    check_failure(
        &check(&none, &[], &[]),
        &["none.toml", "No such file", "hint: "],
    );
    let odd = write(dir.path(), &format!("{UDP}preset = \"moon\""));
    let output = check(&odd, &[], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("moon"), "{}", stderr(&output));
}

#[test]
fn sighup_reads_them_again_and_says_what_cannot_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = format!("{UDP}name = \"a\"\nmetadata = \"old\"\n");
    let file = write(dir.path(), &settings);
    let mut a = Agent::start("a", &owned(&["--config", &file]));
    let join = a.addr.to_string();
    let udp = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "b"];
    let mut b = Agent::start("b", &owned(&udp));
    let changed = UDP.replace("127.0.0.1:0", "127.0.0.1:1");
    let seed = b.addr;
    let changed = format!("{changed}name = \"a\"\nmetadata = \"new\"\njoin = [\"{seed}\"]\n");
    write(dir.path(), &changed);
    a.signal("HUP");
    let reloaded = a.until("reloaded", |event| event["event"] == "reloaded");
    let detail = reloaded["detail"].as_str().expect("a detail");
    assert_eq!(detail, "changed: join, metadata; needs a new start: bind");
    let joined = b.until_event("joined", "a");
    assert_eq!(joined["addr"], join);

    write(dir.path(), "nonsense");
    a.signal("HUP");
    a.until_stderr("cannot use the settings");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
}

#[test]
fn a_snapshot_finds_the_cluster_again_without_seeds() {
    let dir = tempfile::tempdir().expect("a directory");
    let snapshot = text(&dir.path().join("a.members"));
    let udp = ["--bind", "127.0.0.1:0", "--transport", "udp"];
    let start = |name: &'static str, more: &[&str]| {
        Agent::start(name, &owned(&[&udp[..], &["--name", name], more].concat()))
    };
    let mut b = start("b", &[]);
    let seed = b.addr.to_string();
    let mut a = start("a", &["--snapshot", &snapshot, "--join", &seed]);
    a.until_event("joined", "b");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
    b.until_event("left", "a");
    let mut a = start("a", &["--snapshot", &snapshot]);
    a.until_event("joined", "b");
    b.until_event("joined", "a");
}

#[test]
fn members_of_clusters_with_other_names_are_strangers() {
    let udp = ["--bind", "127.0.0.1:0", "--transport", "udp"];
    let start = |name: &'static str, more: &[&str]| {
        Agent::start(name, &owned(&[&udp[..], &["--name", name], more].concat()))
    };
    let mut a = start("a", &["--cluster", "shop"]);
    let seed = a.addr.to_string();
    let _x = start("x", &["--cluster", "bank", "--join", &seed]);
    let _b = start("b", &["--cluster", "shop", "--join", &seed]);
    a.until("b", |event| {
        assert_ne!(event["name"], "x", "{event}");
        event["event"] == "joined" && event["name"] == "b"
    });
}

#[test]
fn the_environment_alone_is_enough() {
    let mut command = agent(&[]);
    let settings = [("BIND", "127.0.0.1:0"), ("TRANSPORT", "udp"), ("NAME", "a")];
    for (name, value) in settings {
        command.env(format!("SELKIE_{name}"), value);
    }
    let mut a = Agent::run("a", command);
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
    assert_eq!(run(&["agent"]).status.code(), Some(2));
}

#[test]
fn the_settings_of_the_manual_are_good() {
    let certs = Certs::new(&["db-1"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ops/agent.toml");
    let (ca, cert) = (text(&certs.path("ca.pem")), text(&certs.path("db-1.pem")));
    let key = text(&certs.path("db-1-key.pem"));
    let output = check(file, &["--ca", &ca, "--cert", &cert, "--key", &key], &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let checked = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(checked.contains("\"addr\":\"10.0.0.1:7946\""), "{checked}");
    // Those that it names are not there.
    check_failure(&check(file, &[], &[]), &["/etc/selkie/ca.pem", "hint: "]);
}

//! Installations of certificates that end half-way.

use std::{
    fs,
    os::unix::fs::chown,
    process::{Command, Stdio},
};

use base64ct::{Base64, Encoding};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::fixture::{Agent, Certs, run_owned, stderr, text, wait};

const FILES: [&str; 3] = ["ca.pem", "a.pem", "a-key.pem"];
const PLAN: &str = ".a-key.pem.replacing";

fn read(certs: &Certs, file: &str) -> String {
    fs::read_to_string(certs.path(file)).expect("a file")
}

/// What an agent writes down before it replaces the files of the one by those of the other.
fn plan(old: &Certs, new: &Certs) -> String {
    let steps = FILES.map(|file| {
        let former = digest(&SHA256, read(old, file).as_bytes());
        let former = Base64::encode_string(former.as_ref());
        json!({ "former": former, "new": read(new, file) })
    });
    Value::from(steps.to_vec()).to_string()
}

#[test]
fn wherever_an_installation_was_broken_off_the_next_start_finishes_it() {
    for done in 0..=FILES.len() {
        let (site, new) = (Certs::new(&["a"]), Certs::new(&["a"]));
        fs::write(site.path(PLAN), plan(&site, &new)).expect("written");
        for file in &FILES[..done] {
            fs::copy(new.path(file), site.path(file)).expect("copied");
        }
        let so_far = FILES.map(|file| read(&site, file));
        let checked = run_owned(&site.args("a", &["--check"]));
        assert!(checked.status.success(), "{done}: {}", stderr(&checked));
        assert_eq!(FILES.map(|file| read(&site, file)), so_far);

        let mut agent = Agent::start("a", &site.args("a", &[]));
        agent.until_stderr("finished an installation of certificates");
        assert_eq!(
            FILES.map(|file| read(&site, file)),
            FILES.map(|file| read(&new, file))
        );
        assert!(!site.path(PLAN).exists());
    }
}

#[test]
fn files_that_were_changed_by_hand_since_are_left_alone() {
    let (site, new, later) = (Certs::new(&["a"]), Certs::new(&["a"]), Certs::new(&["a"]));
    fs::write(site.path(PLAN), plan(&site, &new)).expect("written");
    for file in FILES {
        fs::copy(later.path(file), site.path(file)).expect("copied");
    }
    let _agent = Agent::start("a", &site.args("a", &[]));
    assert_eq!(
        FILES.map(|file| read(&site, file)),
        FILES.map(|file| read(&later, file))
    );
    assert!(!site.path(PLAN).exists());
}

/// Who may write beside the certificate might not be one to say whom to trust.
#[test]
fn a_plan_of_somebody_else_is_left_alone() {
    let (site, new) = (Certs::new(&["a"]), Certs::new(&["a"]));
    fs::write(site.path(PLAN), plan(&site, &new)).expect("written");
    if chown(site.path(PLAN), Some(65534), None).is_err() {
        // Only root gives files away.
        return;
    }
    let former = FILES.map(|file| read(&site, file));
    let mut agent = Agent::start("a", &site.args("a", &[]));
    agent.until_stderr("somebody else wrote it");
    assert_eq!(FILES.map(|file| read(&site, file)), former);
}

#[test]
fn a_plan_that_makes_no_sense_is_told_of_and_keeps_nobody_from_starting() {
    let site = Certs::new(&["a"]);
    fs::write(site.path(PLAN), "{").expect("written");
    let mut agent = Agent::start("a", &site.args("a", &[]));
    agent.until_stderr(PLAN);
}

#[test]
fn an_agent_that_is_killed_while_it_installs_starts_again() {
    let site = Certs::new(&["a"]);
    let socket = text(&site.path("a.sock"));
    for _ in 0..6 {
        let mut agent = Agent::start("a", &site.args("a", &["--admin", &socket]));
        let new = Certs::new(&["a"]);
        let mut install = Command::new(env!("CARGO_BIN_EXE_selkie"));
        install.args(["certs", "install", "--admin", &socket]);
        for (option, file) in ["--ca", "--cert", "--key"].iter().zip(FILES) {
            install.arg(option).arg(new.path(file));
        }
        let mut install = install
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        // In the middle of it, unless it is too fast for us.
        while !site.path(PLAN).exists() && install.try_wait().expect("a status").is_none() {}
        agent.kill();
        wait(&mut install);
    }
    let _agent = Agent::start("a", &site.args("a", &[]));
}

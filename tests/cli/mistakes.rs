//! What `selkie agent` says to those who got something wrong.

use core::time::Duration;
use std::{fs, net::UdpSocket, time::SystemTime};

use selkie::transports::certs::DevCa;

use crate::fixture::{Certs, check_failure, run, run_owned, stderr};

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
fn keys_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.key").display().to_string();
    let shared = ["agent", "--bind", "127.0.0.1:0", "--seal-key", &file];
    let udp = [&shared[..], &["--transport", "udp"]].concat();
    check_failure(&run(&shared), &["QUIC", "hint: ", "--transport udp"]);
    check_failure(&run(&udp), &["a.key", "No such file", "selkie keys"]);
    fs::write(&file, "# mine\nsecret\n").expect("written");
    check_failure(&run(&udp), &["a.key", "line 2", "hint: "]);
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
fn seed_without_port_is_wrong_usage() {
    let output = run(&["agent", "--bind", "127.0.0.1:0", "--join", "db-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("port"), "{}", stderr(&output));
}

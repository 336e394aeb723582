//! `selkie certs`.

use std::{fs, os::unix::fs::PermissionsExt};

use selkie::transports::quic::rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::fixture::{Certs, check_failure, run};

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

#[test]
fn a_members_certificate_takes_the_place_of_no_key() {
    let certs = Certs::new(&["a"]);
    let other = tempfile::tempdir().expect("a directory");
    let text = |dir: &tempfile::TempDir| dir.path().to_str().expect("text").to_owned();
    let (dir, out) = (text(&certs.dir), text(&other));
    let read = |file| fs::read(certs.path(file)).expect("a file");
    let files = ["ca.pem", "ca-key.pem", "a-key.pem"];
    let before = files.map(read);
    for name in ["ca", "ca-key", "a-key"] {
        for more in [&["--force"][..], &["--out", &out, "--force"], &[]] {
            let args = [&["certs", "issue", name, "--dir", &dir][..], more].concat();
            check_failure(&run(&args), &[name, "hint: take another name"]);
        }
    }
    assert_eq!(files.map(read), before);
    assert_eq!(fs::read_dir(other.path()).expect("a directory").count(), 0);
}

#[test]
fn a_certificate_says_where_its_member_lives_if_told_to() {
    let certs = Certs::new(&["anywhere"]);
    let dir = certs.dir.path().to_str().expect("text");
    let addrs = ["--addr", "10.0.0.7", "--addr", "2001:db8::7"];
    let output = run(&[&["certs", "issue", "settled", "--dir", dir][..], &addrs].concat());
    assert!(output.status.success(), "{output:?}");
    // An iPAddress among the names (RFC 5280, section 4.2.1.6).
    let lives_at = |file, name: &[u8]| {
        let pem = fs::read(certs.path(file)).expect("a certificate");
        let der = CertificateDer::from_pem_slice(&pem).expect("PEM");
        der.windows(name.len()).any(|part| part == name)
    };
    assert!(lives_at("settled.pem", &[0x87, 4, 10, 0, 0, 7]));
    assert!(lives_at("settled.pem", &[0x87, 16, 0x20, 0x01, 0x0d, 0xb8]));
    assert!(!lives_at("anywhere.pem", &[0x87, 4]));
}

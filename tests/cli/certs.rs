//! `selkie certs`.

use std::{fs, os::unix::fs::PermissionsExt};

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

//! The development authority, and the files it writes.
#![cfg(feature = "certs")]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

use std::{fs, io, path::Path};

use selkie::transports::certs::{CertsError, DevCa};

#[test]
fn an_authority_is_the_same_after_it_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let ca = DevCa::new("cluster").unwrap();
    ca.write_to(dir.path()).unwrap();
    let again = DevCa::read_from(dir.path()).unwrap();
    assert_eq!(again.cert_pem(), ca.cert_pem());
    assert_eq!(again.key_pem(), ca.key_pem());
    let issued = again.issue("db-1").unwrap();
    assert_eq!(issued.ca_pem(), ca.cert_pem());
}

#[test]
fn an_authority_with_the_key_of_another_is_refused() {
    let (ca, other) = (DevCa::new("one").unwrap(), DevCa::new("two").unwrap());
    let mixed = DevCa::from_pem(ca.cert_pem(), &other.key_pem());
    assert!(matches!(mixed, Err(CertsError::KeyMismatch)), "{mixed:?}");
    for (cert, key) in [("", &*ca.key_pem()), (ca.cert_pem(), ""), ("x", "y")] {
        let broken = DevCa::from_pem(cert, key);
        assert!(matches!(broken, Err(CertsError::Failed(_))), "{broken:?}");
    }
}

#[test]
fn every_member_has_a_key_of_its_own() {
    let ca = DevCa::new("cluster").unwrap();
    let (one, two) = (ca.issue("db-1").unwrap(), ca.issue("db-1").unwrap());
    assert_ne!(one.key_pem(), two.key_pem());
    assert_ne!(one.cert_pem(), two.cert_pem());
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    let ca = DevCa::new("cluster").unwrap();
    let long = "x".repeat(64);
    for name in [
        "", ".", "..", "../evil", "a/b", "a b", "-rf", "ä", "a\0", &long,
    ] {
        let issued = ca.issue(name);
        assert!(
            matches!(issued, Err(CertsError::InvalidName { .. })),
            "{name:?}"
        );
    }
    for name in ["a", "db-1.eu_west", "7", &long[1..]] {
        ca.issue(name).unwrap();
    }
}

#[test]
fn names_whose_files_are_the_authoritys_are_refused() {
    let ca = DevCa::new("cluster").unwrap();
    for name in ["ca", "CA", "Ca", "ca-key", "CA-KEY", "ca-Key"] {
        let issued = ca.issue(name);
        assert!(
            matches!(&issued, Err(CertsError::ReservedName { name: refused }) if refused == name),
            "{name}: {issued:?}"
        );
    }
    for name in ["ca-1", "cab", "my-ca", "ca-keys"] {
        ca.issue(name).unwrap();
    }
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let ca = DevCa::new("cluster").unwrap();
    ca.write_to(dir.path()).unwrap();
    let issued = ca.issue("db-1").unwrap();
    issued.write_to(dir.path()).unwrap();
    let before = contents(dir.path());

    let other = DevCa::new("other").unwrap();
    check_exists(other.write_to(dir.path()), "ca-key.pem");
    check_exists(
        ca.issue("db-1").unwrap().write_to(dir.path()),
        "db-1-key.pem",
    );
    check_exists(other.issue("db-2").unwrap().write_to(dir.path()), "ca.pem");
    assert_eq!(contents(dir.path()), before);
    ca.issue("db-2").unwrap().write_to(dir.path()).unwrap();
}

#[test]
fn a_directory_is_made_if_need_be() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("one/two");
    DevCa::new("cluster").unwrap().write_to(&deep).unwrap();
    assert!(deep.join("ca.pem").exists());
}

#[cfg(unix)]
#[test]
fn private_keys_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let ca = DevCa::new("cluster").unwrap();
    ca.write_to(dir.path()).unwrap();
    ca.issue("db-1").unwrap().write_to(dir.path()).unwrap();
    for key in ["ca-key.pem", "db-1-key.pem"] {
        let mode = fs::metadata(dir.path().join(key))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let ca = DevCa::new("cluster").unwrap();
    let issued = ca.issue("db-1").unwrap();
    let shown = format!("{ca:?} {issued:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[track_caller]
fn check_exists(written: Result<(), CertsError>, file: &str) {
    let Err(CertsError::File { path, source }) = written else {
        panic!("{written:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
    assert!(path.ends_with(file), "{}", path.display());
}

fn contents(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

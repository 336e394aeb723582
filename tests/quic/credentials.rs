//! What is wrong with credentials is found at the start, and named.

use std::{error::Error, fs, time::SystemTime};

use selkie::transports::{
    certs::DevCa,
    quic::{Credentials, CredentialsError},
};

use crate::fixture::*;

#[test]
fn credentials_name_the_file_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ca = ca();
    ca.issue("db-1").unwrap().write_to(dir.path()).unwrap();
    ca.issue("db-2").unwrap().write_to(dir.path()).unwrap();
    fs::write(at("empty.pem"), "").unwrap();
    fs::write(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    let load = |ca: &str, cert: &str, key: &str| {
        Credentials::from_pem_files(at(ca), at(cert), at(key)).map_err(|error| error.to_string())
    };

    load("ca.pem", "db-1.pem", "db-1-key.pem").unwrap();
    for (files, wrong, why) in [
        (
            ["none.pem", "db-1.pem", "db-1-key.pem"],
            "none.pem",
            "cannot be read",
        ),
        (
            ["ca.pem", "none.pem", "db-1-key.pem"],
            "none.pem",
            "cannot be read",
        ),
        (
            ["ca.pem", "empty.pem", "db-1-key.pem"],
            "empty.pem",
            "no certificate",
        ),
        (
            ["ca.pem", "broken.pem", "db-1-key.pem"],
            "broken.pem",
            "is broken",
        ),
        (
            ["ca.pem", "db-1.pem", "db-1.pem"],
            "db-1.pem",
            "no private key",
        ),
        (
            ["ca.pem", "db-1.pem", "db-2-key.pem"],
            "db-2-key.pem",
            "does not belong",
        ),
    ] {
        let error = load(files[0], files[1], files[2]).unwrap_err();
        assert!(
            error.contains(wrong) && error.contains(why),
            "{files:?}: {error}"
        );
    }
}

#[test]
fn credentials_that_peers_would_refuse_are_refused_at_the_start() {
    let ca = ca();
    let (issued, expired) = (ca.issue("db-1").unwrap(), expired(&ca));
    let refused = Credentials::from_issued(&expired).unwrap_err();
    let CredentialsError::Expired { ago, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(ago.as_secs().abs_diff(9 * DAY.as_secs()) < 600, "{ago:?}");
    assert_eq!(refused.to_string(), "own certificate expired 9 days ago");

    let from = SystemTime::now() + 10 * DAY;
    let early = ca.issue_for("early", from, DAY).unwrap();
    let refused = Credentials::from_issued(&early).unwrap_err();
    assert!(
        matches!(refused, CredentialsError::NotValidYet { .. }),
        "{refused}"
    );

    // Of the same name, even.
    let other = DevCa::new("cluster").unwrap();
    let refused = Credentials::from_pem(other.cert_pem(), issued.cert_pem(), issued.key_pem());
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, CredentialsError::OtherAuthority { .. }),
        "{refused}"
    );
    assert!(refused.source().is_none());

    // An authority's certificate is not a member's.
    let refused = Credentials::from_pem(ca.cert_pem(), ca.cert_pem(), &ca.key_pem());
    assert!(
        matches!(refused, Err(CredentialsError::Refused { .. })),
        "{refused:?}"
    );
}

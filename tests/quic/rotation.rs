//! Credentials replaced while nodes run.

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

use selkie::{
    Transport,
    transports::{
        certs::{DevCa, Issued},
        quic::{CredentialFiles, Credentials, Quic},
    },
};

use crate::fixture::*;

#[test]
fn new_connections_use_new_credentials_and_old_ones_go_on() {
    let (old, new) = (DevCa::new("old").unwrap(), DevCa::new("new").unwrap());
    run(async {
        let (left, right) = (node(&old), node(&old));
        check_delivers(&left, &right, b"before").await;
        left.replace_credentials(&member(&new)).unwrap();
        // They trust each other no more, but have not been told to act on it.
        check_delivers(&left, &right, b"the old connection").await;
        check_delivers(&right, &left, b"both ways").await;
        assert_eq!(left.cut_old(), 1);
        assert_eq!(left.cut_old(), 0);
        until_unreachable(&left, right.local_addr()).await;
        assert!(left.counters().dials_untrusted > 0);
        right.replace_credentials(&member(&new)).unwrap();
        until_delivers(&right, &left, b"both new").await;
        assert_eq!(left.cut_old(), 0, "this one is new");
    });
}

#[test]
fn an_authority_is_replaced_in_three_steps() {
    let (old, new) = (DevCa::new("old").unwrap(), DevCa::new("new").unwrap());
    let both = format!("{}{}", old.cert_pem(), new.cert_pem());
    let steps = |issued: [&Issued; 2]| {
        let with = |ca: &str, own: &Issued| {
            Credentials::from_pem(ca, own.cert_pem(), own.key_pem()).unwrap()
        };
        let [before, after] = issued;
        [
            with(&both, before),
            with(&both, after),
            with(new.cert_pem(), after),
        ]
    };
    run(async {
        let begin = [old.issue("left").unwrap(), old.issue("right").unwrap()];
        let end = [new.issue("left").unwrap(), new.issue("right").unwrap()];
        let bind = |issued| {
            let credentials = Credentials::from_issued(issued).unwrap();
            Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap()
        };
        let (left, right) = (bind(&begin[0]), bind(&begin[1]));
        let lefts = steps([&begin[0], &end[0]]);
        let rights = steps([&begin[1], &end[1]]);
        // At each step, also while the other one has not taken it yet.
        for (one, two) in lefts.iter().zip(&rights) {
            for (node, credentials) in [(&left, one), (&right, two)] {
                node.replace_credentials(credentials).unwrap();
                node.cut_old();
                until_delivers(&left, &right, b"there").await;
                until_delivers(&right, &left, b"back").await;
            }
        }
        for node in [&left, &right] {
            let counters = node.counters();
            assert_eq!(counters.dials_untrusted, 0, "{counters:?}");
            assert_eq!(counters.rejected_by_peer, 0, "{counters:?}");
        }
    });
}

#[test]
fn chosen_peers_are_cut_off() {
    let ca = ca();
    run(async {
        let hub = node(&ca);
        let bind = |name: &str| {
            let credentials = Credentials::from_issued(&ca.issue(name).unwrap()).unwrap();
            Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap()
        };
        let (keep, cut) = (bind("keep"), bind("cut"));
        check_delivers(&keep, &hub, b"here").await;
        check_delivers(&cut, &hub, b"here").await;
        assert_eq!(hub.cut(|peer| peer.names().any(|name| name == "cut")), 1);
        check_counts(&cut, |counters| counters.closed_by_peer).await;
        check_delivers(&hub, &keep, b"still here").await;
        assert_eq!((hub.connections(), keep.counters().dials), (1, 1));
    });
}

#[test]
fn files_that_change_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let write = |issued: &Issued, parts: &[&str]| {
        for part in parts {
            let pem = match *part {
                "ca" => issued.ca_pem(),
                "cert" => issued.cert_pem(),
                _ => issued.key_pem(),
            };
            fs::write(at(part), pem).unwrap();
        }
    };
    let (old, new) = (DevCa::new("old").unwrap(), DevCa::new("new").unwrap());
    let (before, after) = (old.issue("node").unwrap(), new.issue("node").unwrap());
    write(&before, &["ca", "cert", "key"]);
    run(async {
        let mut files = CredentialFiles::new(at("ca"), at("cert"), at("key"));
        let left = Quic::bind(addr("127.0.0.1", 0), &files.read().unwrap()).unwrap();
        let following = smol::spawn(left.follow(files));
        let right = node(&new);
        // Half of them do not belong together.
        write(&after, &["cert"]);
        check_counts(&left, |counters| counters.renewals_failed).await;
        assert_eq!(left.counters().renewals, 0);
        check_delivers(&left, &node(&old), b"the former ones").await;
        write(&after, &["key", "ca"]);
        check_counts(&left, |counters| counters.renewals).await;
        until_delivers(&left, &right, b"the new ones").await;
        left.close().await;
        following.await;
    });
}

/// As on a mount whose server is gone.
#[cfg(unix)]
#[test]
fn files_that_do_not_answer_hold_nothing_up_and_closing_ends_the_wait_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ca = ca();
    let issued = ca.issue("node").unwrap();
    for (name, pem) in [
        ("ca", issued.ca_pem()),
        ("cert", issued.cert_pem()),
        ("key", issued.key_pem()),
    ] {
        fs::write(at(name), pem).unwrap();
    }
    run(async {
        let mut files = CredentialFiles::new(at("ca"), at("cert"), at("key"));
        let left = Quic::bind(addr("127.0.0.1", 0), &files.read().unwrap()).unwrap();
        let following = smol::spawn(left.follow(files));
        let made = Command::new("mkfifo").arg(at("stalled")).status();
        assert!(made.unwrap().success());
        fs::rename(at("stalled"), at("cert")).unwrap();
        let cert = at("cert");
        // Opened once somebody reads, who then waits for what is never written.
        let opened = smol::unblock(|| fs::File::options().write(true).open(cert));
        let _file = opened.await.unwrap();
        // It has connections to make, for which it needs all of its tasks.
        let right = node(&ca);
        check_delivers(&left, &right, b"still here").await;
        check_delivers(&right, &left, b"and heard").await;
        left.close().await;
        following.await;
    });
}

#[test]
fn files_that_are_not_valid_yet_are_used_once_they_are() {
    // Certificates are valid from an hour before they are said to be.
    const BACKDATED: Duration = Duration::from_secs(3_600);
    const EARLY: Duration = Duration::from_secs(8);
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    let write = |issued: &Issued| {
        for (name, pem) in [
            ("ca", issued.ca_pem().to_owned()),
            ("cert", issued.cert_pem().to_owned()),
            ("key", issued.key_pem().to_owned()),
        ] {
            fs::write(dir.path().join(name), pem).unwrap();
        }
    };
    write(&ca.issue("node").unwrap());
    run(async {
        let [ca_file, cert, key] = ["ca", "cert", "key"].map(|name| dir.path().join(name));
        let mut files = CredentialFiles::new(ca_file, cert, key);
        let node = Quic::bind(addr("127.0.0.1", 0), &files.read().unwrap()).unwrap();
        let _following = smol::spawn(node.follow(files));
        let early = ca.issue_for("node", SystemTime::now() + BACKDATED + EARLY, DAY);
        write(&early.unwrap());
        check_counts(&node, |counters| counters.renewals_failed).await;
        check_counts(&node, |counters| counters.renewals).await;
        // Files are written one after the other, and each change may be seen.
        assert!(node.counters().renewals_failed <= 3);
    });
}

#[test]
fn expiry_can_be_read() {
    let ca = ca();
    let now = SystemTime::now();
    let issued = ca.issue_for("short", now, 3 * DAY).unwrap();
    run(async {
        let credentials = Credentials::from_issued(&issued).unwrap();
        let node = Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap();
        let left = node.not_after().unwrap().duration_since(now).unwrap();
        assert!(left <= 3 * DAY && left > 2 * DAY, "{left:?}");
        let longer = ca.issue_for("longer", now, 30 * DAY).unwrap();
        node.replace_credentials(&Credentials::from_issued(&longer).unwrap())
            .unwrap();
        assert!(node.not_after().unwrap() > now + 29 * DAY);
    });
}

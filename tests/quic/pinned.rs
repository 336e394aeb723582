//! Members known by their keys, without an authority.

use selkie::{
    Transport,
    transport::Batch,
    transports::{
        certs::MemberKey,
        quic::{Credentials, CredentialsError, PinnedKeys, PublicKey, Quic},
    },
};

use crate::fixture::*;

#[test]
fn members_whose_keys_are_pinned_understand_each_other() {
    let keys = [key(), key()];
    let pins = PinnedKeys::new();
    pin(&pins, "left", &keys[0]);
    pin(&pins, "right", &keys[1]);
    run(async {
        let (left, right) = (bind(&keys[0], &pins), bind(&keys[1], &pins));
        left.send(right.local_addr(), b"hello").await.unwrap();
        let mut batch = Batch::new();
        right.recv(&mut batch).await.unwrap();
        let packet = batch.iter().next().unwrap();
        assert_eq!(packet.bytes, b"hello");
        let peer = packet.peer.unwrap();
        assert!(peer.names().eq(["left"]) && peer.addrs().is_empty());
        assert_eq!(peer.public_key(), public(&keys[0]).as_der());
        check_delivers(&right, &left, b"back").await;
        assert_eq!(right.counters().dials, 0);
        assert_eq!(left.not_after(), None);
    });
}

#[test]
fn a_key_that_is_not_pinned_is_refused_from_either_side() {
    let keys = [key(), key(), key()];
    let (pins, theirs) = (PinnedKeys::new(), PinnedKeys::new());
    for (name, key) in [("left", &keys[0]), ("right", &keys[1])] {
        pin(&pins, name, key);
        pin(&theirs, name, key);
    }
    run(async {
        let (left, right) = (bind(&keys[0], &pins), bind(&keys[1], &pins));
        let stranger = bind(&keys[2], &theirs);
        stranger
            .send(left.local_addr(), b"let me in")
            .await
            .unwrap();
        check_counts(&left, |counters| counters.inbound_untrusted).await;
        check_counts(&stranger, |counters| counters.rejected_by_peer).await;
        right.send(stranger.local_addr(), b"hello?").await.unwrap();
        check_counts(&right, |counters| counters.dials_untrusted).await;
        check_delivers(&left, &right, b"among us").await;
        assert_eq!(left.counters().packets_in, 0);
    });
}

#[test]
fn the_list_changes_while_nodes_run() {
    let keys = [key(), key(), key()];
    let pins = PinnedKeys::new();
    for (name, key) in [("hub", &keys[0]), ("old", &keys[1]), ("other", &keys[2])] {
        pin(&pins, name, key);
    }
    run(async {
        let hub = bind(&keys[0], &pins);
        let (old, other) = (bind(&keys[1], &pins), bind(&keys[2], &pins));
        check_delivers(&old, &hub, b"here").await;
        check_delivers(&other, &hub, b"here").await;
        assert!(pins.unpin("old", &public(&keys[1])));
        assert!(!pins.unpin("old", &public(&keys[1])));
        // What stands goes on until it is cut.
        check_delivers(&old, &hub, b"still here").await;
        let revoked = public(&keys[1]);
        assert_eq!(hub.cut(|peer| peer.public_key() == revoked.as_der()), 1);
        check_counts(&old, |counters| counters.closed_by_peer).await;
        old.send(hub.local_addr(), b"again?").await.unwrap();
        check_counts(&hub, |counters| counters.inbound_untrusted).await;
        check_delivers(&other, &hub, b"still here").await;

        let renewed = key();
        pin(&pins, "old", &renewed);
        until_delivers(&bind(&renewed, &pins), &hub, b"with another key").await;
    });
}

#[test]
fn certificates_and_bare_keys_do_not_mix() {
    let ca = ca();
    let bare = key();
    let pins = PinnedKeys::new();
    pin(&pins, "bare", &bare);
    run(async {
        let (left, right) = (node(&ca), bind(&bare, &pins));
        left.send(right.local_addr(), b"hello").await.unwrap();
        right.send(left.local_addr(), b"hello").await.unwrap();
        until_unreachable(&left, right.local_addr()).await;
        until_unreachable(&right, left.local_addr()).await;
        assert_eq!(left.counters().accepted + right.counters().accepted, 0);
    });
}

#[test]
fn names_and_keys_are_pairs() {
    let (one, two) = (public(&key()), public(&key()));
    let pins = PinnedKeys::new();
    assert!(pins.pin("a", &one) && pins.pin("a", &two) && pins.pin("b", &two));
    assert!(!pins.pin("a", &one));
    assert_eq!(pins.names(&one), ["a"]);
    assert_eq!(pins.names(&two), ["a", "b"]);
    assert_eq!(pins.keys("a").len(), 2);
    assert!(pins.unpin("a", &one) && !pins.is_pinned(&one) && pins.is_pinned(&two));
}

#[test]
fn lists_are_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pins");
    let (one, two) = (key(), key());
    let base64 = |key: &MemberKey| -> String {
        let pem = key.public_pem();
        let inside = pem.lines().filter(|line| !line.starts_with('-'));
        inside.collect()
    };
    let text = format!(
        "# ours\n\n a  {}\nb\t{}\na {}\n",
        base64(&one),
        base64(&two),
        base64(&two)
    );
    std::fs::write(&path, &text).unwrap();
    let pins = PinnedKeys::from_file(&path).unwrap();
    assert_eq!(pins.names(&public(&one)), ["a"]);
    assert_eq!(pins.names(&public(&two)), ["a", "b"]);
    assert!(!pins.reload(&path).unwrap(), "it is the same");
    for broken in ["", "# nobody\n", "a\n", "a AAAA\n", &text[..text.len() - 9]] {
        std::fs::write(&path, broken).unwrap();
        let error = pins.reload(&path).unwrap_err();
        assert!(error.to_string().contains("pins"), "{error}");
        assert_eq!(pins.keys("a").len(), 2, "it stays");
    }
    std::fs::write(&path, format!("b {}", base64(&one))).unwrap();
    assert!(pins.reload(&path).unwrap());
    assert_eq!(
        (pins.keys("a").len(), pins.names(&public(&one))),
        (0, vec!["b".to_owned()])
    );
    let digest = public(&one).sha256();
    assert!(digest != public(&two).sha256() && digest == public(&one).sha256());
}

#[test]
fn what_is_no_key_is_refused() {
    for pem in ["", "x", key().key_pem().as_str()] {
        assert!(PublicKey::from_pem(pem).is_err(), "{pem}");
    }
    let broken = PublicKey::from_der(b"x");
    assert!(matches!(broken, Err(CredentialsError::BrokenKey { .. })));
    let credentials = Credentials::from_pinned("", &PinnedKeys::new());
    assert!(matches!(
        credentials,
        Err(CredentialsError::NoPrivateKey { .. })
    ));
}

fn key() -> MemberKey {
    MemberKey::generate().unwrap()
}

fn public(key: &MemberKey) -> PublicKey {
    PublicKey::from_pem(&key.public_pem()).unwrap()
}

fn pin(pins: &PinnedKeys, name: &str, key: &MemberKey) {
    assert!(pins.pin(name, &public(key)));
}

fn bind(key: &MemberKey, pins: &PinnedKeys) -> Quic {
    let credentials = Credentials::from_pinned(&key.key_pem(), pins).unwrap();
    assert_eq!(credentials.public_key(), Some(&public(key)));
    Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap()
}

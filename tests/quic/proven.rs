//! Who a peer is proven to be, and of which cluster.

use std::{net::IpAddr, time::SystemTime};

use selkie::{
    Transport,
    transport::{Batch, ProvenPeer},
    transports::quic::{Credentials, Quic},
};

use crate::fixture::*;

#[test]
fn every_packet_says_whom_the_senders_certificate_names() {
    let ca = ca();
    let named = |name: &str| {
        let credentials = Credentials::from_issued(&ca.issue(name).unwrap()).unwrap();
        Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap()
    };
    run(async {
        let (left, right) = (named("left"), named("db-1.eu"));
        for packet in [&b"small"[..], &[7; 5_000]] {
            left.send(right.local_addr(), packet).await.unwrap();
            let peer = received_from(&right, packet).await;
            assert!(peer.names().eq(["left"]), "{peer:?}");
            assert!(peer.addrs().is_empty() && !peer.public_key().is_empty());
            // Also of who did not dial.
            right.send(left.local_addr(), packet).await.unwrap();
            let other = received_from(&left, packet).await;
            assert!(other.names().eq(["db-1.eu"]), "{other:?}");
            assert_ne!(peer.public_key(), other.public_key());
        }
    });
}

#[test]
fn a_certificate_with_addresses_says_where_its_member_lives() {
    let ca = ca();
    let addrs: [IpAddr; 2] = ["10.0.0.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
    let issued = ca
        .issue_at("settled", &addrs, SystemTime::now(), DAY)
        .unwrap();
    run(async {
        let credentials = Credentials::from_issued(&issued).unwrap();
        let left = Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap();
        let right = node(&ca);
        left.send(right.local_addr(), b"hello").await.unwrap();
        let peer = received_from(&right, b"hello").await;
        assert!(peer.names().eq(["settled"]));
        assert_eq!(peer.addrs(), addrs);
    });
}

#[test]
fn members_of_different_clusters_refuse_each_other() {
    let ca = ca();
    run(async {
        let (left, right, other) = (node(&ca), node(&ca), node(&ca));
        assert!(left.enter_cluster("one") && right.enter_cluster("one"));
        assert!(other.enter_cluster("two"));
        check_delivers(&left, &right, b"of one").await;
        other.send(left.local_addr(), b"of two").await.unwrap();
        check_counts(&left, |counters| counters.inbound_other_cluster).await;
        check_counts(&other, |counters| counters.rejected_protocol).await;
        right.send(other.local_addr(), b"of one").await.unwrap();
        check_counts(&other, |counters| counters.inbound_other_cluster).await;
        check_counts(&right, |counters| counters.rejected_protocol).await;
        check_delivers(&right, &left, b"still of one").await;
        assert_eq!(left.counters().accepted + other.counters().accepted, 0);
    });
}

#[test]
fn who_names_no_cluster_is_of_none() {
    let ca = ca();
    run(async {
        let (left, right, other) = (node(&ca), node(&ca), node(&ca));
        check_delivers(&left, &right, b"none yet").await;
        assert!(left.enter_cluster("one"));
        // What was there before is cut.
        check_counts(&right, |counters| counters.closed_by_peer).await;
        right.send(left.local_addr(), b"still none").await.unwrap();
        check_counts(&right, |counters| counters.rejected_protocol).await;
        check_delivers(&right, &other, b"none either").await;
    });
}

/// Waits for a packet, and says who sent it.
async fn received_from(node: &Quic, expected: &[u8]) -> ProvenPeer {
    let mut batch = Batch::new();
    node.recv(&mut batch).await.unwrap();
    let packet = batch.iter().next().unwrap();
    assert_eq!(packet.bytes, expected);
    packet.peer.unwrap().clone()
}

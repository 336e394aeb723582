//! Which way packets go, and over which connection.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::SendError,
    transports::quic::{Options, Quic},
};
use smol::{Timer, future};

use crate::fixture::*;

#[test]
fn one_connection_serves_both_directions() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"there").await;
        check_delivers(&right, &left, b"back").await;
        assert_eq!((left.counters().dials, left.counters().accepted), (1, 0));
        assert_eq!((right.counters().dials, right.counters().accepted), (0, 1));
    });
}

#[test]
fn two_nodes_that_dial_at_once_understand_each_other() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        left.send(right.local_addr(), b"l").await.unwrap();
        right.send(left.local_addr(), b"r").await.unwrap();
        check_receives(&left, b"r", right.local_addr()).await;
        check_receives(&right, b"l", left.local_addr()).await;
        for round in 0..10 {
            check_delivers(&left, &right, &[b'l', round]).await;
            check_delivers(&right, &left, &[b'r', round]).await;
        }
    });
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_node_has_an_ipv4_address() {
    let ca = ca();
    run(async {
        let credentials = member(&ca);
        let both = Quic::bind((Ipv6Addr::UNSPECIFIED, 0).into(), &credentials).unwrap();
        let port = both.local_addr().port();
        for ip in ["127.0.0.1", "::1"] {
            let peer = Quic::bind(addr(ip, 0), &member(&ca)).unwrap();
            peer.send(addr(ip, port), b"there").await.unwrap();
            check_receives(&both, b"there", peer.local_addr()).await;
            both.send(peer.local_addr(), b"back").await.unwrap();
            check_receives(&peer, b"back", addr(ip, port)).await;
        }
        assert_eq!(both.counters().dials, 0);
    });
}

#[test]
fn a_taken_port_is_named() {
    let credentials = member(&ca());
    let taken = Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap();
    let error = Quic::bind(taken.local_addr(), &credentials).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let named = taken.local_addr().to_string();
    assert!(error.to_string().contains(&named), "{error}");
}

#[test]
fn a_crowd_that_comes_at_once_is_let_in() {
    let ca = ca();
    run(async {
        let hub = node(&ca);
        let options = Options::new().redial_after(Duration::from_millis(50));
        let peers: Vec<_> = (0..80)
            .map(|_| Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap())
            .collect();
        let mut missing: BTreeSet<_> = peers.iter().map(Transport::local_addr).collect();
        let sending = async {
            loop {
                for peer in &peers {
                    let _ = peer.send(hub.local_addr(), b"hello").await;
                }
                Timer::after(Duration::from_millis(100)).await;
            }
        };
        let receiving = async {
            while !missing.is_empty() {
                for (from, _) in receive(&hub).await {
                    missing.remove(&from);
                }
            }
        };
        future::or(receiving, sending).await;
    });
}

#[test]
fn larger_packets_go_by_stream_and_too_large_ones_not_at_all() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let large = vec![7; Quic::PACKET_MAX];
        left.send(right.local_addr(), &large).await.unwrap();
        check_receives(&right, &large, left.local_addr()).await;
        right.send(left.local_addr(), &large).await.unwrap();
        check_receives(&left, &large, right.local_addr()).await;
        assert_eq!(
            (left.counters().streams_out, left.counters().datagrams_out),
            (1, 0)
        );

        let sent = left
            .send(right.local_addr(), &vec![7; Quic::PACKET_MAX + 1])
            .await;
        let Err(SendError::TooBig { max }) = sent else {
            panic!("{sent:?}");
        };
        assert_eq!(max, Quic::PACKET_MAX);
    });
}

#[test]
fn a_flood_of_large_packets_is_refused_not_queued() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"first").await;
        let large = vec![7; Quic::PACKET_MAX];
        let mut taken = 0;
        loop {
            match left.send(right.local_addr(), &large).await {
                Ok(()) => taken += 1,
                Err(SendError::Busy) => break,
                Err(other) => panic!("{other}"),
            }
        }
        let mut got = 0;
        while got < taken {
            let packets = receive(&right).await;
            assert!(packets.iter().all(|(_, packet)| *packet == large));
            got += packets.len();
        }
        check_delivers(&left, &right, b"last").await;
    });
}

#[test]
fn a_dial_to_nobody_fails_in_time_and_holds_nothing_up() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let nobody = silent.local_addr().unwrap();
        let before = Instant::now();
        left.send(nobody, b"hello?").await.unwrap();
        check_delivers(&left, &right, b"meanwhile").await;
        assert_eq!(left.counters().dials_timed_out, 0);

        let mut waiting = 1;
        let refused = loop {
            match left.send(nobody, b"hello?").await {
                Ok(()) => waiting += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, SendError::Busy), "{refused}");
        assert!(waiting > 1 && waiting < 1000, "{waiting} packets wait");

        check_counts(&left, |counters| counters.dials_timed_out).await;
        let took = before.elapsed();
        assert!(
            took > Duration::from_secs(2) && took < Duration::from_secs(10),
            "{took:?}"
        );
        assert_eq!(left.counters().dropped_unreachable, waiting);
        assert_eq!(
            until_unreachable(&left, nobody).await.kind(),
            io::ErrorKind::TimedOut
        );
    });
}

#[test]
fn the_connection_that_was_used_least_recently_makes_room() {
    let ca = ca();
    run(async {
        let options = Options::new().peers_max(2);
        let addr = addr("127.0.0.1", 0);
        let hub = Quic::bind_with(addr, &member(&ca), &options).unwrap();
        let peers: Vec<_> = (0..4).map(|_| node(&ca)).collect();
        for (round, peer) in peers.iter().enumerate() {
            check_delivers(&hub, peer, &[u8::try_from(round).unwrap()]).await;
        }
        check_counts(&peers[0], |counters| counters.closed_by_peer).await;
        check_counts(&peers[1], |counters| counters.closed_by_peer).await;
        assert_eq!(hub.counters().evicted, 2);
        check_delivers(&peers[0], &hub, b"me again").await;
    });
}

//! Two nodes have one connection, whoever dialled whom, and it follows the path between them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transports::quic::{Options, Quic, quinn},
};
use smol::Timer;

use crate::fixture::*;

#[test]
fn of_two_connections_dialled_at_once_one_remains() {
    let ca = ca();
    run(async {
        let nodes: Vec<_> = (0..8).map(|_| node(&ca)).collect();
        let addrs: Vec<_> = nodes.iter().map(Transport::local_addr).collect();
        // Everybody to everybody, several times: every pair dials from both ends.
        for round in 0..5_u8 {
            for (from, node) in nodes.iter().enumerate() {
                for to in addrs.iter().filter(|to| **to != addrs[from]) {
                    node.send(*to, &[round]).await.unwrap();
                }
            }
        }
        let expected = 5 * (nodes.len() - 1);
        for node in &nodes {
            let mut got = 0;
            while got < expected {
                got += receive(node).await.len();
            }
            assert_eq!(got, expected, "packets came twice");
        }
        let made = |count: fn(&Quic) -> u64| nodes.iter().map(count).sum::<u64>();
        let handshakes = made(|node| node.counters().accepted);
        assert!(handshakes > 28, "no two dialled at once: {handshakes}");
        for node in &nodes {
            until(node, "one connection to each", || node.connections() == 7).await;
        }
        // All of them still work, and none is made anew.
        let dials = made(|node| node.counters().dials);
        for (from, node) in nodes.iter().enumerate() {
            for to in addrs.iter().filter(|to| **to != addrs[from]) {
                node.send(*to, b"again").await.unwrap();
            }
        }
        for node in &nodes {
            let mut got = 0;
            while got < nodes.len() - 1 {
                got += receive(node).await.len();
            }
            assert_eq!(node.connections(), 7);
        }
        assert_eq!(made(|node| node.counters().dials), dials);
    });
}

#[test]
fn the_room_grows_with_what_the_path_is_found_to_carry() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let at_first = left.room(right.local_addr());
        let deadline = Instant::now() + PATIENCE;
        while left.room(right.local_addr()) <= at_first + 100 {
            assert!(Instant::now() < deadline, "still {at_first}");
            check_delivers(&left, &right, b"probing").await;
            Timer::after(Duration::from_millis(10)).await;
        }
        loop {
            let room = left.room(right.local_addr());
            let before = left.counters();
            check_delivers(&left, &right, &vec![7; room]).await;
            check_delivers(&left, &right, &vec![7; room + 1]).await;
            let after = left.counters();
            // It may have grown once more.
            if left.room(right.local_addr()) == room {
                assert_eq!(after.datagrams_out, before.datagrams_out + 1);
                assert_eq!(after.streams_out, before.streams_out + 1);
                break;
            }
        }
    });
}

#[test]
fn a_connection_that_a_failed_dial_was_to_replace_is_closed() {
    const IDLE: Duration = Duration::from_secs(1);
    let ca = ca();
    let mut tls = client_config(Some(&ca.issue("mute").unwrap()));
    tls.alpn_protocols = vec![b"selkie/1".to_vec()];
    run(async {
        let options = Options::new()
            .idle_timeout(IDLE)
            .dial_deadline(Duration::from_millis(300));
        let left = Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap();
        // It cannot be dialled, keeps its own connection up, and says nothing over it.
        let endpoint = quinn_endpoint();
        let mut transport = quinn::TransportConfig::default();
        transport.keep_alive_interval(Some(IDLE / 10));
        let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport));
        let to = left.local_addr();
        let mute = endpoint.connect_with(config, to, "any.name").unwrap();
        let mute = mute.await.unwrap();
        until(&left, "it is let in", || left.connections() == 1).await;
        Timer::after(IDLE).await;
        let mute_addr = endpoint.local_addr().unwrap();
        left.send(mute_addr, b"who are you?").await.unwrap();
        check_counts(&left, |counters| counters.dials_timed_out).await;
        mute.closed().await;
        until(&left, "it is gone", || left.connections() == 0).await;
        assert_eq!(left.counters().replaced_idle, 1);
    });
}

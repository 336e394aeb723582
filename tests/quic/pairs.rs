//! Two nodes have one connection, whoever dialled whom, and it follows the path between them.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::future::join_all;
use selkie::{
    Transport,
    transports::{
        certs::DevCa,
        quic::{Options, Quic, quinn},
    },
};
use smol::{Timer, future};

use crate::{fixture::*, life::Island};

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

/// Both dial at the same instant, and go on talking.
#[test]
fn two_that_dial_each_other_at_the_same_instant_end_with_the_same_connection() {
    const PAIRS: usize = 12;
    let ca = ca();
    run(async {
        let pairs: Vec<_> = (0..PAIRS).map(|_| (node(&ca), node(&ca))).collect();
        for (left, right) in &pairs {
            left.send(right.local_addr(), b"hello").await.unwrap();
            right.send(left.local_addr(), b"hello").await.unwrap();
        }
        join_all(pairs.iter().map(|(left, right)| settle(left, right))).await;
        let both = pairs.iter().map(|(left, right)| {
            (left.counters().accepted > 0 && right.counters().accepted > 0) as usize
        });
        assert!(both.sum::<usize>() > PAIRS / 2, "few dialled at once");
        for (left, right) in &pairs {
            assert_eq!(left.counters().dials + right.counters().dials, 2);
        }
    });
}

/// One was away for a moment, too short to be given up: the other one makes a new connection, and
/// which of the two is kept the first one has to guess.
#[test]
fn two_who_keep_different_connections_come_round_to_the_same_one() {
    let ca = ca();
    run(async {
        let pairs = silent_for_a_moment(&ca).await;
        let settled = pairs.iter();
        join_all(settled.map(|(left, right, _)| settle(left, right))).await;
        check_dials(&pairs);
    });
}

/// The same, and nobody has anything to say for a while.
#[test]
fn two_who_say_nothing_keep_the_same_connection() {
    let ca = ca();
    run(async {
        let pairs = silent_for_a_moment(&ca).await;
        for (left, right, _) in &pairs {
            for node in [left, right] {
                until(node, "one is closed", || node.connections() < 2).await;
            }
        }
        for (left, right, _) in &pairs {
            until_delivers(left, right, b"again").await;
            until_delivers(right, left, b"again").await;
        }
        check_dials(&pairs);
    });
}

type Silent = (Quic, Quic, Island);

/// Each of the left dialled when the right, who had dialled it before, was not heard for a while.
async fn silent_for_a_moment(ca: &DevCa) -> Vec<Silent> {
    let pairs: Vec<Silent> = (0..8)
        .map(|_| {
            let island = Island::new();
            let right = island.node(&ca.issue("right").unwrap());
            (node(ca), right, island)
        })
        .collect();
    join_all(pairs.iter().map(|(left, right, island)| async move {
        check_delivers(right, left, b"first").await;
        check_delivers(left, right, b"second").await;
        let away = async { thread::sleep(Duration::from_millis(1800)) };
        island.executor.spawn(away).detach();
        while left.counters().dials == 0 {
            let to = right.local_addr();
            left.send(to, b"are you there?").await.unwrap();
            Timer::after(Duration::from_millis(50)).await;
        }
        until(left, "there are two", || left.connections() == 2).await;
    }))
    .await;
    pairs
}

/// Each dialled once.
fn check_dials(pairs: &[Silent]) {
    for (left, right, _) in pairs {
        let dials = (left.counters().dials, right.counters().dials);
        assert_eq!(dials, (1, 1), "{:?}", left.counters());
    }
}

/// Two talk until they have one connection, and no less.
async fn settle(left: &Quic, right: &Quic) {
    let talk = async |from: &Quic, to: &Quic| loop {
        from.send(to.local_addr(), b"still there").await.unwrap();
        Timer::after(Duration::from_millis(100)).await;
    };
    let listen = async |node: &Quic| loop {
        receive(node).await;
    };
    let settled = async {
        let (began, mut since) = (Instant::now(), Instant::now());
        // Whoever closes another one does so a second after there are two.
        while since.elapsed() < Duration::from_secs(3) {
            if (left.connections(), right.connections()) != (1, 1) {
                since = Instant::now();
            }
            let took = began.elapsed();
            assert!(
                took < SETTLED_MAX,
                "{:?} {:?}",
                left.counters(),
                right.counters()
            );
            Timer::after(Duration::from_millis(5)).await;
        }
    };
    let talk = future::race(talk(left, right), talk(right, left));
    let listen = future::race(listen(left), listen(right));
    future::race(settled, future::race(talk, listen)).await;
}

/// Less than after what one of two connections is closed though both are in use.
const SETTLED_MAX: Duration = Duration::from_secs(20);

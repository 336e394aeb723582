//! Peers that leave, die, restart or fall silent.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{
        certs::Issued,
        quic::{Credentials, Options, Quic},
    },
};
use smol::{Executor, Timer, channel};

use crate::fixture::*;

#[test]
fn a_peer_that_leaves_is_gone_at_once() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"here").await;
        let before = Instant::now();
        right.close().await;
        check_counts(&left, |counters| counters.closed_by_peer).await;
        let took = before.elapsed();
        assert!(took < Duration::from_secs(5), "that is a timeout: {took:?}");
    });
}

#[test]
fn what_was_sent_before_closing_arrives() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let large = vec![7; 20_000];
        // Not even connected yet.
        left.send(right.local_addr(), b"I go").await.unwrap();
        left.send(right.local_addr(), &large).await.unwrap();
        left.close().await;
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend(receive(&right).await);
        }
        let from = left.local_addr();
        assert!(got.contains(&(from, b"I go".to_vec())) && got.contains(&(from, large)));
    });
}

#[test]
fn leaving_takes_no_longer_than_it_must() {
    let ca = ca();
    run(async {
        let mut took = Vec::new();
        for _ in 0..10 {
            let (left, right) = (node(&ca), node(&ca));
            check_delivers(&left, &right, b"datagram").await;
            check_delivers(&left, &right, &vec![7; 20_000]).await;
            let before = Instant::now();
            left.close().await;
            took.push(before.elapsed());
            // Less than the time it would wait for a peer that is dead.
            if took.last() < Some(&Duration::from_millis(700)) {
                return;
            }
        }
        panic!("{took:?}");
    });
}

#[test]
fn the_last_handle_takes_the_node_with_it() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"here").await;
        let addr = right.local_addr();
        let other = right.clone();
        drop(right);
        check_delivers(&left, &other, b"still here").await;
        drop(other);
        check_counts(&left, |counters| counters.closed_by_peer).await;
        until_bound(addr, &member(&ca)).await;
    });
}

#[test]
fn a_port_is_free_as_soon_as_its_node_is_closed() {
    let ca = ca();
    run(async {
        let (left, island) = (node(&ca), Island::new());
        let mut right = node(&ca);
        let addr = right.local_addr();
        for round in 0..10_u8 {
            until_delivers(&left, &right, &[round]).await;
            check_delivers(&right, &left, &[round]).await;
            right.close().await;
            // There is another handle still.
            let before = right;
            right = Quic::bind(addr, &member(&ca)).unwrap();
            drop(before);
        }
        // Also if it waits for somebody who is dead, and for somebody who never was.
        let dead = island.node(&ca.issue("dead").unwrap());
        check_delivers(&right, &dead, b"here").await;
        let stream = right.open(dead.local_addr()).await.unwrap();
        let nobody = quinn_endpoint().local_addr().unwrap();
        island.drown();
        right
            .send(dead.local_addr(), b"are you there?")
            .await
            .unwrap();
        right.send(nobody, b"is anybody there?").await.unwrap();
        let before = Instant::now();
        right.close().await;
        let took = before.elapsed();
        drop(Quic::bind(addr, &member(&ca)).unwrap());
        assert!(took < Duration::from_secs(8), "{took:?}");
        drop((right, stream));
    });
}

#[test]
fn a_port_is_free_soon_after_the_last_handle_is_dropped() {
    let ca = ca();
    run(async {
        let (left, right, island) = (node(&ca), node(&ca), Island::new());
        let addr = right.local_addr();
        let dead = island.node(&ca.issue("dead").unwrap());
        check_delivers(&left, &right, b"here").await;
        check_delivers(&right, &dead, b"here").await;
        let stream = right.open(dead.local_addr()).await.unwrap();
        let nobody = quinn_endpoint().local_addr().unwrap();
        island.drown();
        right.send(nobody, b"is anybody there?").await.unwrap();
        let before = Instant::now();
        drop(right);
        drop(until_bound(addr, &member(&ca)).await);
        let took = before.elapsed();
        // Not as long as it would take to see that somebody is dead.
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert_eq!(left.counters().closed_by_peer, 1);
        drop(stream);
    });
}

#[test]
fn with_its_executor_a_node_dies_without_a_word() {
    let ca = ca();
    run(async {
        let (left, island) = (node(&ca), Island::new());
        let victim = island.node(&ca.issue("victim").unwrap());
        check_delivers(&left, &victim, b"here").await;
        island.drown();
        let received = victim.recv(&mut Batch::new()).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::NotConnected);
        let sent = victim.send(left.local_addr(), b"I am dead").await;
        assert!(matches!(sent, Err(SendError::Closed)), "{sent:?}");
        assert_eq!(left.counters().closed_by_peer, 0);
    });
}

#[test]
fn a_restarted_peer_is_noticed_within_a_second_of_the_first_packet() {
    let ca = ca();
    run(async {
        let mut took = Vec::new();
        for _ in 0..10 {
            let victim_key = ca.issue("victim").unwrap();
            let (left, right, island) = (node(&ca), node(&ca), Island::new());
            let victim = island.node(&victim_key);
            // Whoever dialled.
            check_delivers(&left, &victim, b"here").await;
            check_delivers(&victim, &right, b"here").await;
            let addr = victim.local_addr();
            island.drown();
            // Its handle is still there, its port is not taken any more.
            let credentials = Credentials::from_issued(&victim_key).unwrap();
            let heir = Quic::bind(addr, &credentials).unwrap();
            for peer in [&left, &right] {
                let before = Instant::now();
                until_delivers(peer, &heir, b"are you back?").await;
                took.push(before.elapsed());
                assert_eq!(peer.counters().closed_by_peer, 0);
            }
            // Not by silence, nor by the idle timeout: by the word of the heir.
            let resets = |node: &Quic| node.counters().closed_by_reset;
            let at_once = took
                .iter()
                .rev()
                .take(2)
                .all(|it| *it < Duration::from_secs(1));
            if at_once && resets(&left) + resets(&right) == 2 {
                return;
            }
            drop(victim);
        }
        panic!("{took:?}");
    });
}

#[test]
fn a_peer_restarted_with_another_key_is_noticed_by_its_silence() {
    let ca = ca();
    run(async {
        let (left, island) = (node(&ca), Island::new());
        let victim = island.node(&ca.issue("victim").unwrap());
        check_delivers(&victim, &left, b"here").await;
        let addr = victim.local_addr();
        island.drown();
        let heir = Quic::bind(addr, &member(&ca)).unwrap();
        let before = Instant::now();
        until_delivers(&left, &heir, b"are you back?").await;
        let took = before.elapsed();
        assert!(took < Duration::from_secs(8), "not noticed for {took:?}");
        assert_eq!(left.counters().replaced_silent, 1);
        drop(victim);
    });
}

#[test]
fn an_idle_connection_ends_and_comes_back_when_needed() {
    let ca = ca();
    run(async {
        let options = Options::new().idle_timeout(Duration::from_millis(300));
        let addr = addr("127.0.0.1", 0);
        let left = Quic::bind_with(addr, &member(&ca), &options).unwrap();
        let right = node(&ca);
        check_delivers(&left, &right, b"first").await;
        check_counts(&left, |counters| counters.closed_timed_out).await;
        check_delivers(&left, &right, b"second").await;
        assert!(left.counters().dials >= 2);
    });
}

#[test]
fn a_connection_that_is_about_to_end_is_not_sent_over() {
    let ca = ca();
    run(async {
        let idle = Duration::from_secs(2);
        let options = Options::new().idle_timeout(idle);
        let bind = || Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap();
        let (left, right) = (bind(), bind());
        for round in 0..3 {
            check_delivers(&left, &right, &[round]).await;
            // Whether it has ended by then at one of the two, or at both, nothing is lost.
            Timer::after(idle.mul_f64([0.85, 0.99, 1.0][usize::from(round)])).await;
            check_delivers(&left, &right, b"again").await;
            assert!(left.counters().dials >= u64::from(round) + 2);
        }
        assert!(left.counters().replaced_idle > 0, "{:?}", left.counters());
        assert_eq!(left.counters().closed_by_reset, 0);
    });
}

/// An executor with a thread of its own, and what lives on it.
pub(crate) struct Island {
    pub(crate) executor: Arc<Executor<'static>>,
    stop: channel::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Island {
    pub(crate) fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = channel::bounded(1);
        let driven = executor.clone();
        let thread = thread::spawn(move || {
            let _ = smol::block_on(driven.run(stopped.recv()));
        });
        Self {
            executor,
            stop,
            thread,
        }
    }

    pub(crate) fn node(&self, issued: &Issued) -> Quic {
        let options = Options::new().executor(self.executor.clone());
        let credentials = Credentials::from_issued(issued).unwrap();
        Quic::bind_with(addr("127.0.0.1", 0), &credentials, &options).unwrap()
    }

    fn drown(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

async fn until_bound(addr: SocketAddr, credentials: &Credentials) -> Quic {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Quic::bind(addr, credentials) {
            Ok(node) => return node,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        Timer::after(Duration::from_millis(5)).await;
    }
}

//! Streams beside the packets, on the same connections.

use std::{
    io,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{PeerStream, SendError},
    transports::quic::{Options, Quic, Stream},
};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Timer, future};

use crate::fixture::*;

#[test]
fn streams_and_packets_share_one_connection() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        // It dials, too.
        let mut asking = left.open(right.local_addr()).await.unwrap();
        assert!(asking.peer.as_ref().unwrap().names().eq(["member"]));
        let answering = async {
            let mut asked = right.accept().await.unwrap();
            assert_eq!(asked.addr, left.local_addr());
            assert!(asked.peer.as_ref().unwrap().names().eq(["member"]));
            let mut question = Vec::new();
            asked.stream.read_to_end(&mut question).await.unwrap();
            assert_eq!(question, vec![1; 300_000]);
            asked.stream.write_all(&[2; 300_000]).await.unwrap();
            asked.stream.close().await.unwrap();
        };
        let asked = async {
            asking.stream.write_all(&[1; 300_000]).await.unwrap();
            asking.stream.close().await.unwrap();
            let mut answer = Vec::new();
            asking.stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, vec![2; 300_000]);
        };
        future::zip(answering, asked).await;
        check_delivers(&left, &right, &[3; 20_000]).await;
        check_delivers(&right, &left, b"back").await;
        let back = pair(&right, &left).await;
        assert_eq!(back.1.addr, right.local_addr());
        assert_eq!((left.counters().dials, left.counters().accepted), (1, 0));
        assert_eq!((right.counters().dials, right.counters().accepted), (0, 1));
    });
}

#[test]
fn a_stream_dropped_before_it_is_closed_is_seen_to_be_broken() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let (near, mut far) = pair(&left, &right).await;
        drop(near);
        let read = far.stream.read(&mut [0; 10]).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_closed_stream_arrives_whole_though_its_node_closes_at_once() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let (mut near, mut far) = pair(&left, &right).await;
        near.stream.write_all(&[7; 50_000]).await.unwrap();
        near.stream.close().await.unwrap();
        drop(near);
        let reading = async {
            let mut got = Vec::new();
            far.stream.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, vec![7; 50_000]);
        };
        future::zip(left.close(), reading).await;
    });
}

#[test]
fn a_silent_stream_fails_in_time() {
    let ca = ca();
    run(async {
        let options = Options::new().stream_timeout(Duration::from_millis(300));
        let left = Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap();
        let right = node(&ca);
        let (_half_open, mut near) = pair(&right, &left).await;
        let before = Instant::now();
        let error = near.stream.read(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(before.elapsed() < Duration::from_secs(10));
        // Who does not read is silent as well.
        let error = loop {
            if let Err(error) = near.stream.write_all(&[7; 60_000]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert_eq!(left.counters().streams_silent, 2);
        check_delivers(&left, &right, b"not held up").await;
    });
}

#[test]
fn a_peer_opens_no_more_streams_than_it_may() {
    const PEER_STREAMS_MAX: usize = 32;
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let mut open = Vec::new();
        for _ in 0..PEER_STREAMS_MAX {
            open.push(pair(&left, &right).await);
        }
        let refused = left.open(right.local_addr()).await;
        assert!(matches!(refused, Err(SendError::Busy)), "{refused:?}");
        check_delivers(&left, &right, &[3; 20_000]).await;
        drop(open);
        pair(&left, &right).await;
    });
}

#[test]
fn streams_that_nobody_accepts_are_refused_while_some_are_left_to_others() {
    let ca = ca();
    run(async {
        let hub = node(&ca);
        let (greedy, other) = ([node(&ca), node(&ca)], node(&ca));
        let mut open = Vec::new();
        let judged = || {
            let counters = hub.counters();
            counters.streams_accepted + counters.streams_not_accepted
        };
        for peer in &greedy {
            for _ in 0..32 {
                open.push(open_stream(peer, &hub).await);
            }
        }
        until(&hub, "all are judged", || judged() == 64).await;
        // Of 64 that may wait, a third each, if they come in turns; or all of one's and half of
        // the rest.
        let waiting = hub.counters().streams_accepted;
        assert!((43..=48).contains(&waiting), "{waiting}");
        for _ in 0..32 {
            open.push(open_stream(&other, &hub).await);
        }
        until(&hub, "all are judged", || judged() == 96).await;
        let left = 64 - waiting;
        assert_eq!(hub.counters().streams_accepted - waiting, left.div_ceil(2));
        check_delivers(&greedy[0], &hub, b"not held up").await;
    });
}

#[test]
fn no_stream_opens_to_nobody() {
    let ca = ca();
    run(async {
        let left = node(&ca);
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let opened = left.open(silent.local_addr().unwrap()).await;
        let Err(SendError::Unreachable(error)) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        left.close().await;
        let opened = left.open(left.local_addr()).await;
        assert!(matches!(opened, Err(SendError::Closed)), "{opened:?}");
        let accepted = left.accept().await.unwrap_err();
        assert_eq!(accepted.kind(), io::ErrorKind::NotConnected);
        Timer::after(Duration::ZERO).await;
    });
}

/// Both ends of a stream over which one byte went.
async fn pair(from: &Quic, to: &Quic) -> (PeerStream<Stream>, PeerStream<Stream>) {
    let near = open_stream(from, to).await;
    let mut far = to.accept().await.unwrap();
    let mut byte = [0];
    far.stream.read_exact(&mut byte).await.unwrap();
    (near, far)
}

async fn open_stream(from: &Quic, to: &Quic) -> PeerStream<Stream> {
    let mut near = from.open(to.local_addr()).await.unwrap();
    near.stream.write_all(b"x").await.unwrap();
    near
}

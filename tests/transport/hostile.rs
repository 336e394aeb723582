//! What strangers and the network can do to the transports over UDP: bytes that make no sense,
//! connections that take their time, and too many of them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{Batch, PeerStream, SendError},
    transports::{
        PlainUdp,
        udp::{Counters, Options, UdpStream},
    },
};
use smol::{
    Async, Task, Timer,
    channel::{Receiver, unbounded},
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{
    conformance::{PATIENCE, in_time, pattern, run, said},
    streams::connect,
};

/// A transport over UDP that is attacked.
pub(crate) trait Victim {
    type Transport: Transport<Stream = UdpStream>;

    fn bind(&self, ip: IpAddr, options: &Options) -> Self::Transport;

    fn counters(transport: &Self::Transport) -> Counters;
}

/// Makes a test of each attack, on the victim that the expression gives.
macro_rules! hostile_tests {
    ($victim:expr) => {
        conformance_tests! {
            $victim; hostile:
            noise_on_the_packets_port_keeps_no_packet_out
            connections_that_do_not_greet_are_ended_in_time
            greetings_byte_by_byte_are_ended_in_time
            noise_for_a_greeting_is_refused
            connections_that_go_while_they_greet_are_forgotten
            strangers_cannot_take_the_places_of_other_sources
            streams_are_bounded_and_their_places_freed
            a_silent_stream_breaks_and_its_place_is_freed
            a_server_that_makes_no_sense_is_no_peer
            a_server_that_says_nothing_is_given_up
        }
    };
}

mod plain {
    hostile_tests!(super::Plain);
}

pub(crate) struct Plain;

impl Victim for Plain {
    type Transport = PlainUdp;

    fn bind(&self, ip: IpAddr, options: &Options) -> PlainUdp {
        PlainUdp::bind_with((ip, 0).into(), options).unwrap()
    }

    fn counters(transport: &PlainUdp) -> Counters {
        transport.counters()
    }
}

pub(crate) async fn noise_on_the_packets_port_keeps_no_packet_out(victim: impl Victim) {
    let (left, right) = (bind(&victim), bind(&victim));
    let attacker = UdpSocket::bind((HERE, 0)).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    for len in (0..80).chain([500, 1400, 9000, 65_507]) {
        let mut noise: Vec<u8> = core::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        attacker.send_to(&noise, right.local_addr()).unwrap();
        // The versions that exist.
        if let Some(first) = noise.first_mut() {
            *first = 1;
            attacker.send_to(&noise, right.local_addr()).unwrap();
        }
    }
    let deadline = Instant::now() + PATIENCE;
    let mut has_come = false;
    while !has_come {
        assert!(Instant::now() < deadline, "nothing got through");
        left.send(right.local_addr(), b"hello").await.unwrap();
        let mut batch = Batch::new();
        in_time(right.recv(&mut batch)).await.unwrap().unwrap();
        has_come = said(&batch).any(|(from, got)| from == left.local_addr() && got == b"hello");
    }
}

pub(crate) async fn connections_that_do_not_greet_are_ended_in_time(victim: impl Victim) {
    let (guarded, _streams) = guard(&victim, &hasty());
    let mut silent = dial(guarded.local_addr()).await;
    expect_end(&mut silent).await;
    until(|| counters(&victim, &guarded).greetings_late == 1).await;
}

pub(crate) async fn greetings_byte_by_byte_are_ended_in_time(victim: impl Victim) {
    let (guarded, _streams) = guard(&victim, &hasty());
    let mut slow = dial(guarded.local_addr()).await;
    let started = Instant::now();
    // What both greetings begin with, and then more than any is long.
    let greeting = b"slk\x01".iter().chain(&[b'-'; 1000]);
    for byte in greeting {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        Timer::after(Duration::from_millis(150)).await;
    }
    assert!(started.elapsed() < PATIENCE);
    until(|| {
        let counters = counters(&victim, &guarded);
        counters.greetings_late + counters.greetings_refused == 1
    })
    .await;
}

pub(crate) async fn noise_for_a_greeting_is_refused(victim: impl Victim) {
    let (guarded, _streams) = guard(&victim, &Options::new());
    let mut rng = fastrand::Rng::with_seed(2);
    for number in 1..=20 {
        let mut noise: Vec<u8> = core::iter::repeat_with(|| rng.u8(..)).take(200).collect();
        noise[0] = 0;
        let mut stranger = dial(guarded.local_addr()).await;
        stranger.write_all(&noise).await.unwrap();
        expect_end(&mut stranger).await;
        until(|| counters(&victim, &guarded).greetings_refused == number).await;
    }
    let right = bind(&victim);
    in_time(right.open(guarded.local_addr()))
        .await
        .unwrap()
        .unwrap();
}

pub(crate) async fn connections_that_go_while_they_greet_are_forgotten(victim: impl Victim) {
    let (guarded, _streams) = guard(&victim, &Options::new());
    for greeting in [&b""[..], b"s", b"slk\x01"] {
        let mut stranger = dial(guarded.local_addr()).await;
        stranger.write_all(greeting).await.unwrap();
        drop(stranger);
    }
    until(|| counters(&victim, &guarded).greetings_broken == 3).await;
}

pub(crate) async fn strangers_cannot_take_the_places_of_other_sources(victim: impl Victim) {
    let options = Options::new()
        .greetings_max(8)
        .greetings_per_source_max(4)
        .greeting_time(PATIENCE * 4);
    let (guarded, _streams) = guard(&victim, &options);
    let mut flood = Vec::new();
    for _ in 0..50 {
        flood.push(dial(guarded.local_addr()).await);
    }
    until(|| counters(&victim, &guarded).refused_greetings_source == 46).await;
    let elsewhere = victim.bind(ELSEWHERE, &Options::new());
    let opened = in_time(elsewhere.open(guarded.local_addr())).await;
    opened.unwrap().expect("kept out by strangers");

    // Their places are free as soon as they go.
    drop(flood);
    let here = bind(&victim);
    until_opens(&here, guarded.local_addr()).await;
}

pub(crate) async fn streams_are_bounded_and_their_places_freed(victim: impl Victim) {
    let options = Options::new().streams_max(6).streams_per_source_max(4);
    let (guarded, streams) = guard(&victim, &options);
    let here = bind(&victim);
    let mut opened = Vec::new();
    for _ in 0..4 {
        opened.push(here.open(guarded.local_addr()).await.unwrap());
    }
    let refused = here.open(guarded.local_addr()).await.map(|_| ());
    assert!(
        matches!(refused, Err(SendError::Unreachable(_))),
        "{refused:?}"
    );
    assert_eq!(counters(&victim, &guarded).refused_streams_source, 1);

    // Our own are bounded, too.
    let few = victim.bind(ELSEWHERE, &Options::new().streams_max(1));
    let kept = few.open(guarded.local_addr()).await.unwrap();
    let busy = few.open(guarded.local_addr()).await.map(|_| ());
    assert!(matches!(busy, Err(SendError::Busy)), "{busy:?}");
    drop(kept);
    few.open(guarded.local_addr()).await.unwrap();

    drop(opened);
    while let Ok(stream) = streams.try_recv() {
        drop(stream);
    }
    until_opens(&here, guarded.local_addr()).await;
}

pub(crate) async fn a_silent_stream_breaks_and_its_place_is_freed(victim: impl Victim) {
    let options = Options::new()
        .streams_per_source_max(1)
        .silence_max(Duration::from_millis(300));
    let left = victim.bind(HERE, &options);
    let right = bind(&victim);
    let (silent, mut theirs) = connect(&right, &left).await;
    let read = in_time(theirs.stream.read(&mut [0])).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    // For its writer, too: it is over.
    let mut got = Vec::new();
    let mut silent = silent.stream;
    in_time(silent.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap_err();
    drop(theirs);
    connect(&right, &left).await;
}

pub(crate) async fn a_server_that_makes_no_sense_is_no_peer(victim: impl Victim) {
    let server = Async::<TcpListener>::bind((HERE, 0)).unwrap();
    let addr = server.get_ref().local_addr().unwrap();
    let left = bind(&victim);
    for answer in [
        &b""[..],
        b"slk",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0; 99],
    ] {
        let serve = async {
            let (mut tcp, _) = server.accept().await.unwrap();
            tcp.write_all(answer).await.unwrap();
            tcp.get_ref().shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            let _ = tcp.read_to_end(&mut rest).await;
        };
        let open = async {
            let opened = left.open(addr).await.map(|_| ());
            assert!(
                matches!(opened, Err(SendError::Unreachable(_))),
                "{opened:?}"
            );
        };
        in_time(smol::future::zip(serve, open)).await.unwrap();
    }
    assert_eq!(counters(&victim, &left).opens_failed, 4);
}

pub(crate) async fn a_server_that_says_nothing_is_given_up(victim: impl Victim) {
    let server = TcpListener::bind((HERE, 0)).unwrap();
    let options = Options::new().open_time(Duration::from_millis(300));
    let left = victim.bind(HERE, &options);
    let opened = in_time(left.open(server.local_addr().unwrap())).await;
    let Some(Err(SendError::Unreachable(error))) = opened.map(|opened| opened.map(|_| ())) else {
        panic!("it was opened");
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(counters(&victim, &left).opens_timed_out, 1);
}

#[test]
fn a_claim_of_more_than_a_chunk_is_refused_before_it_is_read() {
    run(async {
        let (guarded, streams) = guard(&Plain, &Options::new());
        for head in [16_385_u16, 0x7FFF, 0x8000 | 16_385, 0xFFFF] {
            let (mut attacker, mut stream) = greet(&guarded, &streams).await;
            attacker.write_all(&head.to_be_bytes()).await.unwrap();
            let read = in_time(stream.stream.read(&mut [0])).await.unwrap();
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    });
}

#[test]
fn empty_chunks_and_ends_that_are_not_empty_are_refused() {
    run(async {
        let (guarded, streams) = guard(&Plain, &Options::new());
        for chunk in [&b"\0\0"[..], b"\x80\x01x"] {
            let (mut attacker, mut stream) = greet(&guarded, &streams).await;
            attacker.write_all(chunk).await.unwrap();
            let read = in_time(stream.stream.read(&mut [0])).await.unwrap();
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    });
}

#[test]
fn a_connection_cut_off_anywhere_is_an_error_and_no_end() {
    run(async {
        let (guarded, streams) = guard(&Plain, &Options::new());
        for cut in [
            &b"\0"[..],
            b"\0\x05",
            b"\0\x05abcd",
            b"\0\x05abcde",
            b"\0\x01a\x80",
        ] {
            let (mut attacker, mut stream) = greet(&guarded, &streams).await;
            attacker.write_all(cut).await.unwrap();
            attacker.get_ref().shutdown(Shutdown::Write).unwrap();
            let mut got = Vec::new();
            let read = in_time(stream.stream.read_to_end(&mut got)).await.unwrap();
            let error = read.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut:?}");
        }
        let (mut attacker, mut stream) = greet(&guarded, &streams).await;
        attacker.write_all(b"\0\x05abcde\x80\0").await.unwrap();
        let mut got = Vec::new();
        in_time(stream.stream.read_to_end(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(got, b"abcde");
    });
}

#[test]
fn chunks_of_single_bytes_arrive() {
    run(async {
        let (guarded, streams) = guard(&Plain, &Options::new());
        let (mut attacker, mut stream) = greet(&guarded, &streams).await;
        let sent = pattern(300);
        let write = async {
            for byte in &sent {
                for part in [0, 1, *byte] {
                    attacker.write_all(&[part]).await.unwrap();
                }
            }
            attacker.write_all(b"\x80\0").await.unwrap();
        };
        let mut got = Vec::new();
        let read = async { stream.stream.read_to_end(&mut got).await.unwrap() };
        in_time(smol::future::zip(write, read)).await.unwrap();
        assert_eq!(got, sent);
    });
}

/// Greets as who speaks plain streams does, from port 7.
async fn greet(
    guarded: &PlainUdp,
    streams: &Receiver<PeerStream<UdpStream>>,
) -> (Async<TcpStream>, PeerStream<UdpStream>) {
    let mut tcp = dial(guarded.local_addr()).await;
    tcp.write_all(b"slk\x01p\0\x07").await.unwrap();
    let mut answer = [0; 5];
    tcp.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"slk\x01p");
    let stream = in_time(streams.recv()).await.unwrap().unwrap();
    assert_eq!(stream.addr, (HERE, 7).into());
    (tcp, stream)
}

/// Two sources on one machine.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

pub(crate) fn bind<V: Victim>(victim: &V) -> V::Transport {
    victim.bind(HERE, &Options::new())
}

fn counters<V: Victim>(_victim: &V, transport: &V::Transport) -> Counters {
    V::counters(transport)
}

/// Options under which tests need not wait for long.
fn hasty() -> Options {
    Options::new().greeting_time(Duration::from_millis(300))
}

/// A transport whose streams are accepted, for as long as it is there; the streams.
pub(crate) fn guard<V: Victim>(
    victim: &V,
    options: &Options,
) -> (Guarded<V::Transport>, Receiver<PeerStream<UdpStream>>) {
    let transport = Arc::new(victim.bind(HERE, options));
    let (sender, streams) = unbounded();
    let accepting = smol::spawn({
        let transport = Arc::clone(&transport);
        async move {
            while let Ok(stream) = transport.accept().await {
                let _ = sender.send(stream).await;
            }
        }
    });
    let guarded = Guarded {
        transport,
        _accepting: accepting,
    };
    (guarded, streams)
}

pub(crate) struct Guarded<T> {
    transport: Arc<T>,
    _accepting: Task<()>,
}

impl<T> core::ops::Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.transport
    }
}

pub(crate) async fn dial(to: SocketAddr) -> Async<TcpStream> {
    let dialled = in_time(Async::<TcpStream>::connect(to)).await;
    dialled.expect("too slow").expect("not connected")
}

/// Reads until the other side ends it, without a word.
pub(crate) async fn expect_end(tcp: &mut Async<TcpStream>) {
    let mut got = Vec::new();
    let _ = in_time(tcp.read_to_end(&mut got)).await.expect("no end");
    assert_eq!(got, b"", "a stranger got an answer");
}

/// Waits until it is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to that");
        Timer::after(Duration::from_millis(5)).await;
    }
}

async fn until_opens(from: &impl Transport, to: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while from.open(to).await.is_err() {
        assert!(Instant::now() < deadline, "never opened");
        Timer::after(Duration::from_millis(20)).await;
    }
}

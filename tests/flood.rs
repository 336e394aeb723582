//! An agent that is flooded: in a process of its own, whose memory is measured.
#![cfg(all(feature = "smol", feature = "udp", feature = "postcard"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt};
#[cfg(all(feature = "quic", feature = "certs"))]
use selkie::transports::{Quic, quic::Credentials};
use selkie::{
    Builder, Cluster, Codec, Header, Incarnation, Member, Message, Node, Transport, agent::Event,
    codecs::PostcardCodec, transports::PlainUdp,
};
use smol::Timer;

/// Longer than anything takes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long it is flooded.
const FLOOD: Duration = Duration::from_secs(10);
/// Datagrams in a second, if the machine can send as many.
const RATE: u64 = 50_000;
/// How much more memory the process may have afterwards, in bytes.
const GROWTH_MAX: u64 = 24 << 20;

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// What packets within the default cluster begin with, and within another one: see
/// `docs/wire.md`.
const OURS: [u8; 6] = [0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x00];
const ANOTHER: [u8; 6] = [0xe1, 0x01, 0x02, 0x03, 0x04, 0x00];

/// One after the other: the memory is that of the process.
static TURN: Mutex<()> = Mutex::new(());

async fn start<T: Transport>(named: &str, transport: T, seed: Option<SocketAddr>) -> Cluster<Node> {
    let id = Node::now(named.parse().unwrap(), transport.local_addr(), None);
    Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(id)
        .seeds(seed)
        .spawn()
        .await
        .unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        Timer::after(Duration::from_millis(10)).await;
    }
}

/// How much memory this process has, where that can be read.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// A datagram of somebody who is made up: an Announce, or news of others who are.
fn forged(head: &[u8], number: u64, to: &Node, from: SocketAddr) -> Vec<u8> {
    let node = |n: u64| Node::new(format!("forged-{n}").parse().unwrap(), from, 1);
    let message = match number % 2 {
        0 => Message::Announce,
        _ => Message::Gossip,
    };
    let header = Header {
        src: node(number),
        src_incarnation: Incarnation(0),
        dst: *to,
        message,
    };
    let mut datagram = head.to_vec();
    PostcardCodec.encode_header(&header, &mut datagram).unwrap();
    if number % 2 == 1 {
        datagram.extend(10_u16.to_be_bytes());
        for n in 0..10 {
            let member = Member::alive(node(number.wrapping_mul(31).wrapping_add(n)));
            PostcardCodec.encode_member(&member, &mut datagram).unwrap();
        }
    }
    datagram
}

/// What looks like the first datagram of a QUIC connection, of this version or another.
fn initial(number: u64) -> Vec<u8> {
    let version = match number % 4 {
        0 => 0x0a0a_0a0a_u32,
        _ => 1,
    };
    let mut datagram = vec![0xc3];
    datagram.extend(version.to_be_bytes());
    for id in [number, !number] {
        datagram.push(8);
        datagram.extend(id.to_be_bytes());
    }
    // No token, and a length of what follows.
    datagram.extend([0, 0x44, 0x90]);
    datagram.extend((0..0x490).map(|i| (i * number) as u8));
    datagram
}

/// Sends until told to stop; counts what was sent.
fn flood(to: &Node, addr: SocketAddr, is_over: &AtomicBool, sent: &AtomicU64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = socket.local_addr().unwrap();
    let datagrams: Vec<Vec<u8>> = (0..4000_u64)
        .map(|n| match n % 4 {
            0 => (0..n % 1400).map(|i| (i * n) as u8).collect(),
            1 => forged(&ANOTHER, n, to, from),
            2 => initial(n),
            _ => forged(&OURS, n, to, from),
        })
        .collect();
    let started = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        for datagram in &datagrams {
            // Where the receiver's buffer is full, it is dropped there.
            let _ = socket.send_to(datagram, addr);
            let count = sent.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_multiple_of(100) {
                let due = Duration::from_micros(count * 1_000_000 / RATE);
                thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
    }
}

fn check_flooded<T: Transport>(bind: impl Fn(&str) -> T) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    smol::block_on(async {
        let a = start("a", bind("a"), None).await;
        let b = start("b", bind("b"), Some(a.local_addr())).await;
        let c = start("c", bind("c"), Some(a.local_addr())).await;
        let agents = [&a, &b, &c];
        for agent in agents {
            until("all see all", || agent.members().num_active() == 2).await;
        }
        let mut events = agents.map(Cluster::events);
        let before = memory();
        let (is_over, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicU64>::default(),
        );
        let flooder = {
            let (to, addr) = (a.identity(), a.local_addr());
            let (is_over, sent) = (is_over.clone(), sent.clone());
            thread::spawn(move || flood(&to, addr, &is_over, &sent))
        };
        let mut most = 0;
        let started = Instant::now();
        while started.elapsed() < FLOOD {
            Timer::after(Duration::from_millis(100)).await;
            most = most.max(memory().unwrap_or_default());
        }
        is_over.store(true, Ordering::Relaxed);
        flooder.join().unwrap();
        let sent = sent.load(Ordering::Relaxed);
        let stats = a.stats();
        println!(
            "{} datagrams a second, {} of them taken in; memory before {before:?}, at most {most}",
            sent / FLOOD.as_secs(),
            stats.packets_in / FLOOD.as_secs(),
        );
        let refused = stats.packets_of_strangers;
        assert!(refused > 0 || a.stats().transport.iter().any(|(_, n)| *n > 0));
        if let Some(before) = before {
            assert!(most < before + GROWTH_MAX, "{before} bytes became {most}");
        }
        for (agent, events) in agents.iter().zip(&mut events) {
            let names: Vec<_> = agent.members().active().map(|m| m.id).collect();
            while let Some(Some(event)) = events.next().now_or_never() {
                let is_ours = |id: &Node| !id.name().as_str().starts_with("forged");
                let failed = matches!(&event, Event::Failed(id) if is_ours(id));
                let renewed = matches!(&event, Event::Rejoined(_));
                assert!(!failed && !renewed, "{event:?}; {names:?}");
            }
            let healthy = names.iter().filter(|id| id.name().as_str().len() == 1);
            assert_eq!(healthy.count(), 2, "{names:?}");
        }
    });
}

#[test]
fn a_flooded_agent_keeps_its_memory_bounded_and_declares_nobody_down() {
    check_flooded(|_| PlainUdp::bind(ANY_PORT).unwrap());
}

#[cfg(all(feature = "quic", feature = "certs"))]
#[test]
fn an_agent_that_is_flooded_over_quic_does_so_too() {
    let ca = selkie::transports::certs::DevCa::new("flood").unwrap();
    check_flooded(|named| {
        let issued = ca.issue(named).unwrap();
        let credentials = Credentials::from_issued(&issued).unwrap();
        Quic::bind(ANY_PORT, &credentials).unwrap()
    });
}

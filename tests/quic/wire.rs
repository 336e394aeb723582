//! What can be seen and done on the way between two nodes.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transports::{Quic, quic::Options},
};
use smol::{Async, Task, Timer};

use crate::fixture::*;

#[test]
fn nothing_is_ever_sent_in_the_clear() {
    const SECRET: &[u8] = b"the gossip of the day";
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let way = Way::between(left.local_addr(), right.local_addr(), Mischief::None);
        // While connecting, afterwards, and of the size that goes by stream.
        left.send(way.addr, SECRET).await.unwrap();
        until_got(&right, SECRET).await;
        left.send(way.addr, SECRET).await.unwrap();
        until_got(&right, SECRET).await;
        let large = SECRET.repeat(500);
        left.send(way.addr, &large).await.unwrap();
        until_got(&right, &large).await;
        left.close().await;
        let seen = way.seen.lock().unwrap();
        assert!(seen.iter().map(Vec::len).sum::<usize>() > large.len());
        for datagram in seen.iter() {
            assert!(!datagram.windows(8).any(|part| SECRET.starts_with(part)));
        }
    });
}

#[test]
fn what_comes_twice_and_out_of_order_is_received_once() {
    const PACKETS: u8 = 100;
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let way = Way::between(left.local_addr(), right.local_addr(), Mischief::Repeat);
        let mut got = HashMap::new();
        for number in 0..PACKETS {
            left.send(way.addr, &[number; 50]).await.unwrap();
            for (_, packet) in receive(&right).await {
                *got.entry(packet[0]).or_insert(0) += 1;
            }
        }
        // Whatever was repeated has come by the time that these have.
        let deadline = Instant::now() + PATIENCE;
        while !got.contains_key(&(PACKETS - 1)) {
            assert!(Instant::now() < deadline, "{got:?}");
            for (_, packet) in receive(&right).await {
                *got.entry(packet[0]).or_insert(0) += 1;
            }
        }
        assert!(got.values().all(|times| *times == 1), "{got:?}");
        assert!(way.seen.lock().unwrap().len() > usize::from(PACKETS));
        assert_eq!(right.counters().accepted, 1, "{:?}", right.counters());
    });
}

#[test]
fn what_is_cut_short_or_changed_on_the_way_is_as_if_lost() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let way = Way::between(left.local_addr(), right.local_addr(), Mischief::Damage);
        // A third of all datagrams is damaged: what arrives is whole.
        let deadline = Instant::now() + PATIENCE;
        let mut whole = 0;
        while whole < 50 {
            assert!(Instant::now() < deadline, "{:?}", right.counters());
            let _ = left.send(way.addr, &[7; 300]).await;
            Timer::after(Duration::from_millis(5)).await;
            while let Some(got) = smol::future::poll_once(receive(&right)).await {
                assert!(got.iter().all(|(_, packet)| *packet == [7; 300]));
                whole += got.len();
            }
        }
    });
}

#[test]
fn a_path_that_carries_less_than_before_is_followed() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let way = Way::between(left.local_addr(), right.local_addr(), Mischief::None);
        let at_first = left.room(way.addr);
        let deadline = Instant::now() + PATIENCE;
        let exchange = async |what: &str, holds: &dyn Fn(usize) -> bool| {
            while !holds(left.room(way.addr)) {
                assert!(Instant::now() < deadline, "never: {what}");
                // Full ones, which get lost on a narrow path, and others, which do not.
                let _ = left.send(way.addr, &vec![7; left.room(way.addr)]).await;
                let _ = left.send(way.addr, b"small").await;
                Timer::after(Duration::from_millis(20)).await;
                while smol::future::poll_once(receive(&right)).await.is_some() {}
            }
        };
        exchange("it grows", &|room| room > at_first + 50).await;
        way.widest.store(1250, Ordering::Relaxed);
        exchange("it shrinks", &|room| room <= at_first).await;
        let full = vec![9; left.room(way.addr)];
        left.send(way.addr, &full).await.unwrap();
        loop {
            if receive(&right).await.iter().any(|(_, got)| *got == full) {
                break;
            }
        }
    });
}

#[test]
fn what_a_path_carried_is_where_the_next_connection_begins() {
    let ca = ca();
    run(async {
        let options = Options::new()
            .idle_timeout(Duration::from_secs(1))
            .dial_deadline(Duration::from_millis(500))
            .redial_after(Duration::from_millis(100));
        let bind = || Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap();
        let (left, right) = (bind(), bind());
        let way = Way::between(left.local_addr(), right.local_addr(), Mischief::None);
        let deliver = async |packet: &[u8]| {
            let deadline = Instant::now() + PATIENCE;
            loop {
                assert!(Instant::now() < deadline, "{:?}", left.counters());
                let _ = left.send(way.addr, packet).await;
                Timer::after(Duration::from_millis(20)).await;
                let got = smol::future::poll_once(receive(&right)).await;
                if got.is_some_and(|got| got.iter().any(|(_, got)| got == packet)) {
                    break;
                }
            }
        };
        let ended = async || {
            until(&left, "it ended", || left.connections() == 0).await;
            until(&right, "it ended", || right.connections() == 0).await;
        };
        let at_first = left.room(way.addr);
        deliver(b"first").await;
        while left.room(way.addr) <= at_first + 150 {
            deliver(b"probing").await;
        }
        let found = left.room(way.addr);
        ended().await;
        // It begins with what was found.
        deliver(b"second").await;
        assert_eq!(left.room(way.addr), found);
        ended().await;

        way.widest.store(1250, Ordering::Relaxed);
        deliver(b"third").await;
        while left.room(way.addr) > at_first {
            let _ = left.send(way.addr, &vec![7; left.room(way.addr)]).await;
            deliver(b"small").await;
        }
        let full = vec![9; left.room(way.addr)];
        deliver(&full).await;
    });
}

async fn until_got(node: &Quic, expected: &[u8]) {
    let got = receive(node).await;
    assert!(got.iter().any(|(_, packet)| packet == expected));
}

/// All datagrams that came along.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// A way between two nodes, on which somebody sits.
struct Way {
    /// Where the one sends what is for the other.
    addr: SocketAddr,
    seen: Seen,
    /// The largest datagram that it carries.
    widest: Arc<AtomicUsize>,
    _relay: Task<()>,
}

#[derive(Clone, Copy)]
enum Mischief {
    None,
    /// Sends everything again, and what came before after what came later.
    Repeat,
    /// Cuts datagrams short, or flips a bit.
    Damage,
}

impl Way {
    fn between(one: SocketAddr, other: SocketAddr, mischief: Mischief) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = socket.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let widest = Arc::new(AtomicUsize::new(usize::MAX));
        let relay = relay(
            Async::new(socket).unwrap(),
            one,
            other,
            mischief,
            (seen.clone(), widest.clone()),
        );
        Self {
            addr,
            seen,
            widest,
            _relay: smol::spawn(relay),
        }
    }
}

async fn relay(
    socket: Async<UdpSocket>,
    one: SocketAddr,
    other: SocketAddr,
    mischief: Mischief,
    (seen, widest): (Seen, Arc<AtomicUsize>),
) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut before: HashMap<SocketAddr, Vec<u8>> = HashMap::new();
    let mut buf = [0; 65_536];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buf).await else {
            continue;
        };
        if len > widest.load(Ordering::Relaxed) {
            continue;
        }
        let to = if from == one { other } else { one };
        let mut datagram = buf[..len].to_vec();
        seen.lock().unwrap().push(datagram.clone());
        if let (Mischief::Damage, true) = (mischief, random.u8(..3) == 0) {
            let at = random.usize(..len);
            match random.bool() {
                true => datagram.truncate(at),
                false => datagram[at] ^= 1 << random.u8(..8),
            }
        }
        let _ = socket.send_to(&datagram, to).await;
        if let Mischief::Repeat = mischief {
            if let Some(before) = before.get(&to) {
                let _ = socket.send_to(before, to).await;
            }
            let _ = socket.send_to(&datagram, to).await;
            before.insert(to, datagram);
        }
    }
}

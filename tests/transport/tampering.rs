//! Somebody who sits on the way of what is sealed: reads, records, changes, cuts, replays.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{
        PlainUdp, SealedUdp,
        udp::{Key, Keyring, Options},
    },
};
use smol::{
    Async, Timer, future,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{
    conformance::{in_time, pattern, run, said},
    hostile::{ELSEWHERE, HERE, Plain, Victim, bind as bind_plain, dial, expect_end, guard, until},
};

/// Members of one cluster.
struct Sealed(Keyring);

impl Sealed {
    fn new() -> Self {
        Self(Keyring::new(&Key::generate().unwrap()))
    }

    fn member(&self) -> SealedUdp {
        self.bind(HERE, &Options::new())
    }
}

impl Victim for Sealed {
    type Transport = SealedUdp;

    fn bind(&self, ip: core::net::IpAddr, options: &Options) -> SealedUdp {
        SealedUdp::bind_with((ip, 0).into(), &self.0, options).unwrap()
    }

    fn counters(transport: &SealedUdp) -> selkie::transports::udp::Counters {
        transport.counters()
    }
}

/// What a member sends, as it is on the way.
async fn on_the_way(member: &SealedUdp, wire: &UdpSocket, packet: &[u8]) -> Vec<u8> {
    let there = wire.local_addr().unwrap();
    member.send(there, packet).await.unwrap();
    let mut buf = vec![0; 65_535];
    let (len, from) = wire.recv_from(&mut buf).unwrap();
    assert_eq!(from, member.local_addr());
    buf.truncate(len);
    buf
}

/// What a member receives of these datagrams. Loopback loses none as long as they are few; that
/// they have all arrived is known by a packet of its own that came after.
async fn received(
    member: &SealedUdp,
    wire: &UdpSocket,
    datagrams: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Vec<Vec<u8>> {
    for datagram in datagrams {
        wire.send_to(datagram.as_ref(), member.local_addr())
            .unwrap();
    }
    member.send(member.local_addr(), b"end").await.unwrap();
    let mut packets = Vec::new();
    loop {
        let mut batch = Batch::new();
        in_time(member.recv(&mut batch)).await.unwrap().unwrap();
        for (_, packet) in said(&batch) {
            if packet == b"end" {
                return packets;
            }
            packets.push(packet.to_vec());
        }
    }
}

fn wire() -> UdpSocket {
    let wire = UdpSocket::bind((HERE, 0)).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    wire
}

#[test]
fn what_is_sealed_cannot_be_read_and_is_never_the_same_twice() {
    run(async {
        let (cluster, wire) = (Sealed::new(), wire());
        let member = cluster.member();
        let packet = pattern(200);
        let one = on_the_way(&member, &wire, &packet).await;
        let two = on_the_way(&member, &wire, &packet).await;
        assert_eq!(one.len(), packet.len() + 42);
        assert_eq!(SealedUdp::PACKET_MAX + 42, PlainUdp::PACKET_MAX);
        let shares = |from: &[u8], with: &[u8]| {
            let mut parts = from.windows(8);
            parts.any(|part| with.windows(8).any(|other| part == other))
        };
        assert!(!shares(&one[26..], &packet));
        assert!(!shares(&one[26..], &two[26..]));
    });
}

#[test]
fn a_replayed_datagram_is_refused_and_a_late_one_is_not() {
    run(async {
        let (cluster, wire) = (Sealed::new(), wire());
        let (sender, receiver) = (cluster.member(), cluster.member());
        let mut datagrams = Vec::new();
        for number in 0..20_u8 {
            datagrams.push(on_the_way(&sender, &wire, &[number]).await);
        }
        datagrams.reverse();
        let got = received(&receiver, &wire, &datagrams).await;
        let expected: Vec<_> = (0..20_u8).rev().map(|number| vec![number]).collect();
        assert_eq!(got, expected);
        assert!(received(&receiver, &wire, &datagrams).await.is_empty());
        assert_eq!(receiver.counters().datagrams_replayed, 20);

        // Behind the window nobody can tell.
        let late = on_the_way(&sender, &wire, b"late").await;
        let last = on_the_way(&sender, &wire, b"of the past").await;
        for _ in 0..SealedUdp::REPLAY_WINDOW {
            let latest = on_the_way(&sender, &wire, b"x").await;
            wire.send_to(&latest, receiver.local_addr()).unwrap();
            let mut batch = Batch::new();
            in_time(receiver.recv(&mut batch)).await.unwrap().unwrap();
        }
        assert!(received(&receiver, &wire, [last, late]).await.is_empty());
        assert_eq!(receiver.counters().datagrams_replayed, 22);
    });
}

#[test]
fn no_bit_can_be_changed_and_no_byte_taken_away_or_added() {
    run(async {
        let (cluster, wire) = (Sealed::new(), wire());
        let (sender, receiver) = (cluster.member(), cluster.member());
        let whole = on_the_way(&sender, &wire, b"a packet").await;
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(received(&receiver, &wire, [changed]).await.is_empty());
        }
        for len in 0..whole.len() {
            assert!(received(&receiver, &wire, [&whole[..len]]).await.is_empty());
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(received(&receiver, &wire, [longer]).await.is_empty());
        let counters = receiver.counters();
        let refused = counters.datagrams_malformed + counters.datagrams_unopened;
        assert_eq!(refused, (whole.len() * 9 + 1) as u64, "{counters:?}");
        assert_eq!(counters.datagrams_replayed, 0);
        assert_eq!(received(&receiver, &wire, [whole]).await, [b"a packet"]);
    });
}

#[test]
fn cleartext_does_not_get_through_a_sealed_port() {
    run(async {
        let (cluster, wire) = (Sealed::new(), wire());
        let (guarded, _streams) = guard(&cluster, &Options::new());
        let got = received(&guarded, &wire, [&b"cleartext"[..], &[1; 100]]).await;
        assert!(got.is_empty(), "{got:?}");
        let counters = guarded.counters();
        let refused = counters.datagrams_malformed + counters.datagrams_unopened;
        assert_eq!(refused, 2, "{counters:?}");

        let plain = bind_plain(&Plain);
        let opened = in_time(plain.open(guarded.local_addr())).await.unwrap();
        let opened = opened.map(|_| ());
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );
        let (guarded_plain, _streams) = guard(&Plain, &Options::new());
        let sealed = cluster.bind(ELSEWHERE, &Options::new());
        let opened = in_time(sealed.open(guarded_plain.local_addr())).await;
        let opened = opened.unwrap().map(|_| ());
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );
    });
}

/// What becomes of one direction on its way.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Passed on.
    Clear,
    /// The bit at this place in the bytes is changed.
    Flips(usize),
    /// Passed on up to here, and ended then as TCP ends.
    Ends(usize),
    /// The bytes of this range are left out.
    Lacks(usize, usize),
    /// The bytes of this range come twice.
    Repeats(usize, usize),
}

impl Way {
    fn of(self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Clear => {}
            Self::Flips(at) => bytes[at] ^= 1,
            Self::Ends(len) => bytes.truncate(len),
            Self::Lacks(from, to) => drop(bytes.drain(from..to)),
            Self::Repeats(from, to) => {
                let again = bytes[from..to].to_vec();
                bytes.splice(to..to, again);
            }
        }
        bytes
    }
}

/// Greetings of the opener, in bytes: the first, and the proof.
const GREETING: usize = 40 + 16;
/// A chunk of ten bytes.
const CHUNK: usize = 2 + 10 + 16;

/// Sends two chunks of ten bytes and an end through somebody on the way; what the other side
/// reads, and what passed.
async fn through(way: Way) -> (io::Result<Vec<u8>>, Vec<u8>) {
    let cluster = Sealed::new();
    let (guarded, streams) = guard(&cluster, &Options::new());
    let opener = cluster.bind(ELSEWHERE, &Options::new());
    let listener = Async::<TcpListener>::bind((HERE, 0)).unwrap();
    let middle = listener.get_ref().local_addr().unwrap();
    let to = guarded.local_addr();
    let relay = smol::spawn(relay(listener, to, way));
    let mut ours = in_time(opener.open(middle)).await.unwrap().unwrap().stream;
    for chunk in [[1; 10], [2; 10]] {
        ours.write_all(&chunk).await.unwrap();
        ours.flush().await.unwrap();
    }
    ours.close().await.unwrap();
    let mut theirs = in_time(streams.recv()).await.unwrap().unwrap().stream;
    let mut got = Vec::new();
    let read = in_time(theirs.read_to_end(&mut got)).await.expect("no end");
    drop((ours, theirs));
    let passed = in_time(relay).await.expect("no end");
    (read.map(|_| got), passed)
}

/// Passes one connection on; returns what the opener said.
async fn relay(listener: Async<TcpListener>, to: SocketAddr, way: Way) -> Vec<u8> {
    let (left, _) = listener.accept().await.unwrap();
    let right = dial(to).await;
    let back = async {
        let (mut from, mut to) = (&right, &left);
        let _ = smol::io::copy(&mut from, &mut to).await;
    };
    let there = async {
        let (mut from, mut to) = (&left, &right);
        // The greeting first, without which there is no more.
        let mut said = vec![0; GREETING];
        from.read_exact(&mut said[..40]).await.unwrap();
        to.write_all(&said[..40]).await.unwrap();
        from.read_exact(&mut said[40..]).await.unwrap();
        to.write_all(&said[40..]).await.unwrap();
        let mut rest = Vec::new();
        from.read_to_end(&mut rest).await.unwrap();
        let _ = to.write_all(&way.of(rest.clone())).await;
        let _ = right.get_ref().shutdown(Shutdown::Write);
        [said, rest].concat()
    };
    let stopped = async {
        let said = there.await;
        // Until the receiver has seen enough, too.
        Timer::after(Duration::from_millis(50)).await;
        said
    };
    let back = async {
        back.await;
        future::pending().await
    };
    future::or(stopped, back).await
}

#[test]
fn streams_cannot_be_changed_cut_or_put_together_anew() {
    run(async {
        let (read, passed) = through(Way::Clear).await;
        assert_eq!(read.unwrap(), [[1; 10], [2; 10]].concat());
        assert_eq!(passed.len(), GREETING + 2 * CHUNK + 2 + 16);
        let end = 2 * CHUNK;
        for (way, kind) in [
            (Way::Flips(0), io::ErrorKind::UnexpectedEof),
            (Way::Flips(1), io::ErrorKind::InvalidData),
            (Way::Flips(5), io::ErrorKind::InvalidData),
            (Way::Flips(CHUNK - 1), io::ErrorKind::InvalidData),
            (Way::Flips(end + 3), io::ErrorKind::InvalidData),
            // Between chunks, where TCP itself has nothing to complain of.
            (Way::Ends(0), io::ErrorKind::UnexpectedEof),
            (Way::Ends(CHUNK), io::ErrorKind::UnexpectedEof),
            (Way::Ends(end), io::ErrorKind::UnexpectedEof),
            (Way::Ends(end + 1), io::ErrorKind::UnexpectedEof),
            (Way::Lacks(0, CHUNK), io::ErrorKind::InvalidData),
            (Way::Lacks(CHUNK, end), io::ErrorKind::InvalidData),
            (Way::Lacks(0, end), io::ErrorKind::InvalidData),
            (Way::Repeats(0, CHUNK), io::ErrorKind::InvalidData),
            (Way::Repeats(CHUNK, end), io::ErrorKind::InvalidData),
        ] {
            let (read, _) = through(way).await;
            let error = read.expect_err(&format!("{way:?} went unnoticed"));
            assert_eq!(error.kind(), kind, "{way:?}: {error}");
        }
    });
}

#[test]
fn a_recorded_stream_opens_nothing() {
    run(async {
        let cluster = Sealed::new();
        let (_, recorded) = through_of(&cluster).await;
        let (guarded, streams) = guard(&cluster, &Options::new());
        let mut attacker = dial(guarded.local_addr()).await;
        attacker.write_all(&recorded).await.unwrap();
        until(|| guarded.counters().greetings_refused == 1).await;
        assert!(streams.is_empty());

        // Strangers get no answer at all.
        let mut stranger = dial(guarded.local_addr()).await;
        let mut forged = recorded[..40].to_vec();
        forged[30] ^= 1;
        stranger.write_all(&forged).await.unwrap();
        expect_end(&mut stranger).await;
        until(|| guarded.counters().greetings_refused == 2).await;
    });
}

/// What a stream's opener said, on a way where nothing happens.
async fn through_of(cluster: &Sealed) -> (SocketAddr, Vec<u8>) {
    let (guarded, streams) = guard(cluster, &Options::new());
    let listener = Async::<TcpListener>::bind((HERE, 0)).unwrap();
    let middle = listener.get_ref().local_addr().unwrap();
    let to = guarded.local_addr();
    let relay = smol::spawn(relay(listener, to, Way::Clear));
    let opener = cluster.member();
    let mut ours = in_time(opener.open(middle)).await.unwrap().unwrap().stream;
    ours.write_all(b"once").await.unwrap();
    ours.close().await.unwrap();
    let mut theirs = in_time(streams.recv()).await.unwrap().unwrap().stream;
    let mut got = Vec::new();
    in_time(theirs.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, b"once");
    let passed = in_time(relay).await.expect("no end");
    (to, passed)
}

#[test]
fn nobody_without_the_key_can_answer_for_a_member() {
    run(async {
        let (cluster, others) = (Sealed::new(), Sealed::new());
        let (other, _streams) = guard(&others, &Options::new());
        let opener = cluster.member();
        let opened = in_time(opener.open(other.local_addr())).await.unwrap();
        let opened = opened.map(|_| ());
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );

        // An answer that makes sense, but for the key.
        let server = Async::<TcpListener>::bind((HERE, 0)).unwrap();
        let addr = server.get_ref().local_addr().unwrap();
        let serve = async {
            let (mut tcp, _): (Async<TcpStream>, _) = server.accept().await.unwrap();
            tcp.read_exact(&mut [0; 40]).await.unwrap();
            let answer = [&b"slk\x01s"[..], &[7; 32]].concat();
            tcp.write_all(&answer).await.unwrap();
            expect_end(&mut tcp).await;
        };
        let open = async { opener.open(addr).await.map(|_| ()) };
        let ((), opened) = in_time(future::zip(serve, open)).await.unwrap();
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );
    });
}

//! What somebody says in a member's name, and what takes all places.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use selkie::{
    Codec, Header, Incarnation, Member, Message, Node, Transport,
    codecs::PostcardCodec,
    transport::{PeerStream, SendError},
    transports::{Memory, MemoryNetwork},
};
use smol::Timer;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, ENVELOPE, builder, in_time, name, until},
    metadata::shows,
};

/// The header of a Gossip.
fn header(src: Node, dst: Node) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst,
        message: Message::Gossip,
    };
    let mut bytes = Vec::new();
    PostcardCodec.encode_header(&header, &mut bytes).unwrap();
    bytes
}

/// An aside from one member to another: of whom there is which version of metadata.
fn aside(src: Node, dst: Node, of: Node, version: u64) -> Vec<u8> {
    let mut entry = version.to_be_bytes().to_vec();
    entry.extend([0, 0, 0, 1, 1, b'x']);
    let member = Member::alive(of);
    PostcardCodec.encode_member(&member, &mut entry).unwrap();
    let len = u16::try_from(entry.len()).unwrap();
    let mut packet = ENVELOPE[..5].to_vec();
    packet.push(0x81);
    packet.extend((len + 3).to_be_bytes());
    packet.push(1);
    packet.extend(len.to_be_bytes());
    packet.extend(entry);
    packet.extend(header(src, dst));
    packet
}

#[test]
fn a_forged_version_does_not_silence_a_member() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        b.cluster.set_metadata("before").await.unwrap();
        shows(&a, "b", b"before").await;
        let forger = net.bind(ANY_PORT).unwrap();
        let (id_a, id_b) = (a.cluster.identity(), b.cluster.identity());
        for version in [u64::MAX >> 1, u64::MAX] {
            for (from, to, addr) in [(&id_a, &id_b, b.addr()), (&id_b, &id_a, a.addr())] {
                let packet = aside(*from, *to, id_b, version);
                forger.send(addr, &packet).await.unwrap();
            }
        }
        let refused = |c: &selkie::Cluster<_>| c.stats().metadata_refused >= 2;
        until(&a.cluster, "refused", refused).await;
        until(&b.cluster, "refused", refused).await;
        b.cluster.set_metadata("after").await.unwrap();
        shows(&a, "b", b"after").await;
        let c = Agent::start("c", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        shows(&c, "b", b"after").await;
    });
}

#[test]
fn streams_of_a_stranger_that_say_nothing_leave_places_to_others() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        // Those that have a place lose it after a while: on a busy machine, once more.
        let _held = loop {
            let stranger = net.bind("10.9.9.9:0".parse().unwrap()).unwrap();
            let (started, before) = (Instant::now(), a.cluster.stats().streams_refused);
            let mut held = Vec::new();
            for _ in 0..80 {
                held.push(in_time("a stream", open(&stranger, a.addr())).await);
            }
            let some_refused = |c: &selkie::Cluster<_>| c.stats().streams_refused >= before + 48;
            until(&a.cluster, "refused", some_refused).await;
            let first = &mut held[0].stream;
            let is_open = first.read(&mut [0]).now_or_never().is_none();
            if started.elapsed() < Duration::from_secs(4) {
                assert!(is_open, "refused for their number, not for their time");
                break (stranger, held);
            }
        };
        let large = vec![7; 10_000];
        let (cluster, driver) = builder("b", net.bind(ANY_PORT).unwrap())
            .seeds([a.addr()])
            .metadata(large.clone())
            .build()
            .await
            .unwrap();
        let _b = Agent::run(cluster, driver);
        shows(&a, "b", &large).await;
    });
}

/// Opens a stream, as soon as fewer wait to be accepted than may.
async fn open(from: &Memory, to: SocketAddr) -> PeerStream<<Memory as Transport>::Stream> {
    loop {
        match from.open(to).await {
            Ok(stream) => return stream,
            Err(SendError::Busy) => _ = Timer::after(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Says that it is there, as somebody with this name and generation.
async fn come_up(peer: &Memory, named: &str, generation: u64, at: &Agent) -> Node {
    let id = Node::new(name(named), peer.local_addr(), generation);
    let mut packet = ENVELOPE.to_vec();
    packet.extend(header(id, at.cluster.identity()));
    peer.send(at.addr(), &packet).await.unwrap();
    let is_there =
        |c: &selkie::Cluster<Node>| c.members().find(&name(named)).is_some_and(|m| m.id == id);
    until(&at.cluster, "the peer", is_there).await;
    id
}

/// Takes one message, and says so.
async fn take_message(peer: &Memory) -> (Vec<u8>, impl Sized + use<>) {
    let mut stream = loop {
        let mut stream = in_time("a stream", peer.accept()).await.unwrap().stream;
        let mut head = [0; 6];
        stream.read_exact(&mut head).await.unwrap();
        let mut len = [0; 4];
        stream.read_exact(&mut len).await.unwrap();
        let mut hello = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut hello).await.unwrap();
        if head[5] == 4 {
            break stream;
        }
    };
    let mut len = [0; 4];
    stream.read_exact(&mut len).await.unwrap();
    let mut message = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut message).await.unwrap();
    stream.write_all(&[0]).await.unwrap();
    (message, stream)
}

#[test]
fn messages_to_a_new_identity_do_not_go_to_the_process_before_it() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let before = net.bind(ANY_PORT).unwrap();
        let id = come_up(&before, "b", 1, &a).await;
        let sent = a.cluster.send_reliably(&id, "one");
        let (sent, (message, _stream)) = futures::join!(sent, take_message(&before));
        sent.unwrap();
        assert_eq!(message, b"one");
        let after = net.bind(ANY_PORT).unwrap();
        let id = come_up(&after, "b", 2, &a).await;
        let sent = a.cluster.send_reliably(&id, "two");
        let (sent, (message, _stream)) = futures::join!(sent, take_message(&after));
        sent.unwrap();
        assert_eq!(message, b"two");
    });
}

#[test]
fn who_was_declared_down_delivers_nothing_by_the_stream_that_it_has() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let peer = net.bind(ANY_PORT).unwrap();
        let id = come_up(&peer, "b", 1, &a).await;
        let mut messages = a.cluster.messages();
        let mut lane = peer.open(a.addr()).await.unwrap().stream;
        let hello = header(id, a.cluster.identity());
        let mut preface = ENVELOPE[..5].to_vec();
        preface.push(4);
        preface.extend(u32::try_from(hello.len()).unwrap().to_be_bytes());
        preface.extend(hello);
        lane.write_all(&preface).await.unwrap();
        lane.write_all(&[0, 0, 0, 1, b'x']).await.unwrap();
        lane.read_exact(&mut [0]).await.unwrap();
        assert_eq!(messages.next().await.unwrap().bytes, b"x");
        a.cluster.declare_down(&id).await.unwrap();
        let ended = in_time("the stream ends", lane.read(&mut [0])).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        assert!(messages.next().now_or_never().is_none());
    });
}

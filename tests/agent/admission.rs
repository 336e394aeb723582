//! Who is listened to, and who is let in.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use selkie::{
    Cluster, Codec, Header, Incarnation, Member, Message, Node, State, Transport,
    agent::{Claim, CommandError, Event, Refusal},
    codecs::PostcardCodec,
    transport::{Batch, NoStream, ProvenPeer, SendError},
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, event, event_where, name, until},
};

/// Says of those it was told of who they are.
struct Proving {
    inner: Memory,
    peers: Arc<Mutex<HashMap<SocketAddr, ProvenPeer>>>,
}

impl Transport for Proving {
    type Stream = NoStream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn proves_peers(&self) -> bool {
        true
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let mut received = Batch::new();
        self.inner.recv(&mut received).await?;
        let peers = self.peers.lock().unwrap();
        for packet in received.iter() {
            match peers.get(&packet.from) {
                Some(peer) => batch.push_proven(packet.from, peer, packet.bytes),
                None => batch.push(packet.from, packet.bytes),
            }
        }
        Ok(())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A Gossip in somebody's name, about nobody or somebody.
fn gossip(src: Node, to: &Cluster<Node>, about: Option<Node>) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst: to.identity(),
        message: Message::Gossip,
    };
    let mut packet = ENVELOPE.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend(u16::from(about.is_some()).to_be_bytes());
    if let Some(id) = about {
        let member = Member::alive(id);
        PostcardCodec.encode_member(&member, &mut packet).unwrap();
    }
    packet
}

/// The lie of a member: that another one is down.
fn accusation(src: Node, to: &Cluster<Node>, accused: Node) -> Vec<u8> {
    let mut packet = gossip(src, to, None);
    packet.truncate(packet.len() - 2);
    packet.extend(1_u16.to_be_bytes());
    let down = Member::new(accused, Incarnation(0), State::Down);
    PostcardCodec.encode_member(&down, &mut packet).unwrap();
    packet
}

fn node(named: &str, end: &Memory) -> Node {
    Node::new(name(named), end.local_addr(), 1)
}

#[test]
fn a_member_with_a_valid_certificate_cannot_speak_as_another() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let liar = net.bind(ANY_PORT).unwrap();
        let certificate = ProvenPeer::new(["liar"], [], []);
        let proving = Proving {
            inner: net.bind(ANY_PORT).unwrap(),
            peers: Arc::new(Mutex::new([(liar.local_addr(), certificate)].into())),
        };
        let (cluster, driver) = builder("a", proving).build().await.unwrap();
        let a = Agent::run(cluster, driver);
        let as_another = gossip(node("victim", &liar), &a.cluster, None);
        liar.send(a.addr(), &as_another).await.unwrap();
        let refused = |c: &Cluster<_>| c.stats().engine.dropped_by_check == 1;
        until(&a.cluster, "the lie refused", refused).await;
        assert!(a.cluster.members().is_empty());
        let as_itself = gossip(node("liar", &liar), &a.cluster, None);
        liar.send(a.addr(), &as_itself).await.unwrap();
        a.holds("liar", State::Alive).await;
    });
}

#[test]
fn a_member_that_declares_a_healthy_one_down_is_believed_and_the_accused_is_back_each_time() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let mut events = a.cluster.events();
        let liar = net.bind(ANY_PORT).unwrap();
        for life in 1..=3 {
            let accused = b.cluster.identity();
            // It answers no pings: it would be down itself before long.
            let own = Node::new(name("liar"), liar.local_addr(), life);
            let lie = accusation(own, &a.cluster, accused);
            liar.send(a.addr(), &lie).await.unwrap();
            event(&mut events, &Event::Failed(accused)).await;
            let is_back = |event: &Event<Node>| match event {
                Event::Joined(node) => node.name() == accused.name(),
                _ => false,
            };
            event_where(&mut events, &"b is back", is_back).await;
            assert!(b.cluster.identity().generation() > accused.generation());
        }
    });
}

#[test]
fn the_rule_about_senders_can_be_replaced() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let peer = net.bind(ANY_PORT).unwrap();
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .senders(|sender: &Claim<'_>| sender.from == sender.addr)
            .build()
            .await
            .unwrap();
        let a = Agent::run(cluster, driver);
        let other = net.bind(ANY_PORT).unwrap();
        let from_elsewhere = gossip(node("peer", &peer), &a.cluster, None);
        other.send(a.addr(), &from_elsewhere).await.unwrap();
        let refused = |c: &Cluster<_>| c.stats().engine.dropped_by_check == 1;
        until(&a.cluster, "refused", refused).await;
        peer.send(a.addr(), &from_elsewhere).await.unwrap();
        a.holds("peer", State::Alive).await;
    });
}

/// Otherwise it would wait for itself.
#[test]
fn what_a_rule_asks_of_its_own_agent_is_refused() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let handle: Arc<Mutex<Option<Cluster<Node>>>> = Arc::default();
        let asked = Arc::<Mutex<Vec<CommandError>>>::default();
        let (own, heard) = (handle.clone(), asked.clone());
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .admission(move |_: &Claim<'_>| {
                let cluster = own.lock().unwrap().clone().unwrap();
                let refused = smol::block_on(cluster.broadcast("x")).unwrap_err();
                heard.lock().unwrap().push(refused);
                Ok(())
            })
            .build()
            .await
            .unwrap();
        *handle.lock().unwrap() = Some(cluster.clone());
        let a = Agent::run(cluster, driver);
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let refused = asked.lock().unwrap().pop();
        assert!(
            matches!(refused, Some(CommandError::InHandler)),
            "{refused:?}"
        );
    });
}

#[test]
fn newcomers_are_refused_by_reason_whoever_tells_of_them() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .admission(|newcomer: &Claim<'_>| {
                let node: &Node = newcomer.identity().unwrap();
                match node.name().as_str() {
                    "guest" if newcomer.is_hearsay => Err(Refusal::from("hearsay")),
                    "guest" => Err(Refusal::from("guest")),
                    _ => Ok(()),
                }
            })
            .build()
            .await
            .unwrap();
        let a = Agent::run(cluster, driver);
        let (guest, friend) = (net.bind(ANY_PORT).unwrap(), net.bind(ANY_PORT).unwrap());
        let by_itself = gossip(node("guest", &guest), &a.cluster, None);
        guest.send(a.addr(), &by_itself).await.unwrap();
        let told = node("guest", &guest);
        let by_friend = gossip(node("friend", &friend), &a.cluster, Some(told));
        friend.send(a.addr(), &by_friend).await.unwrap();
        a.holds("friend", State::Alive).await;
        until(&a.cluster, "both refused", |c| {
            let stats = c.stats();
            let refusals: Vec<_> = stats.refusals.iter().collect();
            refusals == [("guest", 1), ("hearsay", 1)]
        })
        .await;
        assert_eq!(a.cluster.members().len(), 1);
    });
}

pub(crate) async fn who_is_not_admitted_does_not_get_in(net: impl Net) {
    let claims = Arc::<Mutex<Vec<(SocketAddr, SocketAddr, bool)>>>::default();
    let seen = claims.clone();
    let (cluster, driver) = builder("a", net.bind("a"))
        .admission(move |newcomer: &Claim<'_>| {
            if newcomer.name != Some("guest") {
                return Ok(());
            }
            let mut names = newcomer.peer.into_iter().flat_map(ProvenPeer::names);
            let is_proven = names.any(|name| name == "guest");
            let claim = (newcomer.addr, newcomer.from, is_proven);
            seen.lock().unwrap().push(claim);
            Err(Refusal::from("guest"))
        })
        .build()
        .await
        .unwrap();
    let a = Agent::run(cluster, driver);
    let friend = Agent::start("friend", net.bind("friend"), &[&a]).await;
    friend.knows(1).await;
    let transport = net.bind("guest");
    let proves = transport.proves_peers();
    let guest = Agent::start("guest", transport, &[&a]).await;
    until(&a.cluster, "refused", |c| {
        c.stats()
            .refusals
            .iter()
            .any(|(reason, _)| reason == "guest")
    })
    .await;
    let (addr, from, is_proven) = claims.lock().unwrap()[0];
    assert_eq!((addr, from), (guest.addr(), guest.addr()));
    // In memory, ends have no names to prove.
    assert!(is_proven || !proves || !a.cluster.stats().transport.iter().any(|_| true));
    assert_eq!(a.state_of("guest"), None);
    a.holds("friend", State::Alive).await;
}

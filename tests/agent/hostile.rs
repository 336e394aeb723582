//! More news than anybody reads.

use std::net::SocketAddr;

use futures::StreamExt;
use selkie::{
    Codec, Header, Incarnation, Member, Message, Node, State, Transport,
    agent::Event,
    codecs::PostcardCodec,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, ENVELOPE, in_time, name, until},
};

const CROWD: usize = 1500;
const PER_PACKET: usize = 15;

fn nth(n: usize) -> Node {
    let addr = SocketAddr::from(([10, 9, 0, 1], 7946));
    Node::new(name(&format!("m{n}")), addr, 1)
}

/// A Gossip up to where its updates begin.
fn gossip(from: &Memory, named: &str, to: &Agent) -> Vec<u8> {
    let header = Header {
        src: Node::new(name(named), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let mut packet = ENVELOPE.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet
}

/// Says that all of the crowd are in a state.
async fn tell(from: &Memory, to: &Agent, state: State) {
    let mut codec = PostcardCodec;
    for start in (0..CROWD).step_by(PER_PACKET) {
        let mut packet = gossip(from, "teller", to);
        packet.extend(u16::try_from(PER_PACKET).unwrap().to_be_bytes());
        for n in start..start + PER_PACKET {
            let member = Member::new(nth(n), Incarnation(0), state);
            codec.encode_member(&member, &mut packet).unwrap();
        }
        from.send(to.addr(), &packet).await.unwrap();
    }
}

#[test]
fn a_reader_that_sleeps_through_it_learns_the_final_state_of_each_member() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let mut events = a.cluster.events();
        let teller = net.bind(ANY_PORT).unwrap();
        tell(&teller, &a, State::Alive).await;
        let all_up = |c: &selkie::Cluster<_>| c.members().len() > CROWD;
        until(&a.cluster, "all known", all_up).await;
        tell(&teller, &a, State::Down).await;
        let all_down = |c: &selkie::Cluster<_>| c.members().num_active() <= 1;
        until(&a.cluster, "all down", all_down).await;
        assert!(a.cluster.stats().events_coalesced > 0);

        let mut up = std::collections::HashSet::new();
        let mut told_down = 0;
        in_time("the final states", async {
            while told_down < CROWD {
                match events.next().await.unwrap() {
                    Event::Joined(id) => assert!(up.insert(id)),
                    Event::Failed(id) if *id.name() != name("teller") => {
                        up.remove(&id);
                        told_down += 1;
                    }
                    _ => {}
                }
            }
        })
        .await;
        assert!(up.iter().all(|id| *id.name() == name("teller")), "{up:?}");
    });
}

#[test]
fn rubbish_is_counted_and_does_no_harm() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let stranger = net.bind(ANY_PORT).unwrap();
        for len in 0..200 {
            stranger.send(a.addr(), &vec![0xff; len]).await.unwrap();
        }
        until(&a.cluster, "all counted", |c| {
            c.stats().packets_refused == 200
        })
        .await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
    });
}

#[test]
fn somebody_of_our_name_is_told_of_once_not_with_every_packet() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let mut events = a.cluster.events();
        let stranger = net.bind(ANY_PORT).unwrap();
        let packet = gossip(&stranger, "a", &a);
        for _ in 0..50 {
            stranger.send(a.addr(), &packet).await.unwrap();
        }
        let all_in = |c: &selkie::Cluster<_>| c.stats().engine.dropped_bad_sender == 50;
        until(&a.cluster, "all counted", all_in).await;
        a.cluster.leave().await.unwrap();
        let told: Vec<_> = std::iter::from_fn(|| smol::block_on(events.next())).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(matches!(told[0], Event::AddrConflict { .. }));
        assert_eq!(told[1], Event::Stopped);
    });
}

#[cfg(feature = "msgpack")]
#[test]
fn a_member_with_another_codec_is_counted_and_changes_nothing() {
    use selkie::{Builder, codecs::MsgpackCodec};

    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        let other = net.bind(ANY_PORT).unwrap();
        let id = Node::now(name("other"), other.local_addr(), None);
        let (other, driver) = Builder::new()
            .codec(MsgpackCodec)
            .transport(other)
            .identity(id)
            .seeds([a.addr()])
            .build()
            .await
            .unwrap();
        let other = Agent::run(other, driver);
        until(&a.cluster, "refused", |c| c.stats().packets_refused >= 2).await;
        assert_eq!(other.cluster.members().len(), 0);
        assert_eq!(
            (a.cluster.members().len(), b.cluster.members().len()),
            (1, 1)
        );
    });
}

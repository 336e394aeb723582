//! What happens at the bounds of what an agent holds.

use futures::AsyncWriteExt;
use selkie::{
    Cluster, Codec, Header, Incarnation, Member, Message, Node, Transport,
    agent::{Limits, MessageError},
    codecs::PostcardCodec,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, ENVELOPE, builder, name, until},
};

async fn start(net: &MemoryNetwork, named: &str, limits: Limits, seed: Option<&Agent>) -> Agent {
    let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
        .limits(limits)
        .seeds(seed.map(Agent::addr))
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

/// Who speaks to whom.
fn hello(named: &str, from: &Memory, to: &Agent) -> Vec<u8> {
    let header = Header {
        src: Node::new(name(named), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let mut hello = Vec::new();
    PostcardCodec.encode_header(&header, &mut hello).unwrap();
    hello
}

/// How a stream to fetch metadata begins.
fn preface(named: &str, from: &Memory, to: &Agent) -> Vec<u8> {
    let [version_and_mark @ .., _] = ENVELOPE;
    let hello = hello(named, from, to);
    let len = u32::try_from(hello.len()).unwrap().to_be_bytes();
    [&version_and_mark[..], &[3], &len, &hello].concat()
}

#[test]
fn streams_beyond_those_of_a_peer_and_of_all_are_refused() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.streams_per_peer = 2;
        limits.streams = 3;
        let a = start(&net, "a", limits, None).await;
        let ends = [net.bind(ANY_PORT).unwrap(), net.bind(ANY_PORT).unwrap()];
        for (end, named) in ends.iter().zip(["p", "q"]) {
            let gossip = [&ENVELOPE[..], &hello(named, end, &a), &[0, 0]].concat();
            end.send(a.addr(), &gossip).await.unwrap();
        }
        a.knows(2).await;
        let mut open = Vec::new();
        let expected = [
            ("p", 1, 0),
            ("p", 2, 0),
            ("p", 2, 1),
            ("q", 3, 1),
            ("q", 3, 2),
        ];
        for (named, streams, refused) in expected {
            let end = &ends[usize::from(named == "q")];
            let mut stream = end.open(a.addr()).await.unwrap().stream;
            stream.write_all(&preface(named, end, &a)).await.unwrap();
            open.push(stream);
            until(&a.cluster, "streams", |c| {
                let stats = c.stats();
                let heard = stats.streams_in + stats.streams_refused;
                heard == streams + refused && stats.streams_refused == refused
            })
            .await;
        }
    });
}

#[test]
fn streams_of_our_own_beyond_the_limit_are_put_off() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = start(&net, "a", Limits::default(), None).await;
        let mut limits = Limits::default();
        limits.dials = 0;
        let b = start(&net, "b", limits, Some(&a)).await;
        b.knows(1).await;
        let refused = b.cluster.send_reliably(&a.cluster.identity(), "x").await;
        assert!(matches!(refused, Err(MessageError::Busy)), "{refused:?}");
        until(&b.cluster, "counted", |c| c.stats().dials_put_off > 0).await;
    });
}

#[test]
fn metadata_beyond_the_limit_is_not_taken() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.metadata_bytes = 100;
        let a = start(&net, "a", limits, None).await;
        let b = start(&net, "b", Limits::default(), Some(&a)).await;
        let c = start(&net, "c", Limits::default(), Some(&a)).await;
        for agent in [&a, &b, &c] {
            agent.knows(2).await;
        }
        let has = |c: &Cluster<Node>, named: &str, len: usize| {
            let members = c.members();
            let metadata = members.find(&name(named)).and_then(|m| m.metadata.as_ref());
            metadata.is_some_and(|m| m.bytes().len() == len)
        };
        b.cluster.set_metadata([1; 60]).await.unwrap();
        until(&a.cluster, "what fits", |c| has(c, "b", 60)).await;
        c.cluster.set_metadata([2; 50]).await.unwrap();
        until(&a.cluster, "refused", |c| c.stats().metadata_refused > 0).await;
        assert!(!has(&a.cluster, "c", 50));
        assert_eq!(a.cluster.stats().metadata_bytes, 60);
        until(&b.cluster, "the others take it", |c| has(c, "c", 50)).await;
        // Smaller than before: there is room for both.
        b.cluster.set_metadata([3; 10]).await.unwrap();
        until(&a.cluster, "what fits", |c| has(c, "b", 10)).await;
        c.cluster.set_metadata([4; 40]).await.unwrap();
        until(&a.cluster, "what fits", |c| has(c, "c", 40)).await;
    });
}

#[test]
fn metadata_beyond_what_is_being_told_is_told_later() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.answer_bytes = 100_000;
        let large = vec![7; 65_536];
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .limits(limits)
            .metadata(large.clone())
            .build()
            .await
            .unwrap();
        let a = Agent::run(cluster, driver);
        // Who asks, and does not read the answer.
        let slow = net.bind(ANY_PORT).unwrap();
        let gossip = [&ENVELOPE[..], &hello("slow", &slow, &a), &[0, 0]].concat();
        slow.send(a.addr(), &gossip).await.unwrap();
        a.knows(1).await;
        let mut stream = slow.open(a.addr()).await.unwrap().stream;
        let mut wanted = Vec::new();
        let member = Member::alive(a.cluster.identity());
        PostcardCodec.encode_member(&member, &mut wanted).unwrap();
        let len = u32::try_from(wanted.len()).unwrap().to_be_bytes();
        let asked = [&preface("slow", &slow, &a)[..], &len, &wanted].concat();
        stream.write_all(&asked).await.unwrap();
        until(&a.cluster, "it is heard", |c| c.stats().streams_in == 1).await;

        let b = start(&net, "b", Limits::default(), Some(&a)).await;
        until(&a.cluster, "no room", |c| c.stats().answers_put_off > 0).await;
        drop(stream);
        until(&b.cluster, "all of it", |c| {
            let members = c.members();
            let metadata = members.find(&name("a")).and_then(|m| m.metadata.as_ref());
            metadata.is_some_and(|m| m.bytes() == large)
        })
        .await;
    });
}

#[test]
fn what_finds_no_room_among_what_waits_is_dropped_and_counted() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.backlog_bytes = 10;
        let a = start(&net, "a", limits, None).await;
        a.cluster
            .set_metadata("longer than ten bytes")
            .await
            .unwrap();
        until(&a.cluster, "dropped", |c| c.stats().asides_dropped == 1).await;
        assert_eq!(a.cluster.stats().aside_bytes, 0);
    });
}

#[test]
fn limits_change_while_the_agent_runs() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = start(&net, "a", Limits::default(), None).await;
        let b = start(&net, "b", Limits::default(), Some(&a)).await;
        a.knows(1).await;
        let _messages = b.cluster.messages();
        let to = b.cluster.identity();
        a.cluster.send_reliably(&to, [0; 2000]).await.unwrap();
        let mut limits = Limits::default();
        limits.message_max = 1000;
        a.cluster.set_limits(limits).await.unwrap();
        let refused = a.cluster.send_reliably(&to, [0; 2000]).await;
        assert!(matches!(
            refused,
            Err(MessageError::TooBig { max: 1000, .. })
        ));
        a.cluster.set_limits(Limits::default()).await.unwrap();
        a.cluster.send_reliably(&to, [0; 2000]).await.unwrap();

        let syncs = a.cluster.stats().syncs;
        let period = core::time::Duration::from_millis(100);
        a.cluster.set_sync_period(period).await.unwrap();
        until(&a.cluster, "compared", |c| c.stats().syncs > syncs + 2).await;
    });
}

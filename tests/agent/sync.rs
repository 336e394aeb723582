//! Members compare what they hold, over streams.

use std::{net::SocketAddr, time::Instant};

use selkie::{
    Cluster, Codec, Config, Header, Incarnation, Member, Message, Node, State, Transmissions,
    Transport,
    codecs::PostcardCodec,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, config, name, until},
};

/// Nobody learns of anybody but by gossip, or by comparing.
fn bare_config() -> Config {
    let mut config = config();
    config.digest = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.probe_period = core::time::Duration::from_secs(60);
    config.transmissions = Transmissions::Fixed(1);
    config
}

fn nth(n: usize) -> Node {
    let addr = SocketAddr::from(([10, 9, 0, 1], 7946));
    Node::new(name(&format!("m{n}")), addr, 1)
}

fn gossip(from: &Memory, to: &Agent, members: &[usize], state: State) -> Vec<u8> {
    let header = Header {
        src: Node::new(name("teller"), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let mut codec = PostcardCodec;
    let mut packet = ENVELOPE.to_vec();
    codec.encode_header(&header, &mut packet).unwrap();
    packet.extend(u16::try_from(members.len()).unwrap().to_be_bytes());
    for n in members {
        let member = Member::new(nth(*n), Incarnation(0), state);
        codec.encode_member(&member, &mut packet).unwrap();
    }
    packet
}

/// Tells an agent of members until it holds all of them.
async fn tell(from: &Memory, to: &Agent, members: core::ops::Range<usize>, state: State) {
    let all: Vec<usize> = members.clone().collect();
    for some in all.chunks(20) {
        let packet = gossip(from, to, some, state);
        from.send(to.addr(), &packet).await.unwrap();
    }
    until(&to.cluster, "all told", |c| holds(c, &members, state)).await;
}

fn holds(cluster: &Cluster<Node>, members: &core::ops::Range<usize>, state: State) -> bool {
    let known = cluster.members();
    let matching = known.iter().filter(|m| {
        let n = m.id.name().as_str().strip_prefix('m');
        let n = n.and_then(|n| n.parse().ok());
        n.is_some_and(|n| members.contains(&n)) && m.state == state
    });
    matching.count() == members.len()
}

async fn start(net: &MemoryNetwork, named: &str, period_ms: u64, seed: Option<&Agent>) -> Agent {
    let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
        .config(bare_config())
        .sync_period(core::time::Duration::from_millis(period_ms))
        .seeds(seed.map(Agent::addr))
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

pub(crate) async fn members_compare_what_they_hold(net: impl Net) {
    let a = Agent::start("a", net.bind("a"), &[]).await;
    let b = Agent::start("b", net.bind("b"), &[&a]).await;
    let c = Agent::start("c", net.bind("c"), &[&a]).await;
    for agent in [&a, &b, &c] {
        until(&agent.cluster, "compared", |c| c.stats().syncs > 0).await;
        let period = core::time::Duration::from_millis(100);
        agent.cluster.set_sync_period(period).await.unwrap();
        until(&agent.cluster, "compared again", |c| c.stats().syncs > 3).await;
    }
}

#[test]
fn a_joiner_knows_five_thousand_members_at_once() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let seed = start(&net, "seed", 60_000, None).await;
        let teller = net.bind(ANY_PORT).unwrap();
        tell(&teller, &seed, 0..5000, State::Alive).await;
        let started = Instant::now();
        let joiner = start(&net, "joiner", 60_000, Some(&seed)).await;
        until(&joiner.cluster, "5,000 members", |c| {
            c.members().num_active() > 5000
        })
        .await;
        println!("5,000 members known after {:?}", started.elapsed());
        assert_eq!(joiner.cluster.stats().syncs_failed, 0);
    });
}

/// Otherwise late news would bring them back.
#[test]
fn a_joiner_is_told_of_the_dead() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let seed = start(&net, "seed", 60_000, None).await;
        let teller = net.bind(ANY_PORT).unwrap();
        tell(&teller, &seed, 0..10, State::Alive).await;
        tell(&teller, &seed, 0..5, State::Down).await;
        let joiner = start(&net, "joiner", 60_000, Some(&seed)).await;
        until(&joiner.cluster, "compared", |c| c.stats().syncs == 1).await;
        assert!(holds(&joiner.cluster, &(5..10), State::Alive));
        let late_news = gossip(&teller, &joiner, &[0, 1, 2, 3, 4, 10], State::Alive);
        teller.send(joiner.addr(), &late_news).await.unwrap();
        until(&joiner.cluster, "the news", |c| {
            holds(c, &(10..11), State::Alive)
        })
        .await;
        assert!(holds(&joiner.cluster, &(5..11), State::Alive));
    });
}

#[test]
fn two_halves_that_meet_know_all_of_both() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let left = start(&net, "left", 150, None).await;
        let teller = net.bind(ANY_PORT).unwrap();
        tell(&teller, &left, 0..300, State::Alive).await;
        let right = start(&net, "right", 150, None).await;
        tell(&teller, &right, 300..600, State::Alive).await;
        drop(teller);
        right.cluster.announce(left.addr()).await.unwrap();
        for agent in [&left, &right] {
            until(&agent.cluster, "both halves", |c| {
                holds(c, &(0..600), State::Alive)
            })
            .await;
        }
    });
}

#[test]
fn what_gossip_left_out_is_found_later_on() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let left = start(&net, "left", 150, None).await;
        let right = start(&net, "right", 150, Some(&left)).await;
        right.knows(1).await;
        until(&left.cluster, "compared", |c| c.stats().syncs > 0).await;
        until(&right.cluster, "compared", |c| c.stats().syncs > 0).await;
        let teller = net.bind(ANY_PORT).unwrap();
        // Most of the gossip goes to members that are not there.
        tell(&teller, &left, 0..500, State::Alive).await;
        tell(&teller, &left, 0..100, State::Down).await;
        until(&right.cluster, "the living", |c| {
            holds(c, &(100..500), State::Alive)
        })
        .await;
        let stats = right.cluster.stats();
        assert!(stats.syncs + stats.syncs_answered > 1, "{stats:?}");
    });
}

#[test]
fn strangers_streams_are_refused() {
    use futures::AsyncWriteExt;

    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = start(&net, "a", 60_000, None).await;
        let stranger = net.bind(ANY_PORT).unwrap();
        let header = Header {
            src: Node::new(name("stranger"), stranger.local_addr(), 1),
            src_incarnation: Incarnation(0),
            dst: a.cluster.identity(),
            message: Message::Gossip,
        };
        let mut hello = Vec::new();
        PostcardCodec.encode_header(&header, &mut hello).unwrap();
        let [version_and_mark @ .., _] = ENVELOPE;
        let len = u32::try_from(hello.len()).unwrap().to_be_bytes();
        let as_no_member = [&version_and_mark[..], &[1], &len, &hello].concat();
        let too_long = [&version_and_mark[..], &[1], &u32::MAX.to_be_bytes()].concat();
        let of_another_cluster = [&[0xe1, 1, 2, 3, 4, 1][..], &len, &hello].concat();
        let mut streams = Vec::new();
        for (n, bytes) in [as_no_member, too_long, of_another_cluster]
            .into_iter()
            .enumerate()
        {
            let mut stream = stranger.open(a.addr()).await.unwrap().stream;
            stream.write_all(&bytes).await.unwrap();
            streams.push(stream);
            let refused = n as u64 + 1;
            until(&a.cluster, "refused", |c| {
                c.stats().streams_refused == refused
            })
            .await;
        }
        assert_eq!(a.cluster.stats().streams_in, 0);
    });
}

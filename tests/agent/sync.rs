//! Members compare what they hold, over streams.

use std::net::SocketAddr;

use futures::{AsyncReadExt, AsyncWriteExt};
use selkie::{
    Cluster, Codec, Config, Header, Incarnation, Member, Message, Node, ProbeNumber, State,
    Transmissions, Transport,
    codecs::PostcardCodec,
    transport::Batch,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, config, in_time, name, until},
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
        // It was told of ten, and the seed may have said more to who is not there.
        let (said, heard) = (seed.cluster.stats(), joiner.cluster.stats());
        assert!(heard.sync_bytes_in > 100, "{heard:?}");
        assert!(said.sync_bytes_out >= heard.sync_bytes_in, "{said:?}");
        assert_eq!(said.sync_bytes_in, heard.sync_bytes_out);
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

/// How a stream of `from` begins on which members compare.
fn preface(from: &Node, to: &Agent) -> Vec<u8> {
    let header = Header {
        src: *from,
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let mut hello = Vec::new();
    PostcardCodec.encode_header(&header, &mut hello).unwrap();
    let [version_and_mark @ .., _] = ENVELOPE;
    let len = u32::try_from(hello.len()).unwrap().to_be_bytes();
    [&version_and_mark[..], &[1], &len, &hello].concat()
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&len[..], bytes].concat()
}

/// A Ping of a member, and whether its answer came in time.
async fn ping(from: &Memory, src: Node, to: &Agent, number: u8) {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Ping(ProbeNumber(number)),
    };
    let mut packet = ENVELOPE.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    from.send(to.addr(), &packet).await.unwrap();
    in_time("the answer", async {
        loop {
            let mut batch = Batch::new();
            from.recv(&mut batch).await.unwrap();
            let is_ack = |packet: &[u8]| {
                let mut body = &packet[ENVELOPE.len()..];
                let header: Header<Node> = PostcardCodec.decode_header(&mut body).unwrap();
                header.message == Message::Ack(ProbeNumber(number))
            };
            let mut engines = batch.iter().filter(|p| p.bytes.starts_with(&ENVELOPE));
            if engines.any(|packet| is_ack(packet.bytes)) {
                return;
            }
        }
    })
    .await;
}

/// Otherwise whoever tells much takes an agent for dead, and so do others.
#[test]
fn pings_are_answered_while_a_member_tells_of_a_crowd() {
    const CROWD: usize = 40_000;
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = start(&net, "a", 60_000, None).await;
        let teller = net.bind(ANY_PORT).unwrap();
        let own = Node::new(name("teller"), teller.local_addr(), 1);
        let hello = gossip(&teller, &a, &[], State::Alive);
        teller.send(a.addr(), &hello).await.unwrap();
        a.knows(1).await;

        let mut stream = teller.open(a.addr()).await.unwrap().stream;
        let all = framed(&[2, 0, 0, 0, 0]);
        let asked = [preface(&own, &a), all].concat();
        stream.write_all(&asked).await.unwrap();
        let mut len = [0; 4];
        stream.read_exact(&mut len).await.unwrap();
        let mut answer = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut answer).await.unwrap();
        let mut members = Vec::new();
        for n in 0..CROWD {
            let member = Member::alive(nth(n));
            PostcardCodec.encode_member(&member, &mut members).unwrap();
        }
        let told = framed(&[&[4][..], &framed(&members)].concat());
        stream.write_all(&told).await.unwrap();
        let mut answers_between = 0;
        for number in (0..=u8::MAX).cycle() {
            ping(&teller, own, &a, number).await;
            let known = a.cluster.members().num_active();
            answers_between += usize::from(known > 1 && known <= CROWD);
            if known > CROWD {
                break;
            }
        }
        assert!(answers_between > 0, "all at once");
        drop(stream);
        in_time(
            "all are told in turn, some in each round of the driver",
            async {
                loop {
                    let before = a.cluster.stats().turns;
                    if let Some(bytes) = ask_for_all(&teller, &own, &a).await {
                        let rounds = a.cluster.stats().turns - before;
                        assert!(
                            bytes > CROWD && rounds > 10,
                            "{bytes} bytes in {rounds} rounds"
                        );
                        return;
                    }
                }
            },
        )
        .await;
    });
}

/// What is compared is who is active. A member who never knew of a death believes late news, until
/// it compares with who did.
#[test]
fn whom_late_news_brought_back_is_down_again_after_the_next_comparison() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let knows_better = start(&net, "left", 60_000, None).await;
        let misled = start(&net, "right", 60_000, Some(&knows_better)).await;
        for agent in [&knows_better, &misled] {
            agent.knows(1).await;
        }
        until(&misled.cluster, "compared", |c| c.stats().syncs > 0).await;
        // One dies while only the other listens.
        net.cut(knows_better.addr(), misled.addr());
        let teller = net.bind(ANY_PORT).unwrap();
        tell(&teller, &knows_better, 0..1, State::Alive).await;
        tell(&teller, &knows_better, 0..1, State::Down).await;
        until(&knows_better.cluster, "told all", |c| {
            c.stats().updates_waiting == 0
        })
        .await;
        net.heal();
        tell(&teller, &misled, 0..1, State::Alive).await;
        drop(teller);
        let period = core::time::Duration::from_millis(100);
        misled.cluster.set_sync_period(period).await.unwrap();
        until(&misled.cluster, "down again", |c| {
            holds(c, &(0..1), State::Down)
        })
        .await;
    });
}

/// What a member says, or asks for, is answered in one frame.
async fn ask_for_all(from: &Memory, own: &Node, to: &Agent) -> Option<usize> {
    let mut stream = from.open(to.addr()).await.ok()?.stream;
    let asked = [preface(own, to), framed(&[2, 0, 0, 0, 0])].concat();
    stream.write_all(&asked).await.ok()?;
    let mut len = [0; 4];
    stream.read_exact(&mut len).await.ok()?;
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer.len())
}

/// Otherwise one member, by asking as fast as it can, has all of our time.
#[test]
fn who_asks_for_all_again_and_again_is_refused_in_the_end_and_others_are_not() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = start(&net, "a", 60_000, None).await;
        let [greedy, other] = [0; 2].map(|_| net.bind(ANY_PORT).unwrap());
        let [its_name, others_name] = [(&greedy, "teller"), (&other, "other")]
            .map(|(end, named)| Node::new(name(named), end.local_addr(), 1));
        tell(&greedy, &a, 0..500, State::Alive).await;
        let (mut answers, mut refused_in_a_row) = (0, 0);
        // One refusal may be for the conversation before, whose end was not seen yet.
        while refused_in_a_row < 5 {
            let is_answered = ask_for_all(&greedy, &its_name, &a).await.is_some();
            answers += usize::from(is_answered);
            refused_in_a_row = if is_answered { 0 } else { refused_in_a_row + 1 };
            assert!(answers < 5000, "{:?}", a.cluster.stats());
        }
        assert!(answers > 100, "only {answers}");
        assert!(a.cluster.stats().syncs_refused >= 5);
        let joiner = start(&net, "joiner", 60_000, Some(&a)).await;
        until(&joiner.cluster, "compared", |c| c.stats().syncs == 1).await;
        let hello = gossip_of(&others_name, &a);
        other.send(a.addr(), &hello).await.unwrap();
        in_time("another one is answered", async {
            while ask_for_all(&other, &others_name, &a).await.is_none() {}
        })
        .await;
        // It is not for ever.
        in_time("it is answered again", async {
            while ask_for_all(&greedy, &its_name, &a).await.is_none() {}
        })
        .await;
    });
}

fn gossip_of(src: &Node, to: &Agent) -> Vec<u8> {
    let header = Header {
        src: *src,
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let mut packet = ENVELOPE.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend([0, 0]);
    packet
}

//! Messages from one member to another.

use core::time::Duration;
use std::time::Instant;

use futures::{AsyncWriteExt, FutureExt, StreamExt};
use selkie::{
    Cluster, Codec, Config, Header, Incarnation, Message, Node, State, Transport,
    agent::{Limits, MessageError},
    codecs::PostcardCodec,
    transports::MemoryNetwork,
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, heavy, in_time, name, until},
    metadata::Streamless,
};

/// Slow to suspect: machines have other things to do.
fn config() -> Config {
    let mut config = Config::lan();
    config.probe_rtt = Duration::from_millis(900);
    config.probe_period = Duration::from_millis(2000);
    config
}

async fn start(net: &impl Net, named: &str, limits: Limits, seed: Option<&Agent>) -> Agent {
    let (cluster, driver) = builder(named, net.bind(named))
        .config(config())
        .limits(limits)
        .seeds(seed.map(Agent::addr))
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

async fn pair(net: &impl Net, limits: Limits) -> [Agent; 2] {
    let a = start(net, "a", limits.clone(), None).await;
    let b = start(net, "b", limits, Some(&a)).await;
    a.knows(1).await;
    b.knows(1).await;
    [a, b]
}

fn numbered(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![number; len];
    bytes[len / 2] ^= 0xff;
    bytes
}

async fn send_many(from: &Cluster<Node>, to: &Node, count: u8) {
    for number in 0..count {
        let sent = from.send_reliably(to, numbered(number, 1 << 20));
        in_time("a message is acknowledged", sent).await.unwrap();
    }
}

pub(crate) async fn a_hundred_reliable_messages_of_1_mib_arrive_whole_and_in_order(net: impl Net) {
    let _turn = heavy().await;
    let [a, b] = pair(&net, Limits::default()).await;
    let c = start(&net, "c", Limits::default(), Some(&a)).await;
    for agent in [&a, &b, &c] {
        agent.knows(2).await;
    }
    let mut messages = c.cluster.messages();
    let to = c.cluster.identity();
    let receive = async {
        let mut next = std::collections::BTreeMap::new();
        for _ in 0..120 {
            let message = in_time("a message", messages.next()).await.unwrap();
            let number: &mut u8 = next.entry(message.from.name().to_string()).or_default();
            assert!(message.bytes == numbered(*number, 1 << 20), "{number}");
            *number += 1;
        }
        assert_eq!(next.into_values().collect::<Vec<_>>(), [100, 20]);
    };
    let from_a = send_many(&a.cluster, &to, 100);
    let from_b = send_many(&b.cluster, &to, 20);
    futures::join!(receive, from_a, from_b);
    assert!(messages.next().now_or_never().is_none(), "each once");
    for agent in [&a, &b, &c] {
        let stats = agent.cluster.stats();
        assert_eq!(stats.engine.probes_failed, 0);
        assert_eq!(agent.cluster.members().num_active(), 2);
    }
}

pub(crate) async fn what_is_too_big_for_a_packet_goes_by_stream_by_itself(net: impl Net) {
    let [a, b] = pair(&net, Limits::default()).await;
    let mut messages = b.cluster.messages();
    let to = b.cluster.identity();
    for len in [1_usize, 1000, 100_000] {
        // A packet may be lost.
        let received = async {
            loop {
                a.cluster.send(&to, vec![7; len]).await.unwrap();
                let late = smol::Timer::after(Duration::from_secs(5));
                let next = async { messages.next().await };
                let next = smol::future::or(next, async {
                    late.await;
                    None
                });
                if let Some(message) = next.await {
                    return message;
                }
            }
        };
        let message = in_time("the message", received).await;
        assert_eq!(message.from, a.cluster.identity());
        assert_eq!(message.bytes.len(), len);
    }
}

#[test]
fn what_cannot_be_sent_is_an_error_of_the_call() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.message_max = 1000;
        let [a, b] = pair(&net, limits).await;
        let to = b.cluster.identity();
        let refused = a.cluster.send_reliably(&to, [0; 1001]).await;
        assert!(matches!(
            refused,
            Err(MessageError::TooBig {
                len: 1001,
                max: 1000
            })
        ));
        let refused = a.cluster.send(&to, [0; 1001]).await;
        assert!(matches!(refused, Err(MessageError::TooBig { .. })));
        let refused = a.cluster.send_reliably(&to, [0; 10]).await;
        assert!(
            matches!(refused, Err(MessageError::NotListening)),
            "{refused:?}"
        );
        let stranger = Node::new(name("stranger"), b.addr(), 1);
        let refused = a.cluster.send_reliably(&stranger, [0; 10]).await;
        assert!(matches!(refused, Err(MessageError::NotAMember)));

        let mut messages = b.cluster.messages();
        a.cluster.send_reliably(&to, "after all").await.unwrap();
        let message = in_time("the message", messages.next()).await;
        assert_eq!(message.unwrap().bytes, b"after all");
        b.cluster.leave().await.unwrap();
        assert!(messages.next().await.is_none());
        let gone = b.cluster.send(&a.cluster.identity(), "x").await;
        assert!(matches!(gone, Err(MessageError::Stopped)), "{gone:?}");
    });
}

#[test]
fn a_smaller_limit_at_the_receiver_is_told() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut small = Limits::default();
        small.message_max = 1000;
        let a = start(&net, "a", Limits::default(), None).await;
        let b = start(&net, "b", small, Some(&a)).await;
        a.knows(1).await;
        let _messages = b.cluster.messages();
        let to = b.cluster.identity();
        let refused = a.cluster.send_reliably(&to, [0; 100_000]).await;
        assert!(
            matches!(refused, Err(MessageError::TooBig { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn without_streams_only_packets_are_sent() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let bind = || Streamless(net.bind(ANY_PORT).unwrap());
        let a = Agent::start("a", bind(), &[]).await;
        let b = Agent::start("b", bind(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let to = b.cluster.identity();
        let mut messages = b.cluster.messages();
        let refused = a.cluster.send_reliably(&to, "x").await;
        assert!(
            matches!(refused, Err(MessageError::NoStreams)),
            "{refused:?}"
        );
        let refused = a.cluster.send(&to, [0; 3000]).await;
        assert!(
            matches!(refused, Err(MessageError::NoStreams)),
            "{refused:?}"
        );
        a.cluster.send(&to, "small").await.unwrap();
        let message = in_time("the message", messages.next()).await;
        assert_eq!(message.unwrap().bytes, b"small");
    });
}

#[test]
fn whose_messages_find_no_room_waits_and_none_is_dropped() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.message_bytes = 300_000;
        let [a, b] = pair(&net, limits).await;
        let mut messages = b.cluster.messages();
        let to = b.cluster.identity();
        let acknowledged = core::cell::Cell::new(0);
        let send = async {
            for number in 0..20 {
                let sent = a.cluster.send_reliably(&to, numbered(number, 100_000));
                sent.await.unwrap();
                acknowledged.set(acknowledged.get() + 1);
            }
        };
        let receive = async {
            until(&b.cluster, "no room", |_| acknowledged.get() == 3).await;
            // Whoever sends packets meanwhile is not waited for.
            a.cluster.send(&to, numbered(99, 1000)).await.unwrap();
            let dropped = |c: &Cluster<_>| c.stats().messages_dropped == 1;
            until(&b.cluster, "a packet dropped", dropped).await;
            assert_eq!(acknowledged.get(), 3);
            for number in 0..20 {
                let message = in_time("a message", messages.next()).await.unwrap();
                assert!(message.bytes == numbered(number, 100_000), "{number}");
            }
        };
        futures::join!(send, receive);
    });
}

#[test]
fn a_member_that_is_gone_is_told_of() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let [a, b] = pair(&net, Limits::default()).await;
        let to = b.cluster.identity();
        let _messages = b.cluster.messages();
        a.cluster
            .send_reliably(&to, "while it is there")
            .await
            .unwrap();
        b.kill().await;
        let first = a.cluster.send_reliably(&to, "x").await;
        let expected = matches!(
            first,
            Err(MessageError::Unacknowledged | MessageError::Unreachable(_))
        );
        assert!(expected, "{first:?}");
        let later = in_time("refused", a.cluster.send_reliably(&to, "x")).await;
        assert!(
            matches!(later, Err(MessageError::Unreachable(_))),
            "{later:?}"
        );
    });
}

#[test]
fn more_members_than_there_are_places_can_be_written_to_one_after_the_other() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.dials = 4;
        let a = start(&net, "a", limits, None).await;
        let mut others = Vec::new();
        for n in 0..8 {
            let other = start(&net, &format!("b{n}"), Limits::default(), Some(&a)).await;
            let messages = other.cluster.messages();
            others.push((other, messages));
        }
        a.knows(8).await;
        for (other, _) in &others {
            other.holds("a", State::Alive).await;
        }
        for (other, messages) in &mut others {
            let to = other.cluster.identity();
            let delivered = async {
                // The places of streams that are just being closed are free in a moment.
                while let Err(error) = a.cluster.send_reliably(&to, "hello").await {
                    assert!(matches!(error, MessageError::Busy), "{error}");
                }
                messages.next().await.unwrap()
            };
            let late = smol::Timer::after(Duration::from_secs(4));
            let delivered = smol::future::or(async { Some(delivered.await) }, async {
                late.await;
                None
            });
            assert!(
                delivered.await.is_some(),
                "before a stream rested for too long"
            );
        }
    });
}

#[test]
fn who_writes_to_more_members_than_there_are_places_waits_for_one() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.dials = 4;
        let a = start(&net, "a", limits, None).await;
        let mut others = Vec::new();
        for n in 0..12 {
            let other = start(&net, &format!("b{n}"), Limits::default(), Some(&a)).await;
            let messages = other.cluster.messages();
            others.push((other, messages));
        }
        a.knows(12).await;
        for (other, _) in &others {
            other.holds("a", State::Alive).await;
        }
        let all = others.iter().map(|(other, _)| {
            let to = other.cluster.identity();
            let a = &a.cluster;
            async move { a.send_reliably(&to, numbered(7, 200_000)).await }
        });
        let sent = in_time("all acknowledged", futures::future::join_all(all)).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        for (_, messages) in &mut others {
            let message = in_time("the message", messages.next()).await.unwrap();
            assert!(message.bytes == numbered(7, 200_000));
        }
    });
}

#[test]
fn who_announces_much_and_sends_little_takes_no_room_from_others() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.message_bytes = 300_000;
        let [a, b] = pair(&net, limits).await;
        let mut messages = b.cluster.messages();
        let slow = net.bind(ANY_PORT).unwrap();
        let header = Header {
            src: Node::new(name("slow"), slow.local_addr(), 1),
            src_incarnation: Incarnation(0),
            dst: b.cluster.identity(),
            message: Message::Gossip,
        };
        let mut hello = Vec::new();
        PostcardCodec.encode_header(&header, &mut hello).unwrap();
        let gossip = [&ENVELOPE[..], &hello, &[0, 0]].concat();
        slow.send(b.addr(), &gossip).await.unwrap();
        b.knows(2).await;
        let [version_and_mark @ .., _] = ENVELOPE;
        let len = u32::try_from(hello.len()).unwrap().to_be_bytes();
        let announced = 290_000_u32.to_be_bytes();
        let preface = [&version_and_mark[..], &[4], &len, &hello, &announced, b"x"].concat();
        let mut stream = slow.open(b.addr()).await.unwrap().stream;
        stream.write_all(&preface).await.unwrap();
        until(&b.cluster, "it is heard", |c| c.stats().streams_in == 1).await;

        let to = b.cluster.identity();
        let started = Instant::now();
        let sent = a.cluster.send_reliably(&to, numbered(1, 100_000));
        in_time("acknowledged", sent).await.unwrap();
        in_time("the message", messages.next()).await.unwrap();
        let taken = started.elapsed();
        let given_up = Duration::from_secs(10);
        assert!(
            taken < given_up,
            "only once the slow one was given up: {taken:?}"
        );
    });
}

#[test]
fn messages_that_come_together_in_less_room_than_they_take_all_arrive() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut limits = Limits::default();
        limits.message_bytes = 300_000;
        let b = start(&net, "b", limits, None).await;
        let mut senders = Vec::new();
        for n in 0..4 {
            let sender = start(&net, &format!("a{n}"), Limits::default(), Some(&b)).await;
            sender.knows_at_least(1).await;
            senders.push(sender);
        }
        b.knows(4).await;
        let mut messages = b.cluster.messages();
        let to = b.cluster.identity();
        let send = senders.iter().map(|sender| async {
            for number in 0..5 {
                let sent = sender.cluster.send_reliably(&to, numbered(number, 250_000));
                sent.await.unwrap();
            }
        });
        let receive = async {
            for _ in 0..20 {
                let message = in_time("a message", messages.next()).await.unwrap();
                assert_eq!(message.bytes.len(), 250_000);
            }
        };
        let all = futures::future::join(futures::future::join_all(send), receive);
        in_time("all arrive", all).await;
    });
}

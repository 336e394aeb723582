//! What an agent does after it was not scheduled for a while.

use core::future::Future;

use selkie::{
    Cluster, Codec, Header, Incarnation, Message, Node, ProbeNumber, Transport,
    agent::Driver,
    codecs::PostcardCodec,
    transport::Batch,
    transports::{Memory, MemoryNetwork},
};
use smol::Timer;

use super::{
    cluster::ANY_PORT,
    fixture::{ENVELOPE, builder, config, in_time, name, until},
};

/// Lets the driver run until something is done.
async fn beside<T>(driver: &mut Driver, act: impl Future<Output = T>) -> T {
    let stopped = async {
        driver.await;
        panic!("the driver stopped");
    };
    in_time(
        "what runs beside the driver",
        smol::future::or(act, stopped),
    )
    .await
}

fn packet(from: &Memory, to: &Cluster<Node>, message: Message<Node>) -> Vec<u8> {
    let header = Header {
        src: Node::new(name("b"), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.identity(),
        message,
    };
    let mut packet = ENVELOPE.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet
}

async fn is_pinged(peer: &Memory) -> ProbeNumber {
    let mut batch = Batch::new();
    loop {
        batch.clear();
        peer.recv(&mut batch).await.unwrap();
        for packet in batch.iter() {
            let mut packet = packet.bytes.strip_prefix(&ENVELOPE).unwrap();
            let header: Header<Node> = PostcardCodec.decode_header(&mut packet).unwrap();
            if let Message::Ping(number) = header.message {
                return number;
            }
        }
    }
}

/// Never again: an answer that waits behind other packets comes after the timer that judges it.
#[test]
fn what_arrived_during_a_stall_is_heard_before_timers_judge() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let peer = net.bind(ANY_PORT).unwrap();
        let mut config = config();
        config.probe_period = core::time::Duration::from_secs(2);
        config.periodic_gossip = None;
        config.periodic_announce = None;
        let period = config.probe_period;
        let a = builder("a", net.bind(ANY_PORT).unwrap()).config(config);
        let (cluster, mut driver) = a.build().await.unwrap();

        let known = packet(&peer, &cluster, Message::Gossip);
        peer.send(cluster.local_addr(), &known).await.unwrap();
        let number = beside(&mut driver, async {
            let number = is_pinged(&peer).await;
            let asks_others = |c: &Cluster<_>| c.stats().engine.probes_indirect == 1;
            until(&cluster, "the indirect stage", asks_others).await;
            number
        })
        .await;

        for _ in 0..2000 {
            peer.send(cluster.local_addr(), &known).await.unwrap();
        }
        let ack = packet(&peer, &cluster, Message::Ack(number));
        peer.send(cluster.local_addr(), &ack).await.unwrap();
        // The stall: nobody polls the driver.
        Timer::after(period).await;

        let judged = |c: &Cluster<_>| c.stats().engine.probes == 2;
        beside(&mut driver, until(&cluster, "the next probe", judged)).await;
        assert_eq!(cluster.stats().engine.probes_failed, 0);
    });
}

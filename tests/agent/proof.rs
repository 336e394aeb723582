//! Who must prove where it receives.

use std::net::{Ipv4Addr, UdpSocket};

use selkie::{
    Codec, Header, Incarnation, Message, Node, Transport,
    codecs::PostcardCodec,
    transports::{MemoryNetwork, PlainUdp},
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, ENVELOPE, builder, config, name, until},
};

#[test]
fn newcomers_prove_themselves_where_strangers_are_heard_unless_told_otherwise() {
    smol::block_on(async {
        let asks = |c: &selkie::Cluster<Node>| c.config().prove_joiners;
        let udp = || PlainUdp::bind(ANY_PORT).unwrap();
        let network = MemoryNetwork::new();
        let (memory, _driver) = builder("a", network.bind(ANY_PORT).unwrap())
            .build()
            .await
            .unwrap();
        assert!(!asks(&memory));
        let (unasked, _driver) = builder("a", udp())
            .prove_joiners(false)
            .build()
            .await
            .unwrap();
        assert!(!asks(&unasked));
        let mut foca = config();
        foca.foca_wire = true;
        foca.nacks = false;
        foca.accusers = false;
        foca.departures = false;
        foca.digest = None;
        let (foca, _driver) = builder("a", udp()).config(foca).build().await.unwrap();
        assert!(!asks(&foca));

        // Also by settings that come later, and do not say so.
        let plain = Agent::start("a", udp(), &[]).await;
        assert!(asks(&plain.cluster));
        assert!(!config().prove_joiners);
        plain.cluster.set_config(config()).await.unwrap();
        assert!(asks(&plain.cluster));
    });
}

#[test]
fn one_forged_packet_makes_no_member_and_gets_no_list_of_them() {
    smol::block_on(async {
        let a = Agent::start("a", PlainUdp::bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", PlainUdp::bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        // Somebody who receives there, and never said anything.
        let victim = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        victim.set_nonblocking(true).unwrap();
        let attacker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let before = a.cluster.stats().engine.dropped_unproven;
        let mut sent = 0;
        for message in [Message::Announce, Message::Gossip] {
            let header = Header {
                src: Node::new(name("ghost"), victim.local_addr().unwrap(), 1),
                src_incarnation: Incarnation(0),
                dst: a.cluster.identity(),
                message,
            };
            let mut packet = ENVELOPE.to_vec();
            PostcardCodec.encode_header(&header, &mut packet).unwrap();
            attacker.send_to(&packet, a.addr()).unwrap();
            sent += packet.len();
        }
        until(&a.cluster, "both are counted", |c| {
            c.stats().engine.dropped_unproven >= before + 2
        })
        .await;
        assert_eq!(a.state_of("ghost"), None);
        assert_eq!(b.state_of("ghost"), None);
        // It is asked, and told nothing; by no more than was sent in its name.
        let mut buf = [0; 65_535];
        let mut got = 0;
        while let Ok((len, _)) = victim.recv_from(&mut buf) {
            got += len;
        }
        assert!(got <= sent + 20, "{got} bytes for {sent}");
        drop(b);
    });
}

#[test]
fn who_proves_itself_joins_over_udp() {
    smol::block_on(async {
        let a = Agent::start("a", PlainUdp::bind(ANY_PORT).unwrap(), &[]).await;
        let udp = PlainUdp::bind(ANY_PORT).unwrap();
        assert!(!udp.proves_peers());
        let b = Agent::start("b", udp, &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        assert!(a.cluster.stats().engine.dropped_unproven > 0);
    });
}

use std::{io, net::SocketAddr, time::Duration};

use futures::StreamExt;
use selkie::{
    Codec, Config, Header, Incarnation, Member, Message, Node, State, Transport,
    agent::{Event, Seed},
    codecs::PostcardCodec,
    transports::{
        Quic,
        certs::{DevCa, Issued},
        quic::Credentials,
    },
};
use smol::Timer;

use super::{
    cluster::{ANY_PORT, Net, cluster_tests},
    fixture::{Agent, ENVELOPE, builder, heavy, in_time, name},
};

struct Sealed(DevCa);

cluster_tests!(Sealed);

impl Net for Sealed {
    type End = Quic;

    /// Unoptimised, and on a busy machine, 190 handshakes take their time: docs/benchmarks.md has
    /// what they take otherwise.
    const RESTART_MAX: Duration = match cfg!(debug_assertions) {
        true => Duration::from_secs(120),
        false => Duration::from_secs(10),
    };

    fn new() -> Self {
        Self(DevCa::new("test").unwrap())
    }

    fn bind_at(&self, named: &str, addr: SocketAddr) -> io::Result<Quic> {
        let issued = self.0.issue(named).unwrap();
        let credentials = Credentials::from_issued(&issued).unwrap();
        Quic::bind(addr, &credentials)
    }
}

#[test]
fn a_member_with_a_valid_certificate_that_sends_as_another_changes_nobodys_view() {
    let net = Sealed::new();
    smol::block_on(async {
        let a = Agent::start("a", net.bind("a"), &[]).await;
        let b = Agent::start("b", net.bind("b"), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let liar = net.bind("liar");
        assert!(liar.enter_cluster("selkie"));
        let ghost = Node::new(name("ghost"), liar.local_addr(), 1);
        // As a member that is there, and as one that is not.
        let lies = [b.cluster.identity(), ghost];
        for src in lies {
            for round in 0_u64.. {
                liar.send(a.addr(), &gossip(src, &a, Some(&b)))
                    .await
                    .unwrap();
                let refused = a.cluster.stats().engine.dropped_by_check;
                assert!(round < 1000, "{:?}", a.cluster.stats());
                if refused > u64::from(src == ghost) {
                    break;
                }
                Timer::after(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(a.state_of("b"), Some(State::Alive));
        assert_eq!(
            (a.cluster.members().len(), b.cluster.members().len()),
            (1, 1)
        );
        // As itself, it is heard.
        let own = Node::new(name("liar"), liar.local_addr(), 1);
        liar.send(a.addr(), &gossip(own, &a, None)).await.unwrap();
        a.holds("liar", State::Alive).await;
    });
}

/// A datagram of somebody, who may say that a member is down.
fn gossip(src: Node, to: &Agent, accused: Option<&Agent>) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    // An envelope without the cluster's mark: the handshake keeps clusters apart.
    let mut packet = vec![ENVELOPE[0], ENVELOPE[5]];
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend(u16::from(accused.is_some()).to_be_bytes());
    if let Some(accused) = accused {
        let member = Member::new(accused.cluster.identity(), Incarnation(0), State::Down);
        PostcardCodec.encode_member(&member, &mut packet).unwrap();
    }
    packet
}

#[test]
fn all_certificates_and_their_authority_are_replaced_and_nobody_is_ever_suspected() {
    const AGENTS: usize = 5;
    let (old, new) = (DevCa::new("old").unwrap(), DevCa::new("new").unwrap());
    let both = format!("{}{}", old.cert_pem(), new.cert_pem());
    let credentials =
        |ca: &str, own: &Issued| Credentials::from_pem(ca, own.cert_pem(), own.key_pem()).unwrap();
    smol::block_on(async {
        let _turn = heavy().await;
        let mut nodes = Vec::new();
        for number in 0..AGENTS {
            let name = format!("agent-{number}");
            let [before, after] = [&old, &new].map(|ca| ca.issue(&name).unwrap());
            let quic = Quic::bind(ANY_PORT, &Credentials::from_issued(&before).unwrap()).unwrap();
            let seed: Option<&(Agent, Quic, [Credentials; 3])> = nodes.first();
            let seeds: Vec<Seed> = seed.map(|seed| seed.0.addr().into()).into_iter().collect();
            // Slow to suspect, for machines that have other things to do; quick to ask.
            let mut config = Config::lan();
            config.probe_period = Duration::from_millis(600);
            config.probe_rtt = Duration::from_millis(300);
            let builder = builder(&name, quic.clone()).config(config).seeds(seeds);
            let (cluster, driver) = builder.build().await.unwrap();
            let steps = [
                credentials(&both, &before),
                credentials(&both, &after),
                credentials(new.cert_pem(), &after),
            ];
            nodes.push((Agent::run(cluster, driver), quic, steps));
        }
        for (agent, ..) in &nodes {
            agent.knows(AGENTS - 1).await;
        }
        let checkers = nodes.iter().map(|(agent, ..)| {
            let mut events = agent.cluster.events();
            smol::spawn(async move {
                while let Some(event) = events.next().await {
                    let is_bad = matches!(event, Event::Suspected { .. } | Event::Failed(_));
                    assert!(!is_bad, "{event:?}");
                }
            })
        });
        let checkers: Vec<_> = checkers.collect();

        for step in 0..3 {
            for (agent, quic, steps) in &nodes {
                quic.replace_credentials(&steps[step]).unwrap();
                assert!(quic.cut_old() > 0);
                let before = agent.cluster.stats().packets_in;
                in_time("it goes on", async {
                    while agent.cluster.stats().packets_in < before + 3 {
                        Timer::after(Duration::from_millis(20)).await;
                    }
                })
                .await;
            }
        }
        for (agent, quic, _) in &nodes {
            agent.knows(AGENTS - 1).await;
            let counters = quic.counters();
            assert_eq!(counters.dials_untrusted, 0, "{counters:?}");
            assert_eq!(counters.rejected_by_peer, 0, "{counters:?}");
            assert_eq!(counters.inbound_untrusted, 0, "{counters:?}");
            assert!(counters.cut >= 3, "{counters:?}");
        }
        for checker in checkers {
            assert!(!checker.is_finished(), "somebody was suspected");
            checker.cancel().await;
        }
    });
}

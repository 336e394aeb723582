//! Whose packets are heard, and what is read past.

use selkie::{
    Codec, Header, Incarnation, Message, Node, State, Transport,
    agent::BuildError,
    codecs::PostcardCodec,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, config, name, until},
};

fn announce(from: &Memory, to: &Agent) -> Vec<u8> {
    let header = Header {
        src: Node::new(name("peer"), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Announce,
    };
    let mut datagram = Vec::new();
    PostcardCodec.encode_header(&header, &mut datagram).unwrap();
    datagram
}

async fn start(net: &impl Net, named: &str, cluster: &str, seed: Option<&Agent>) -> Agent {
    let (cluster, driver) = builder(named, net.bind(named))
        .cluster(cluster)
        .seeds(seed.map(Agent::addr))
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

pub(crate) async fn members_of_other_clusters_are_strangers(net: impl Net) {
    let a = start(&net, "a", "blue", None).await;
    let b = start(&net, "b", "blue", Some(&a)).await;
    let stranger = start(&net, "c", "green", Some(&a)).await;
    a.knows(1).await;
    b.knows(1).await;
    // By the envelope, or already by the handshake.
    let refuses = |c: &selkie::Cluster<_>| {
        let stats = c.stats();
        let mut counted = stats.transport.iter();
        let by_handshake = counted.find(|(name, _)| *name == "inbound_other_cluster");
        stats.packets_of_strangers > 1 || by_handshake.is_some_and(|(_, n)| *n > 0)
    };
    until(&a.cluster, "the stranger refused", refuses).await;
    assert!(stranger.cluster.members().is_empty());
    assert_eq!(a.cluster.members().len(), 1);
}

#[test]
fn a_cluster_needs_a_name() {
    let net = MemoryNetwork::new();
    let builder = builder("a", net.bind(ANY_PORT).unwrap()).cluster("No Name");
    let refused = smol::block_on(builder.build());
    assert!(matches!(refused, Err(BuildError::Cluster(_))));
}

/// A newer node understands an older one, and the other way round.
#[test]
fn what_a_later_version_says_beside_the_datagram_is_read_past() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let peer = net.bind(ANY_PORT).unwrap();
        let datagram = announce(&peer, &a);

        let [version_and_mark @ .., _] = ENVELOPE;
        let unknown_kind = [&version_and_mark[..], &[0x7e], &datagram].concat();
        peer.send(a.addr(), &unknown_kind).await.unwrap();
        let counted = |c: &selkie::Cluster<_>| c.stats().packets_of_unknown_kind == 1;
        until(&a.cluster, "the unknown kind", counted).await;
        let cut_off = [&version_and_mark[..], &[0x80, 0, 4, 0x7e, 0, 2, 9]].concat();
        peer.send(a.addr(), &cut_off).await.unwrap();
        let counted = |c: &selkie::Cluster<_>| c.stats().packets_malformed == 1;
        until(&a.cluster, "the malformed one", counted).await;
        assert!(a.cluster.members().is_empty());

        let items = [0x80, 0, 5, 0x7e, 0, 2, b'h', b'i'];
        let with_items = [&version_and_mark[..], &items, &datagram].concat();
        peer.send(a.addr(), &with_items).await.unwrap();
        a.holds("peer", State::Alive).await;
    });
}

/// As `docs/from-foca.md` says.
#[test]
fn a_cluster_leaves_focas_wire_member_by_member() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut agents: Vec<Agent> = Vec::new();
        for named in ["a", "b", "c"] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .config(config().foca_wire())
                .seeds(agents.iter().map(Agent::addr))
                .build()
                .await
                .unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        for agent in &agents {
            agent.knows(2).await;
        }
        for agent in &agents {
            agent.cluster.set_config(config()).await.unwrap();
            let probes = |c: &selkie::Cluster<_>| c.stats().engine.probes;
            for other in &agents {
                let before = probes(&other.cluster);
                until(&other.cluster, "probes", |c| probes(c) > before + 4).await;
            }
        }
        for agent in &agents {
            assert_eq!(agent.cluster.members().num_active(), 2);
            assert_eq!(agent.cluster.stats().engine.probes_failed, 0);
        }
    });
}

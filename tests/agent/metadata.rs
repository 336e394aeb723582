//! What members say of themselves.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::StreamExt;
use selkie::{
    Transport,
    agent::{BuildError, CommandError, Event, Metadata},
    transport::{Batch, NoStream, SendError},
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, builder, config, event, heavy, in_time, name, until},
};

/// What an agent holds of a member's metadata.
fn metadata(agent: &Agent, of: &str) -> Option<Metadata> {
    let members = agent.cluster.members();
    members.find(&name(of)).and_then(|m| m.metadata.clone())
}

pub(crate) async fn shows(agent: &Agent, of: &str, bytes: &[u8]) {
    until(&agent.cluster, "the metadata", |_| {
        metadata(agent, of).is_some_and(|m| m.bytes() == bytes)
    })
    .await;
}

pub(crate) async fn metadata_of_64_kib_reaches_20_members(net: impl Net) {
    let _turn = heavy().await;
    let mut agents: Vec<Agent> = Vec::new();
    for n in 0..20 {
        let seeds: Vec<&Agent> = agents.first().into_iter().collect();
        let named = format!("a{n}");
        // What gossip leaves out, which it does now and then, is found by comparing.
        let (cluster, driver) = builder(&named, net.bind(&named))
            .seeds(seeds.into_iter().map(Agent::addr))
            .sync_period(Duration::from_secs(3))
            .build()
            .await
            .unwrap();
        agents.push(Agent::run(cluster, driver));
    }
    for agent in &agents {
        agent.knows(19).await;
    }
    let (owner, others) = agents.split_first().unwrap();
    for round in 0..3_u8 {
        let mut events = others[0].cluster.events();
        let bytes = vec![round; Metadata::LEN_MAX];
        let started = Instant::now();
        owner.cluster.set_metadata(bytes.clone()).await.unwrap();
        for other in others {
            shows(other, "a0", &bytes).await;
        }
        println!("64 KiB at 20 members after {:?}", started.elapsed());
        let changed = Event::MetadataChanged(owner.cluster.identity());
        event(&mut events, &changed).await;
        assert_eq!(owner.cluster.metadata().unwrap().bytes(), bytes);
    }
    let too_big = owner.cluster.set_metadata(vec![0; Metadata::LEN_MAX + 1]);
    let too_big = too_big.await;
    assert!(
        matches!(too_big, Err(CommandError::TooBig { .. })),
        "{too_big:?}"
    );
    let not_fetched = |agent: &Agent| agent.cluster.stats().metadata_not_fetched;
    assert_eq!(agents.iter().map(not_fetched).sum::<u64>(), 0);
}

#[test]
fn a_joiner_learns_what_all_say_of_themselves() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let large = vec![7; 10_000];
        let mut agents: Vec<Agent> = Vec::new();
        for (named, metadata) in [("a", b"small".to_vec()), ("b", large.clone())] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .seeds(agents.iter().map(Agent::addr))
                .metadata(metadata)
                .build()
                .await
                .unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        shows(&agents[0], "b", &large).await;
        shows(&agents[1], "a", b"small").await;
        let joiner = Agent::start("c", net.bind(ANY_PORT).unwrap(), &[&agents[1]]).await;
        shows(&joiner, "a", b"small").await;
        shows(&joiner, "b", &large).await;
    });
}

#[test]
fn a_restarted_member_does_not_keep_what_its_former_life_said() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        b.cluster.set_metadata("before").await.unwrap();
        shows(&a, "b", b"before").await;
        b.kill().await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        shows(&a, "b", b"").await;
        b.cluster.set_metadata("after").await.unwrap();
        shows(&a, "b", b"after").await;
    });
}

#[test]
fn a_member_is_told_of_before_what_it_says_of_itself() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut agents: Vec<Agent> = Vec::new();
        for named in ["a", "b", "c", "d"] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .seeds(agents.iter().map(Agent::addr).take(1))
                .metadata(named)
                .build()
                .await
                .unwrap();
            let mut events = cluster.events();
            let others: Vec<String> = agents
                .iter()
                .map(|other| other.cluster.identity().name().to_string())
                .collect();
            agents.push(Agent::run(cluster, driver));
            let mut there = std::collections::HashSet::new();
            let mut said = std::collections::HashSet::new();
            while said.len() < others.len() {
                match in_time("metadata of all", events.next()).await.unwrap() {
                    Event::Joined(id) => _ = there.insert(id.name().to_string()),
                    Event::MetadataChanged(id) => {
                        assert!(
                            there.contains(id.name().as_str()),
                            "{id:?} is not there yet"
                        );
                        said.insert(id.name().to_string());
                    }
                    _ => {}
                }
            }
        }
    });
}

#[test]
fn members_on_focas_wire_keep_their_metadata_to_themselves() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut agents: Vec<Agent> = Vec::new();
        for named in ["a", "b"] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .config(config().foca_wire())
                .seeds(agents.iter().map(Agent::addr))
                .metadata(named)
                .build()
                .await
                .unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        for agent in &agents {
            agent.knows(1).await;
            let probes = agent.cluster.stats().engine.probes;
            until(&agent.cluster, "probes", |c| {
                c.stats().engine.probes > probes + 2
            })
            .await;
            assert_eq!(agent.cluster.stats().packets_malformed, 0);
        }
    });
}

#[test]
fn too_much_metadata_is_refused_at_the_start() {
    let net = MemoryNetwork::new();
    let builder = builder("a", net.bind(ANY_PORT).unwrap()).metadata(vec![0; 65_537]);
    let refused = smol::block_on(builder.build()).map(|_| ());
    assert!(matches!(refused, Err(BuildError::TooMuchMetadata { .. })));
}

/// A network without streams.
pub(crate) struct Streamless(pub(crate) Memory);

impl Transport for Streamless {
    type Stream = NoStream;

    fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.0.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.0.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        self.0.recv(batch).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[test]
fn without_streams_what_is_small_travels_in_packets() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let bind = || Streamless(net.bind(ANY_PORT).unwrap());
        let a = Agent::start("a", bind(), &[]).await;
        let b = Agent::start("b", bind(), &[&a]).await;
        a.knows(1).await;
        let too_big = a.cluster.set_metadata(vec![0; 1000]).await;
        assert!(
            matches!(too_big, Err(CommandError::TooBig { .. })),
            "{too_big:?}"
        );
        a.cluster.set_metadata("small").await.unwrap();
        shows(&b, "a", b"small").await;
        let c = Agent::start("c", bind(), &[&b]).await;
        shows(&c, "a", b"small").await;
    });
}

#[test]
fn metadata_can_be_a_type() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        let said = (String::from("cache"), vec![1_u16, 2, 3]);
        let bytes = Metadata::encode(&said).unwrap();
        a.cluster.set_metadata(bytes.clone()).await.unwrap();
        shows(&b, "a", &bytes).await;
        let heard = metadata(&b, "a").unwrap();
        assert_eq!(heard.decode::<(String, Vec<u16>)>().unwrap(), said);
        assert!(heard.decode::<u8>().is_err());
    });
}

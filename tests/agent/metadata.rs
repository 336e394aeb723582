//! What members say of themselves.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::StreamExt;
use selkie::{
    Codec, Header, Incarnation, Member, Message, Node, Periodic, Suspicion, Transport,
    agent::{BuildError, CommandError, Event, Metadata},
    codecs::PostcardCodec,
    transport::{Batch, NoStream, PeerStream, SendError},
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, config, event, heavy, in_time, name, until},
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
        // Twenty that shake hands keep a machine busy: nobody is to be taken for dead.
        let mut config = config();
        config.suspicion = Suspicion::Fixed(Duration::from_secs(120));
        // What gossip leaves out, which it does now and then, is found by comparing.
        let (cluster, driver) = builder(&named, net.bind(&named))
            .seeds(seeds.into_iter().map(Agent::addr))
            .config(config)
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
fn a_joiner_does_not_tell_others_again_what_they_told_it() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut agents: Vec<Agent> = Vec::new();
        for named in ["a", "b", "c", "d"] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .seeds(agents.iter().map(Agent::addr))
                .metadata(named)
                .build()
                .await
                .unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        for agent in &agents {
            for other in ["a", "b", "c", "d"] {
                if *agent.cluster.identity().name() != name(other) {
                    shows(agent, other, other.as_bytes()).await;
                }
            }
            until(&agent.cluster, "all is told", |c| {
                c.stats().aside_bytes == 0
            })
            .await;
        }
        let mut config = config();
        // What it had to tell would wait for long.
        config.periodic_gossip = Some(Periodic::millis(600_000, 1));
        let (cluster, driver) = builder("e", net.bind(ANY_PORT).unwrap())
            .config(config)
            .seeds([agents[0].addr()])
            .build()
            .await
            .unwrap();
        let joiner = Agent::run(cluster, driver);
        for other in ["a", "b", "c", "d"] {
            shows(&joiner, other, other.as_bytes()).await;
        }
        assert_eq!(joiner.cluster.stats().aside_bytes, 0);
    });
}

/// A network in which nobody opens a stream to those listed here.
struct Blocking {
    inner: Memory,
    blocked: Vec<SocketAddr>,
}

impl Transport for Blocking {
    type Stream = <Memory as Transport>::Stream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        self.inner.recv(batch).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn proves_peers(&self) -> bool {
        self.inner.proves_peers()
    }

    fn has_streams(&self) -> bool {
        true
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<Self::Stream>, SendError> {
        match self.blocked.contains(&to) {
            true => Err(SendError::Unreachable(
                io::ErrorKind::ConnectionRefused.into(),
            )),
            false => self.inner.open(to).await,
        }
    }

    async fn accept(&self) -> io::Result<PeerStream<Self::Stream>> {
        self.inner.accept().await
    }
}

#[test]
fn what_its_owner_and_its_teller_cannot_be_asked_for_another_member_gives() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let large = vec![7; 10_000];
        let (cluster, driver) = builder("owner", net.bind(ANY_PORT).unwrap())
            .metadata(large.clone())
            .build()
            .await
            .unwrap();
        let owner = Agent::run(cluster, driver);
        let friend = Agent::start("friend", net.bind(ANY_PORT).unwrap(), &[&owner]).await;
        shows(&friend, "owner", &large).await;
        for agent in [&owner, &friend] {
            agent.knows(1).await;
            until(&agent.cluster, "all is told", |c| {
                c.stats().aside_bytes == 0
            })
            .await;
        }
        let teller = net.bind(ANY_PORT).unwrap();
        let blocking = Blocking {
            inner: net.bind(ANY_PORT).unwrap(),
            blocked: vec![owner.addr(), teller.local_addr()],
        };
        // It hears of it only as it is told, and never compares.
        let (cluster, driver) = builder("c", blocking)
            .sync_period(None)
            .seeds([friend.addr()])
            .build()
            .await
            .unwrap();
        let c = Agent::run(cluster, driver);
        c.knows(2).await;
        let own = Node::new(name("teller"), teller.local_addr(), 1);
        let hello = header(own, c.cluster.identity());
        let gossip = [&ENVELOPE[..], &hello, &[0, 0]].concat();
        teller.send(c.addr(), &gossip).await.unwrap();
        c.knows_at_least(3).await;
        let version = owner.cluster.metadata().unwrap().version();
        let mut entry = version.to_be_bytes().to_vec();
        entry.extend(10_000_u32.to_be_bytes());
        entry.push(0);
        let member = Member::alive(owner.cluster.identity());
        PostcardCodec.encode_member(&member, &mut entry).unwrap();
        let len = u16::try_from(entry.len()).unwrap();
        let [version_and_mark @ .., _] = ENVELOPE;
        let items = [&[1][..], &len.to_be_bytes(), &entry].concat();
        let items_len = (len + 3).to_be_bytes();
        let packet = [&version_and_mark[..], &[0x81], &items_len, &items, &hello].concat();
        teller.send(c.addr(), &packet).await.unwrap();
        shows(&c, "owner", &large).await;
    });
}

/// The header of a Gossip.
fn header(src: Node, dst: Node) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst,
        message: Message::Gossip,
    };
    let mut bytes = Vec::new();
    PostcardCodec.encode_header(&header, &mut bytes).unwrap();
    bytes
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

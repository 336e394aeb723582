//! Frames of a member, on streams that it opens and in answer to those that an agent opens: whatever
//! it says, the agent goes on, and questions change nothing.

use core::{net::SocketAddr, time::Duration};

use selkie::{
    Builder, Cluster, Codec, Config, Header, Incarnation, Locate, Member, Message, Node, State,
    Transport,
    agent::Status,
    codecs::PostcardCodec,
    transport::PeerStream,
    transports::{Memory, MemoryNetwork},
};
use smol::{
    Timer,
    future::{or, yield_now},
    io::{AsyncReadExt, AsyncWriteExt},
};

use super::input::Input;

/// What packets within the default cluster begin with, and with another version streams: see
/// `docs/wire.md`.
const ENVELOPE: [u8; 6] = [0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x00];
/// So many members there may be.
const MEMBERS_MAX: usize = 6;
/// So long an agent that waits for more is waited for.
const PATIENCE: Duration = Duration::from_millis(50);
/// Longer than anything takes that is not wrong.
const STUCK: Duration = Duration::from_secs(20);

/// Members compare what they hold.
pub fn sync(data: &[u8]) {
    run(data, Kind::Sync);
}

/// Members ask each other.
pub fn queries(data: &[u8]) {
    run(data, Kind::Queries);
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sync = 1,
    Queries = 5,
}

fn run(data: &[u8], kind: Kind) {
    let late = async {
        Timer::after(STUCK).await;
        panic!("an agent does not go on");
    };
    smol::block_on(or(talk(Input::new(data), kind), late));
}

async fn talk(mut input: Input<'_>, kind: Kind) {
    let net = MemoryNetwork::new();
    let (end, peer) = (bind(&net), bind(&net));
    let id = Node::new("agent".parse().expect("a name"), end.local_addr(), 1);
    let builder = Builder::new()
        .codec(PostcardCodec)
        .transport(end)
        .identity(id)
        .config(config())
        .rng_seed(1)
        .sync_period(match kind {
            Kind::Sync => Some(Duration::from_secs(3600)),
            Kind::Queries => None,
        });
    let (cluster, driver) = builder.build().await.expect("nothing is wrong with it");
    let driver = async {
        driver.await;
        panic!("the driver ended");
    };
    let talk = async {
        let peer = Peer::join(&peer, &cluster).await;
        let before = members(&cluster);
        match input.flip() {
            true => peer.says(&mut input, kind).await,
            false => peer.is_asked(&mut input, kind, &cluster).await,
        }
        cluster.probing().await.expect("it goes on");
        assert_eq!(cluster.status(), Status::Running);
        check(&cluster);
        if kind == Kind::Queries {
            assert_eq!(members(&cluster), before, "a question changed something");
        }
    };
    or(talk, driver).await;
}

fn bind(net: &MemoryNetwork) -> Memory {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    net.bind(any).expect("there are ports")
}

/// Nothing happens but what the peer does, and what it asks for.
fn config() -> Config {
    let mut config = Config::local();
    config.probe_period = Duration::from_secs(3600);
    config.digest = None;
    config.periodic_gossip = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.max_members = MEMBERS_MAX;
    config.max_down_members = MEMBERS_MAX;
    config
}

fn members(cluster: &Cluster<Node>) -> Vec<(Node, State, Incarnation)> {
    let members = cluster.members();
    let members = members.iter().map(|m| (m.id, m.state, m.incarnation));
    let mut members: Vec<_> = members.collect();
    members.sort_by_key(|(id, ..)| *id.name());
    members
}

fn check(cluster: &Cluster<Node>) {
    let members = members(cluster);
    assert!(members.len() <= 2 * MEMBERS_MAX, "too many");
    let (us, pairs) = (cluster.identity(), members.windows(2));
    assert!(members.iter().all(|(id, ..)| id.name() != us.name()));
    for pair in pairs {
        assert_ne!(pair[0].0.name(), pair[1].0.name(), "two of one name");
    }
}

/// The other member, which keeps no rules.
struct Peer<'a> {
    end: &'a Memory,
    us: Node,
    agent: Node,
}

impl<'a> Peer<'a> {
    async fn join(end: &'a Memory, cluster: &Cluster<Node>) -> Self {
        let us = Node::new("peer".parse().expect("a name"), end.local_addr(), 1);
        let agent = cluster.identity();
        let peer = Self { end, us, agent };
        let hello = [&ENVELOPE[..], &peer.header(), &[0, 0]].concat();
        let sent = end.send(cluster.local_addr(), &hello).await;
        sent.expect("there is room");
        while cluster.members().num_active() == 0 {
            yield_now().await;
        }
        peer
    }

    fn header(&self) -> Vec<u8> {
        let header = Header {
            src: self.us,
            src_incarnation: Incarnation(0),
            dst: self.agent,
            message: Message::Gossip,
        };
        let mut bytes = Vec::new();
        let encoded = PostcardCodec.encode_header(&header, &mut bytes);
        encoded.expect("it can be written");
        bytes
    }

    /// It opens a stream, says this and that, and hears what the agent answers.
    async fn says(&self, input: &mut Input<'_>, kind: Kind) {
        let opened = self.end.open(self.agent.socket_addr()).await;
        let mut stream = opened.expect("it is there").stream;
        let [mark @ .., _] = ENVELOPE;
        let preface = [&mark[..], &[kind as u8], &framed(&self.header())].concat();
        let talk = async {
            stream.write_all(&preface).await?;
            while !input.is_empty() {
                stream.write_all(&frame(input, kind)).await?;
                if input.flip() {
                    let mut some = [0; 512];
                    let read = or(stream.read(&mut some), late(0)).await?;
                    if read == 0 {
                        break;
                    }
                }
            }
            stream.close().await?;
            or(stream.read_to_end(&mut Vec::new()), late(0)).await
        };
        // What the agent asks meanwhile is not answered.
        let ignore = async {
            while self.end.accept().await.is_ok() {}
            unreachable!("the end is open");
        };
        let _refused = or(talk, ignore).await;
    }

    /// The agent asks, and is answered this and that.
    async fn is_asked(&self, input: &mut Input<'_>, kind: Kind, cluster: &Cluster<Node>) {
        let what = input.below(5);
        let asks = async {
            match (kind, what) {
                // It does so by itself.
                (Kind::Sync, _) => {
                    let before = cluster.stats();
                    let so_far = before.syncs + before.syncs_failed;
                    while cluster.stats().syncs + cluster.stats().syncs_failed == so_far {
                        yield_now().await;
                    }
                }
                (Kind::Queries, 0) => {
                    if let Ok(view) = cluster.view_of(&self.us).await {
                        assert!(view.total >= view.members.len(), "{view:?}");
                    }
                }
                (Kind::Queries, 1) => drop(cluster.clock_of(&self.us).await),
                (Kind::Queries, 2) => drop(cluster.fingerprints_of(&self.us).await),
                (Kind::Queries, 3) => drop(cluster.rtt(&self.us, 2).await),
                (Kind::Queries, _) => drop(cluster.rtt_between(&self.us, &self.us, 2).await),
            }
        };
        let answers = async {
            loop {
                let Ok(PeerStream { mut stream, .. }) = self.end.accept().await else {
                    unreachable!("the end is open");
                };
                while !input.is_empty() {
                    if stream.write_all(&frame(input, kind)).await.is_err() {
                        break;
                    }
                }
                let _ = stream.close().await;
                // What it asked is read, or it would wait.
                let _ = or(stream.read_to_end(&mut Vec::new()), late(0)).await;
            }
        };
        or(asks, answers).await;
    }
}

async fn late<T>(value: T) -> std::io::Result<T> {
    Timer::after(PATIENCE).await;
    Ok(value)
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("it is short");
    [&len.to_be_bytes()[..], bytes].concat()
}

/// A frame that has a meaning, or any one, or no frame at all.
fn frame(input: &mut Input<'_>, kind: Kind) -> Vec<u8> {
    match (input.below(8), kind) {
        (0, _) => input.bytes().to_vec(),
        (1, _) => framed(input.bytes()),
        (_, Kind::Sync) => {
            let sections = 0..input.below(5);
            framed(&sections.flat_map(|_| section(input)).collect::<Vec<_>>())
        }
        (_, Kind::Queries) => framed(&question(input)),
    }
}

fn section(input: &mut Input<'_>) -> Vec<u8> {
    let tag = input.byte() % 9;
    let bytes = match input.below(6) {
        0 => input.bytes().to_vec(),
        1 => Vec::new(),
        2 => vec![input.byte(); 256],
        3 => input
            .bytes()
            .iter()
            .copied()
            .chain([0; 8])
            .take(8)
            .collect(),
        4 => (0..input.below(8)).flat_map(|_| member(input)).collect(),
        _ => (0..input.below(4)).flat_map(|_| entry(input)).collect(),
    };
    let mut section = vec![tag];
    section.extend(framed(&bytes));
    section
}

/// A question, or an answer: they begin alike.
fn question(input: &mut Input<'_>) -> Vec<u8> {
    let mut question = vec![input.byte() % 7];
    match input.below(4) {
        0 => {}
        1 => question.extend(input.bytes()),
        2 => {
            question.push(input.byte());
            question.extend(member(input));
        }
        _ => {
            question.extend(u32::from(input.number()).to_be_bytes());
            question.extend((0..input.below(8)).flat_map(|_| member(input)));
        }
    }
    question
}

fn member(input: &mut Input<'_>) -> Vec<u8> {
    let names = ["agent", "peer", "a", "b", "c", "d", "e", "f", "g", "h"];
    let name = names[input.below(names.len())];
    let port = input.number();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let id = Node::new(name.parse().expect("a name"), addr, input.number().into());
    let states = [State::Alive, State::Suspect, State::Down];
    let state = states[input.below(states.len())];
    let member = Member::new(id, Incarnation(input.number()), state);
    let mut bytes = Vec::new();
    let encoded = PostcardCodec.encode_member(&member, &mut bytes);
    encoded.expect("it can be written");
    bytes
}

/// What a member says of itself.
fn entry(input: &mut Input<'_>) -> Vec<u8> {
    let mut entry = Vec::new();
    entry.extend(u64::from(input.number()).to_be_bytes());
    let bytes = input.bytes();
    let len = match input.flip() {
        true => u32::from(input.number()),
        false => u32::try_from(bytes.len()).expect("it is short"),
    };
    entry.extend(len.to_be_bytes());
    entry.push(input.byte());
    entry.extend(bytes);
    entry.extend(member(input));
    framed(&entry)
}

//! How soon who joins knows all members of a large cluster.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use selkie::{
    Builder, Cluster, Codec, Header, Incarnation, Member, Message, Name, Node, Transport,
    codecs::PostcardCodec,
    transport::{Batch, PeerStream, ProvenPeer, SendError},
    transports::{
        PlainUdp, Quic, SealedUdp,
        certs::DevCa,
        quic::Credentials,
        udp::{Key, Keyring},
    },
};
use smol::{
    Timer,
    channel::{Receiver, Sender, unbounded},
};

use crate::idle::{ANY_PORT, PATIENCE, TRANSPORTS};

pub const HEAD: &str = "\
| transport | members | joiners | all known: median ms | least | most |
| --- | --: | --: | --: | --: | --: |";

/// How many join, one after the other.
const JOINERS: usize = 15;

const PER_PACKET: usize = 20;

/// What a packet within the default cluster begins with, where transports keep clusters apart, and
/// where not: see `docs/wire.md`.
const UNMARKED: &[u8] = &[0xe1, 0x00];
const MARKED: &[u8] = &[0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x00];

/// A transport that hears, beside what comes, what it is told came.
struct Told<T> {
    inner: T,
    told: Receiver<Vec<u8>>,
    _teller: Sender<Vec<u8>>,
    from: SocketAddr,
    peer: ProvenPeer,
}

impl<T: Transport> Transport for Told<T> {
    type Stream = T::Stream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to)
    }

    fn is_near(&self, to: SocketAddr) -> bool {
        self.inner.is_near(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let comes = async { self.inner.recv(batch).await.map(|()| None) };
        let is_told = async { Ok(self.told.recv().await.ok()) };
        if let Some(packet) = smol::future::or(comes, is_told).await? {
            batch.push_proven(self.from, &self.peer, &packet);
        }
        Ok(())
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn enter_cluster(&self, cluster: &str) -> bool {
        self.inner.enter_cluster(cluster)
    }

    fn proves_peers(&self) -> bool {
        self.inner.proves_peers()
    }

    fn has_streams(&self) -> bool {
        self.inner.has_streams()
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<T::Stream>, SendError> {
        self.inner.open(to).await
    }

    async fn accept(&self) -> io::Result<PeerStream<T::Stream>> {
        self.inner.accept().await
    }
}

/// Prints how soon joiners know so many members over one transport.
pub fn row(transport: &str, members: usize) -> Result<(), Box<dyn Error>> {
    match transport {
        "udp" => measure(transport, members, |_| Ok(PlainUdp::bind(ANY_PORT)?)),
        "sealed" => {
            let keyring = Keyring::new(&Key::generate()?);
            measure(transport, members, |_| {
                Ok(SealedUdp::bind(ANY_PORT, &keyring)?)
            })
        }
        "quic" => {
            let ca = DevCa::new("bench")?;
            measure(transport, members, |name| {
                let credentials = Credentials::from_issued(&ca.issue(name)?)?;
                Ok(Quic::bind(ANY_PORT, &credentials)?)
            })
        }
        other => Err(format!("no transport {other:?}; there are {TRANSPORTS:?}").into()),
    }
}

fn measure<T: Transport>(
    what: &str,
    members: usize,
    bind: impl Fn(&str) -> Result<T, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let friend = start("friend", bind("friend")?, None).await?;
        let (teller, told) = unbounded();
        let transport = Told {
            inner: bind("seed")?,
            told,
            _teller: teller.clone(),
            from: friend.local_addr(),
            peer: ProvenPeer::new(["friend"], [], []),
        };
        let head = match transport.enter_cluster("selkie") {
            true => UNMARKED,
            false => MARKED,
        };
        let seed = start("seed", transport, Some(friend.local_addr())).await?;
        seed.wait_for(1, PATIENCE).await?;
        for from in (0..members).step_by(PER_PACKET) {
            let some = from..members.min(from + PER_PACKET);
            let packet = gossip(head, friend.identity(), seed.identity(), some)?;
            teller.try_send(packet)?;
        }
        // What they are told of is that all were there: nobody answers, and some are down before
        // long.
        knows(&seed, members).await?;

        let mut taken = Vec::new();
        for number in 0..JOINERS {
            let name = format!("joiner-{number}");
            let transport = bind(&name)?;
            let started = Instant::now();
            let joiner = start(&name, transport, Some(seed.local_addr())).await?;
            knows(&joiner, members).await?;
            taken.push(started.elapsed());
            joiner.leave().await?;
        }
        taken.sort();
        let ms = |at: usize| taken[at].as_secs_f64() * 1000.0;
        let (median, least, most) = (ms(JOINERS / 2), ms(0), ms(JOINERS - 1));
        println!("| {what} | {members} | {JOINERS} | {median:.0} | {least:.0} | {most:.0} |");
        Ok(())
    })
}

async fn start<T: Transport>(
    name: &str,
    transport: T,
    seed: Option<SocketAddr>,
) -> Result<Cluster<Node>, Box<dyn Error>> {
    let identity = Node::now(Name::new(name)?, transport.local_addr(), None);
    let agent = Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(identity)
        .seeds(seed);
    Ok(agent.spawn().await?)
}

/// Waits until it knows so many, be they down meanwhile.
async fn knows(agent: &Cluster<Node>, members: usize) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    while agent.members().len() <= members {
        if started.elapsed() > PATIENCE {
            return Err(format!("knows {} of {members}", agent.members().len()).into());
        }
        Timer::after(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// A Gossip of one member to another, about some that are made up.
fn gossip(
    head: &[u8],
    src: Node,
    dst: Node,
    numbers: Range<usize>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst,
        message: Message::Gossip,
    };
    let mut packet = head.to_vec();
    PostcardCodec.encode_header(&header, &mut packet)?;
    packet.extend(u16::try_from(numbers.len())?.to_be_bytes());
    // Nobody listens there.
    let addr = SocketAddr::from(([127, 9, 0, 1], 9));
    for n in numbers {
        let member = Member::alive(Node::new(Name::new(&format!("m{n}"))?, addr, 1));
        PostcardCodec.encode_member(&member, &mut packet)?;
    }
    Ok(packet)
}

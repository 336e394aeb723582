//! How soon a joiner knows a crowd, over real sockets.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use selkie::{
    Codec, Config, Header, Incarnation, Member, Message, Node, Transmissions, Transport,
    codecs::PostcardCodec,
    transport::{Batch, PeerStream, ProvenPeer, SendError},
};
use smol::channel::{Receiver, Sender, unbounded};

use super::{
    cluster::Net,
    fixture::{Agent, ENVELOPE, builder, config, heavy, name, until},
};

const CROWD: usize = 5000;
const PER_PACKET: usize = 20;

/// Far more than the second that it takes: tests run on busy machines, and unoptimised.
const GENEROUS: Duration = Duration::from_secs(20);

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

/// Nobody notices that the crowd is made up.
fn calm_config() -> Config {
    let mut config = config();
    config.digest = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.probe_period = Duration::from_secs(600);
    config.transmissions = Transmissions::Fixed(1);
    config
}

/// A Gossip of one member to another, about some of the crowd.
fn gossip(head: &[u8], src: Node, dst: Node, numbers: core::ops::Range<usize>) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(0),
        dst,
        message: Message::Gossip,
    };
    let mut packet = head.to_vec();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend(u16::try_from(numbers.len()).unwrap().to_be_bytes());
    // Nobody listens there.
    let addr = SocketAddr::from(([127, 9, 0, 1], 9));
    for n in numbers {
        let member = Member::alive(Node::new(name(&format!("m{n}")), addr, 1));
        PostcardCodec.encode_member(&member, &mut packet).unwrap();
    }
    packet
}

async fn start(named: &str, transport: impl Transport, seed: Option<SocketAddr>) -> Agent {
    let (cluster, driver) = builder(named, transport)
        .config(calm_config())
        .seeds(seed)
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

pub(crate) async fn a_joiner_knows_five_thousand_members_at_once(net: impl Net) {
    let _turn = heavy().await;
    let friend = start("friend", net.bind("friend"), None).await;
    let (teller, told) = unbounded();
    let transport = Told {
        inner: net.bind("seed"),
        told,
        _teller: teller.clone(),
        from: friend.addr(),
        peer: ProvenPeer::new(["friend"], [], []),
    };
    let is_marked = !transport.enter_cluster("selkie");
    let head: &[u8] = match is_marked {
        true => &ENVELOPE,
        false => &[ENVELOPE[0], ENVELOPE[5]],
    };
    let seed = start("seed", transport, Some(friend.addr())).await;
    seed.knows(1).await;
    let (src, dst) = (friend.cluster.identity(), seed.cluster.identity());
    for from in (0..CROWD).step_by(PER_PACKET) {
        let packet = gossip(head, src, dst, from..from + PER_PACKET);
        teller.try_send(packet).unwrap();
    }
    until(&seed.cluster, "the crowd", |c| {
        c.members().num_active() > CROWD
    })
    .await;

    let started = Instant::now();
    let joiner = start("joiner", net.bind("joiner"), Some(seed.addr())).await;
    until(&joiner.cluster, "all of them", |c| {
        c.members().num_active() > CROWD
    })
    .await;
    let taken = started.elapsed();
    println!("5,000 members known after {taken:?}");
    assert!(taken < GENEROUS, "{taken:?}");
    until(&joiner.cluster, "compared", |c| c.stats().syncs > 0).await;
}

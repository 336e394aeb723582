//! Paths that carry little.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use selkie::{
    Transport,
    transport::{Batch, PeerStream, SendError},
};

use super::{
    cluster::Net,
    fixture::{Agent, builder, heavy},
};

/// What the path carries.
const ROOM: usize = 300;

/// A transport with a narrow path, that notes the largest packet.
struct Narrow<T> {
    inner: T,
    largest: Arc<AtomicUsize>,
}

impl<T: Transport> Transport for Narrow<T> {
    type Stream = T::Stream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to).min(ROOM)
    }

    fn is_near(&self, to: SocketAddr) -> bool {
        self.inner.is_near(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.largest.fetch_max(packet.len(), Ordering::SeqCst);
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        self.inner.recv(batch).await
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

pub(crate) async fn no_packet_is_larger_than_the_path_has_room_for(net: impl Net) {
    const AGENTS: usize = 8;
    let _turn = heavy().await;
    let largest = Arc::<AtomicUsize>::default();
    let mut agents: Vec<Agent> = Vec::new();
    for n in 0..AGENTS {
        let named = format!("a-member-with-quite-a-long-name-{n}");
        let transport = Narrow {
            inner: net.bind(&named),
            largest: largest.clone(),
        };
        let (cluster, driver) = builder(&named, transport)
            .metadata([7; 90])
            .seeds(agents.iter().map(Agent::addr).take(1))
            .build()
            .await
            .unwrap();
        agents.push(Agent::run(cluster, driver));
    }
    for agent in &agents {
        agent.knows(AGENTS - 1).await;
        assert_eq!(agent.cluster.stats().send_too_big, 0);
    }
    let largest = largest.load(Ordering::SeqCst);
    assert!(largest <= ROOM, "{largest}");
    // All that they have to say fits no single packet: it was filled.
    assert!(largest > ROOM / 2, "{largest}");
}

//! A cluster in two halves, none of which hears of the other.

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use selkie::{
    Periodic, Transport,
    transport::{Batch, PeerStream, SendError},
};

use super::{
    cluster::Net,
    fixture::{Agent, builder, config, until},
};

/// Between those on its left and all others, once it is up.
#[derive(Default)]
struct Wall {
    left: Mutex<HashSet<SocketAddr>>,
    is_up: AtomicBool,
    stopped: AtomicU64,
}

impl Wall {
    fn is_between(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let left = self.left.lock().unwrap();
        self.is_up.load(Ordering::SeqCst) && left.contains(&one) != left.contains(&other)
    }
}

struct Walled<T>(T, Arc<Wall>);

impl<T: Transport> Transport for Walled<T> {
    type Stream = T::Stream;

    fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.0.room(to)
    }

    fn is_near(&self, to: SocketAddr) -> bool {
        self.0.is_near(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        if self.1.is_between(self.local_addr(), to) {
            self.1.stopped.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        self.0.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        self.0.recv(batch).await
    }

    async fn close(&self) {
        self.0.close().await;
    }

    fn enter_cluster(&self, cluster: &str) -> bool {
        self.0.enter_cluster(cluster)
    }

    fn proves_peers(&self) -> bool {
        self.0.proves_peers()
    }

    fn has_streams(&self) -> bool {
        self.0.has_streams()
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<T::Stream>, SendError> {
        match self.1.is_between(self.local_addr(), to) {
            true => Err(SendError::Unreachable(io::ErrorKind::TimedOut.into())),
            false => self.0.open(to).await,
        }
    }

    async fn accept(&self) -> io::Result<PeerStream<T::Stream>> {
        self.0.accept().await
    }
}

const HALF: usize = 3;
const INTERVAL: Duration = Duration::from_millis(200);

async fn start(net: &impl Net, named: &str, wall: &Arc<Wall>) -> Agent {
    let transport = Walled(net.bind(named), wall.clone());
    let mut config = config();
    config.periodic_announce_to_down_members = Some(Periodic {
        every: INTERVAL,
        members: 2,
    });
    let built = builder(named, transport).config(config).build().await;
    let (cluster, driver) = built.unwrap();
    Agent::run(cluster, driver)
}

pub(crate) async fn halves_that_were_apart_for_sixty_announce_intervals_join_again_unaided(
    net: impl Net,
) {
    let wall = Arc::new(Wall::default());
    let mut agents = Vec::new();
    for n in 0..2 * HALF {
        let agent = start(&net, &format!("n{n}"), &wall).await;
        if n < HALF {
            wall.left.lock().unwrap().insert(agent.addr());
        }
        agents.push(agent);
    }
    for agent in &agents[1..] {
        agent.cluster.announce(agents[0].addr()).await.unwrap();
    }
    for agent in &agents {
        agent.knows(2 * HALF - 1).await;
    }

    wall.is_up.store(true, Ordering::SeqCst);
    for agent in &agents {
        agent.knows(HALF - 1).await;
    }
    let apart = Instant::now();
    until(&agents[0].cluster, "sixty intervals", |_| {
        for agent in &agents {
            assert!(agent.cluster.members().num_active() < HALF);
        }
        apart.elapsed() > 60 * INTERVAL
    })
    .await;
    // All of them went on to ask, at the same pace.
    let asked = wall.stopped.load(Ordering::SeqCst);
    assert!(asked > 60 * 2 * HALF as u64, "{asked}");

    wall.is_up.store(false, Ordering::SeqCst);
    for agent in &agents {
        agent.knows(2 * HALF - 1).await;
    }
}

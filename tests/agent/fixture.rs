use std::{
    fmt::Debug,
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::StreamExt;
use selkie::{
    Cluster, Config, Name, Node, Periodic, State, Suspicion, Transport,
    agent::{Driver, Event, Events, Seed},
    codecs::PostcardCodec,
};
use smol::{Task, Timer};

/// Longer than anything takes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(60);

/// What packets within the default cluster begin with: see `docs/wire.md`.
pub(crate) const ENVELOPE: [u8; 6] = [0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x00];

pub(crate) type AgentBuilder<T> = selkie::agent::Builder<
    selkie::agent::Chosen<PostcardCodec>,
    selkie::agent::Chosen<T>,
    selkie::agent::Chosen<Node>,
>;

/// Quick to notice, slow enough to condemn that a busy machine is not taken for a dead member.
pub(crate) fn config() -> Config {
    let mut config = Config::local();
    config.probe_period = Duration::from_millis(200);
    config.probe_rtt = Duration::from_millis(80);
    config.suspicion = Suspicion::Fixed(Duration::from_millis(1500));
    config.periodic_gossip = Some(Periodic::millis(50, 3));
    config.periodic_announce_to_down_members = Some(Periodic::millis(500, 2));
    config
}

pub(crate) fn name(name: &str) -> Name {
    name.parse().unwrap()
}

/// A builder with codec, transport, name and quick settings.
pub(crate) fn builder<T: Transport>(named: &str, transport: T) -> AgentBuilder<T> {
    let id = Node::now(name(named), transport.local_addr(), None);
    builder_of(id, transport)
}

/// The same for an identity.
pub(crate) fn builder_of<T: Transport>(id: Node, transport: T) -> AgentBuilder<T> {
    selkie::Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(id)
        .config(config())
}

/// An agent, and its driver to be killed.
pub(crate) struct Agent {
    pub(crate) cluster: Cluster<Node>,
    driver: Option<Task<()>>,
}

impl Agent {
    pub(crate) async fn start<T: Transport>(named: &str, transport: T, seeds: &[&Self]) -> Self {
        let seeds: Vec<Seed> = seeds.iter().map(|seed| seed.addr().into()).collect();
        let (cluster, driver) = builder(named, transport)
            .seeds(seeds)
            .build()
            .await
            .unwrap();
        Self::run(cluster, driver)
    }

    pub(crate) fn run(cluster: Cluster<Node>, driver: Driver) -> Self {
        Self {
            cluster,
            driver: Some(smol::spawn(driver)),
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.cluster.local_addr()
    }

    pub(crate) fn state_of(&self, named: &str) -> Option<State> {
        self.cluster.members().find(&name(named)).map(|m| m.state)
    }

    /// Waits until so many others are active.
    pub(crate) async fn knows(&self, active: usize) {
        let what = format!("{active} members");
        until(&self.cluster, &what, |c| c.members().num_active() == active).await;
    }

    /// Waits until at least so many others are active.
    pub(crate) async fn knows_at_least(&self, active: usize) {
        let what = format!("{active} members or more");
        until(&self.cluster, &what, |c| c.members().num_active() >= active).await;
    }

    /// Waits until a member is in a state.
    pub(crate) async fn holds(&self, named: &str, state: State) {
        let what = format!("{named} {state}");
        until(&self.cluster, &what, |_| {
            self.state_of(named) == Some(state)
        })
        .await;
    }

    /// Ends it without a word, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.driver.take().unwrap().cancel().await;
    }

    /// Waits until the driver comes to an end.
    pub(crate) async fn ended(mut self) {
        drop(self.cluster);
        in_time("the driver ends", self.driver.take().unwrap()).await;
    }
}

/// For tests that keep the machine busy, and those that it must leave some time: one after the
/// other.
pub(crate) async fn heavy() -> smol::lock::MutexGuard<'static, ()> {
    static TURN: smol::lock::Mutex<()> = smol::lock::Mutex::new(());
    TURN.lock().await
}

pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let late = async {
        Timer::after(DEADLINE).await;
        panic!("not in time: {what}");
    };
    smol::future::or(future, late).await
}

/// Waits until something is true of a cluster.
pub(crate) async fn until(
    cluster: &Cluster<Node>,
    what: &str,
    mut holds: impl FnMut(&Cluster<Node>) -> bool,
) {
    let started = Instant::now();
    while !holds(cluster) {
        let members = cluster.members();
        let stats = cluster.stats();
        assert!(
            started.elapsed() < DEADLINE,
            "not in time: {what}; {members:?} {stats:?}"
        );
        Timer::after(Duration::from_millis(5)).await;
    }
}

/// Reads events until one is the expected one; returns all that were read.
pub(crate) async fn event(events: &mut Events<Node>, expected: &Event<Node>) -> Vec<Event<Node>> {
    event_where(events, expected, |event| event == expected).await
}

pub(crate) async fn event_where(
    events: &mut Events<Node>,
    what: &impl Debug,
    mut is_it: impl FnMut(&Event<Node>) -> bool,
) -> Vec<Event<Node>> {
    let mut read = Vec::new();
    let what = format!("{what:?}");
    in_time(&what, async {
        loop {
            let event = events.next().await.unwrap();
            read.push(event.clone());
            if is_it(&event) {
                return;
            }
        }
    })
    .await;
    read
}

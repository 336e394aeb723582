//! The demo's members: each with a thread and an executor of its own, so that it can be silenced.

use core::{convert::Infallible, net::SocketAddr};
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use selkie::{
    Builder, Cluster, Config, Locate, Name, Node, State, Transport,
    agent::{Events, MemberInfo},
    codecs::PostcardCodec,
    transports::{
        PlainUdp,
        certs::DevCa,
        quic::{Credentials, Options, Quic},
    },
};
use smol::{
    Executor,
    channel::{Receiver, Sender, bounded},
    future::FutureExt,
};

use super::story::Cast;
use crate::{
    args::TransportKind,
    failure::Failure,
    view::{Row, Standing},
};

/// All members, in the order of their names.
pub(super) struct Company {
    players: Vec<Player>,
    carrier: Carrier,
    cast: Cast,
}

/// One member, or what is left of it.
struct Player {
    name: Name,
    life: Option<Life>,
}

/// A member that runs.
struct Life {
    cluster: Cluster<Node>,
    started: Instant,
    /// Dropped to stop the thread.
    stop: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Company {
    /// Starts this many members, all but the first of which join at the first; and what the first
    /// one learns from its start on.
    pub(super) async fn start(
        members: u16,
        transport: TransportKind,
    ) -> Result<(Self, Events<Node>), Failure> {
        let carrier = Carrier::new(transport)?;
        let cast = Cast {
            observer: name(1)?,
            victim: name(2)?,
            leaver: name(members)?,
        };
        let observer = Life::start(cast.observer, &carrier, None).await?;
        let (seed, events) = (observer.cluster.local_addr(), observer.cluster.events());
        let mut players = Vec::from([Player {
            name: cast.observer,
            life: Some(observer),
        }]);
        for number in 2..=members {
            let name = name(number)?;
            let life = Some(Life::start(name, &carrier, Some(seed)).await?);
            players.push(Player { name, life });
        }
        let company = Self {
            players,
            carrier,
            cast,
        };
        Ok((company, events))
    }

    pub(super) fn cast(&self) -> Cast {
        self.cast
    }

    /// How many members see all the others.
    pub(super) fn complete(&self) -> usize {
        let others = self.players.len().saturating_sub(1);
        self.players
            .iter()
            .filter_map(|player| player.life.as_ref())
            .filter(|life| life.cluster.members().num_active() == others)
            .count()
    }

    /// What the observer sees, in the order of the members' start.
    pub(super) fn rows(&self) -> Vec<Row> {
        let Some(observer) = self.life(self.cast.observer) else {
            return Vec::new();
        };
        let (ourselves, members) = (observer.cluster.identity(), observer.cluster.members());
        let row_of = |player: &Player| {
            if player.name == *ourselves.name() {
                Some(own_row(&ourselves, observer.started))
            } else {
                members.find(&player.name).map(|member| self.row(member))
            }
        };
        self.players.iter().filter_map(row_of).collect()
    }

    /// Its socket dies, and nobody is told.
    pub(super) fn silence(&mut self, name: Name) {
        if let Some(life) = self.player(name).and_then(|player| player.life.take()) {
            life.end();
        }
    }

    /// Starts a member again under its name, on whatever port.
    pub(super) async fn restart(&mut self, name: Name) -> Result<(), Failure> {
        let seed = self.life(self.cast.observer);
        let seed = seed.map(|life| life.cluster.local_addr());
        let life = Life::start(name, &self.carrier, seed).await?;
        if let Some(player) = self.player(name) {
            player.life = Some(life);
        }
        Ok(())
    }

    /// It says goodbye, in its own time.
    pub(super) fn leave(&mut self, name: Name) {
        if let Some(life) = self.player(name).and_then(|player| player.life.take()) {
            smol::spawn(async move {
                // The story sees whether it worked.
                let _ = life.cluster.leave().await;
                smol::unblock(move || life.end()).await;
            })
            .detach();
        }
    }

    fn row(&self, member: &MemberInfo<Node>) -> Row {
        let name = *member.id.name();
        let standing = match member.state {
            State::Alive => Standing::Alive,
            State::Suspect => Standing::Suspect,
            State::Left => Standing::Left,
            _ => Standing::Down,
        };
        Row {
            name,
            addr: member.id.socket_addr(),
            standing,
            incarnation: member.incarnation.0,
            generation: member.id.generation(),
            lasting: SystemTime::now()
                .duration_since(member.since)
                .unwrap_or_default(),
        }
    }

    fn life(&self, name: Name) -> Option<&Life> {
        let player = self.players.iter().find(|player| player.name == name)?;
        player.life.as_ref()
    }

    fn player(&mut self, name: Name) -> Option<&mut Player> {
        self.players.iter_mut().find(|player| player.name == name)
    }
}

impl Life {
    async fn start(
        name: Name,
        carrier: &Carrier,
        seed: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = bounded(1);
        let (tell, told) = bounded(1);
        let carrier = carrier.clone();
        let thread = thread::Builder::new()
            .name(name.to_string())
            .spawn(move || live(name, &carrier, seed, &tell, &stopped))
            .map_err(|error| Failure::caused("cannot start a thread", &error))?;
        let cluster = told.recv().await.map_err(|_| gone(name))??;
        Ok(Self {
            cluster,
            started: Instant::now(),
            stop,
            thread,
        })
    }

    /// Waits until its socket is closed.
    fn end(self) {
        drop(self.stop);
        // It would have told of a panic itself.
        let _ = self.thread.join();
    }
}

/// What members are made with.
#[derive(Clone)]
enum Carrier {
    Udp,
    Quic(Arc<DevCa>),
}

impl Carrier {
    fn new(transport: TransportKind) -> Result<Self, Failure> {
        Ok(match transport {
            TransportKind::Udp => Self::Udp,
            TransportKind::Quic => {
                let ca = DevCa::new("demo")
                    .map_err(|error| Failure::caused("cannot make certificates", &error))?;
                Self::Quic(Arc::new(ca))
            }
        })
    }
}

/// The life of a member: ends when `stopped` does, and everything of it ends then.
fn live(
    name: Name,
    carrier: &Carrier,
    seed: Option<SocketAddr>,
    tell: &Sender<Result<Cluster<Node>, Failure>>,
    stopped: &Receiver<Infallible>,
) {
    let executor = Arc::new(Executor::new());
    let part = async {
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let outcome = match carrier {
            Carrier::Udp => match PlainUdp::bind(addr) {
                Ok(udp) => gossip(name, udp, seed, tell).await,
                Err(error) => Err(Failure::caused("cannot start a member", &error)),
            },
            Carrier::Quic(ca) => match quic(ca, name, addr, &executor) {
                Ok(quic) => gossip(name, quic, seed, tell).await,
                Err(failure) => Err(failure),
            },
        };
        if let Err(failure) = outcome {
            // If nobody listens, the demo has ended.
            let _ = tell.send(Err(failure)).await;
        }
    };
    let stop = async {
        // Nothing is ever sent: this waits for the other end to be dropped.
        let _ = stopped.recv().await;
    };
    smol::block_on(executor.run(part.or(stop)));
}

fn quic(
    ca: &DevCa,
    name: Name,
    addr: SocketAddr,
    executor: &Arc<Executor<'static>>,
) -> Result<Quic, Failure> {
    let issued = ca
        .issue(name.as_str())
        .map_err(|error| Failure::caused("cannot make certificates", &error))?;
    let credentials = Credentials::from_issued(&issued)
        .map_err(|error| Failure::caused("cannot use certificates", &error))?;
    let options = Options::new().executor(executor.clone());
    Quic::bind_with(addr, &credentials, &options)
        .map_err(|error| Failure::caused("cannot start a member", &error))
}

async fn gossip(
    name: Name,
    transport: impl Transport,
    seed: Option<SocketAddr>,
    tell: &Sender<Result<Cluster<Node>, Failure>>,
) -> Result<(), Failure> {
    let identity = Node::now(name, transport.local_addr(), None);
    let (cluster, driver) = Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(identity)
        .config(Config::local())
        .seeds(seed)
        .build()
        .await
        .map_err(|error| Failure::caused("cannot start a member", &error))?;
    // If nobody listens, the demo has ended.
    let _ = tell.send(Ok(cluster)).await;
    driver.await;
    Ok(())
}

fn own_row(ourselves: &Node, started: Instant) -> Row {
    Row {
        name: *ourselves.name(),
        addr: ourselves.socket_addr(),
        standing: Standing::Ourselves,
        incarnation: 0,
        generation: ourselves.generation(),
        lasting: started.elapsed(),
    }
}

fn name(number: u16) -> Result<Name, Failure> {
    Name::new(&format!("node-{number}"))
        .map_err(|error| Failure::caused("cannot name a member", &error))
}

fn gone(name: Name) -> Failure {
    Failure::new(format!("cannot start {name}"), "its thread ended")
}

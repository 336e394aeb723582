//! Clusters of selkie and foca members over real UDP sockets.

use std::{
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use selkie::{
    Builder, Cluster, Codec, TimerQueue,
    codecs::{BincodeCodec, PostcardCodec},
    transports::PlainUdp,
};
use smol::{Task, block_on};

use crate::{
    peer::{Heard, Peer},
    site::{Kind, Outbox, Pace, Site, Timer},
};

/// Longer than anything takes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn selkies_and_focas_2_with_postcard_are_one_cluster() {
    lives_together(Kind::Foca2Postcard, Kind::SelkiePostcard, PostcardCodec);
}

#[test]
fn selkies_and_focas_1_with_bincode_are_one_cluster() {
    lives_together(
        Kind::Foca1Bincode,
        Kind::SelkieBincode,
        BincodeCodec::standard(),
    );
}

fn lives_together<C: Codec<Peer> + Send + 'static>(foca: Kind, selkie: Kind, codec: C) {
    let first = ByHand::start(foca);
    let by_hand = ByHand::start(selkie);
    by_hand.joins(first.identity());
    let second = ByHand::start(foca);
    second.joins(by_hand.identity());
    let agent = Agent::start(codec, first.identity());
    let third = ByHand::start(foca);
    third.joins(agent.identity());
    all_see_all(&[&first, &by_hand, &second, &agent, &third]);

    first.add_broadcast(b"from a foca");
    agent.add_broadcast(b"from an agent");
    by_hand.add_broadcast(b"from a selkie");
    for node in [&first as &dyn Node, &by_hand, &second, &agent, &third] {
        for data in [&b"from a foca"[..], b"from an agent", b"from a selkie"] {
            wait("a broadcast is heard", || node.has_heard(data));
        }
    }

    let (dead_foca, dead_selkie) = (second.dies(), by_hand.dies());
    all_see_all(&[&first, &agent, &third]);

    let second = dead_foca.restarts();
    second.joins(agent.identity());
    let by_hand = dead_selkie.restarts();
    by_hand.joins(third.identity());
    all_see_all(&[&first, &by_hand, &second, &agent, &third]);

    block_on(agent.cluster.leave()).unwrap();
    third.dies_leaving();
    all_see_all(&[&first, &by_hand, &second]);
}

fn v4(addr: SocketAddr) -> SocketAddrV4 {
    match addr {
        SocketAddr::V4(addr) => addr,
        SocketAddr::V6(addr) => panic!("{addr} was asked to be IPv4"),
    }
}

#[track_caller]
fn wait(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until each sees exactly the others, as who they are now.
#[track_caller]
fn all_see_all(nodes: &[&dyn Node]) {
    wait("all see all", || {
        let everybody: Vec<Peer> = nodes.iter().map(|node| node.identity()).collect();
        nodes.iter().zip(&everybody).all(|(node, us)| {
            let mut others: Vec<Peer> = everybody
                .iter()
                .copied()
                .filter(|other| other != us)
                .collect();
            others.sort_unstable();
            node.active() == others
        })
    });
}

trait Node {
    fn identity(&self) -> Peer;
    /// Who is active to it, sorted.
    fn active(&self) -> Vec<Peer>;
    fn add_broadcast(&self, data: &'static [u8]);
    fn has_heard(&self, data: &'static [u8]) -> bool;
}

/// A member with selkie's agent.
struct Agent {
    cluster: Cluster<Peer>,
    heard: Heard,
    _driver: Task<()>,
}

impl Agent {
    fn start<C: Codec<Peer> + Send + 'static>(codec: C, seed: Peer) -> Self {
        let transport = PlainUdp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let heard = Heard::default();
        let addr = v4(selkie::Transport::local_addr(&transport));
        let builder = Builder::new()
            .codec(codec)
            .transport(transport)
            .identity(Peer { addr, bump: 0 })
            .config(Pace::Quick.selkie())
            .broadcasts(heard.clone())
            .seeds([SocketAddr::from(seed.addr)]);
        let (cluster, driver) = block_on(builder.build()).unwrap();
        Self {
            cluster,
            heard,
            _driver: smol::spawn(driver),
        }
    }
}

impl Node for Agent {
    fn identity(&self) -> Peer {
        self.cluster.identity()
    }

    fn active(&self) -> Vec<Peer> {
        let members = self.cluster.members();
        let mut active: Vec<Peer> = members.active().map(|member| member.id).collect();
        active.sort_unstable();
        active
    }

    fn add_broadcast(&self, data: &'static [u8]) {
        assert!(block_on(self.cluster.broadcast(data)).unwrap());
    }

    fn has_heard(&self, data: &'static [u8]) -> bool {
        self.heard.contains(data)
    }
}

/// A member with a thread, a socket and an engine.
struct ByHand {
    kind: Kind,
    inputs: mpsc::Sender<Input>,
    thread: JoinHandle<(UdpSocket, Peer)>,
}

/// What is left of a member that ended.
struct Dead {
    kind: Kind,
    /// Kept, so that nobody else takes its port.
    socket: UdpSocket,
    id: Peer,
}

impl Dead {
    fn restarts(self) -> ByHand {
        // What was sent to the dead is not for the one that follows.
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv_from(&mut [0; 2000]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
        ByHand::start_on(self.socket, self.kind, self.id.next())
    }
}

type Input = Box<dyn FnOnce(&mut dyn Site, &mut Outbox) + Send>;

impl ByHand {
    fn start(kind: Kind) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = v4(socket.local_addr().unwrap());
        Self::start_on(socket, kind, Peer { addr, bump: 0 })
    }

    fn start_on(socket: UdpSocket, kind: Kind, id: Peer) -> Self {
        let (inputs, received) = mpsc::channel();
        let site = kind.site(id, Pace::Quick, fastrand::u64(..));
        let driver = Driver::new(socket, site);
        let thread = thread::spawn(move || driver.run(&received));
        Self {
            kind,
            inputs,
            thread,
        }
    }

    /// Gives the engine an input.
    fn input<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut dyn Site, &mut Outbox) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        let input: Input = Box::new(move |site, out| answer.send(act(site, out)).unwrap());
        self.inputs.send(input).unwrap();
        answered.recv_timeout(DEADLINE).unwrap()
    }

    /// Announces until it is heard.
    #[track_caller]
    fn joins(&self, to: Peer) {
        wait("it gets in", || {
            self.input(move |site, out| site.announce(to, out));
            thread::sleep(Duration::from_millis(200));
            !self.active().is_empty()
        });
    }

    /// Ends without a word.
    fn dies(self) -> Dead {
        drop(self.inputs);
        let (socket, id) = self.thread.join().unwrap();
        Dead {
            kind: self.kind,
            socket,
            id,
        }
    }

    fn dies_leaving(self) {
        self.input(|site, out| site.leave(out));
        self.dies();
    }
}

impl Node for ByHand {
    fn identity(&self) -> Peer {
        self.input(|site, _| site.identity())
    }

    fn active(&self) -> Vec<Peer> {
        self.input(|site, _| site.active())
    }

    fn add_broadcast(&self, data: &'static [u8]) {
        self.input(|site, out| site.add_broadcast(data, out));
    }

    fn has_heard(&self, data: &'static [u8]) -> bool {
        self.input(|site, _| site.has_heard(data))
    }
}

struct Driver {
    socket: UdpSocket,
    site: Box<dyn Site>,
    timers: TimerQueue<Timer>,
    started: Instant,
}

impl Driver {
    fn new(socket: UdpSocket, site: Box<dyn Site>) -> Self {
        Self {
            socket,
            site,
            timers: TimerQueue::new(),
            started: Instant::now(),
        }
    }

    /// Runs until nobody can give it an input any more.
    fn run(mut self, inputs: &mpsc::Receiver<Input>) -> (UdpSocket, Peer) {
        let mut buf = [0; 2000];
        self.socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        self.input(|site, out| site.start(out));
        loop {
            match inputs.try_recv() {
                Ok(act) => self.input(act),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => {
                    return (self.socket, self.site.identity());
                }
            }
            // Timeouts, and what ICMP has to say about those that died.
            if let Ok((len, _)) = self.socket.recv_from(&mut buf) {
                self.input(|site, out| site.handle_data(&buf[..len], out));
            }
            while let Some(timer) = self.timers.pop_due(self.started.elapsed()) {
                self.input(|site, out| site.handle_timer(timer, out));
            }
        }
    }

    fn input<T>(&mut self, act: impl FnOnce(&mut dyn Site, &mut Outbox) -> T) {
        let mut out = Outbox::default();
        act(&mut *self.site, &mut out);
        let now = self.started.elapsed();
        for (timer, after) in out.timers {
            self.timers.push(now + after, timer);
        }
        for (to, data) in out.sent {
            self.socket.send_to(&data, to.addr).ok();
        }
    }
}

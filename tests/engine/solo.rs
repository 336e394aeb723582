//! One engine, talked to by hand.

use core::time::Duration;
use std::collections::{HashMap, HashSet};

use selkie::{
    AccumulatingRuntime, BroadcastHandler, Config, Engine, Error, Incarnation, Invalidates, Member,
    Message, NoCustomBroadcast, Notice, Notification, OwnedNotification, Runtime, State, Suspicion,
    Timer, TimerQueue,
};

use crate::codec::{NotPlain, Packet, Peer, PlainCodec, peer};

/// The settings of a local network without Lifeguard: SWIM as it is in its paper.
pub fn swim() -> Config {
    let mut config = Config::lan();
    config.suspicion = Suspicion::PeriodsPerLog10(4);
    config.local_health = false;
    config.buddy_system = false;
    config.nacks = false;
    config.accusers = false;
    config.departures = false;
    config
}

/// An engine named 1 and everything it ever put out, with a clock that is moved by hand.
pub struct Solo<H: BroadcastHandler<Peer> = NoCustomBroadcast> {
    pub engine: Engine<Peer, PlainCodec, H>,
    pub runtime: Lines,
    pub now: Duration,
    pub timers: TimerQueue<Timer<Peer>>,
}

/// A queue of outputs that can be narrow, or refuse to admit somebody.
pub struct Lines {
    queue: AccumulatingRuntime<Peer>,
    pub room: usize,
    pub refused: HashSet<Peer>,
    /// Those to whom a way has to be made first.
    pub far: HashSet<Peer>,
    /// What went by the reliable way, if there is one.
    pub reliably: Option<Vec<(Peer, Vec<u8>)>>,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            queue: AccumulatingRuntime::new(),
            room: usize::MAX,
            refused: HashSet::new(),
            far: HashSet::new(),
            reliably: None,
        }
    }
}

impl Runtime<Peer> for Lines {
    fn notify(&mut self, notification: Notification<'_, Peer>) {
        self.queue.notify(notification);
    }

    fn send_to(&mut self, to: &Peer, data: &[u8]) {
        self.queue.send_to(to, data);
    }

    fn has_reliable_way(&self, _to: &Peer) -> bool {
        self.reliably.is_some()
    }

    fn send_reliably(&mut self, to: &Peer, data: &[u8]) {
        if let Some(sent) = &mut self.reliably {
            sent.push((*to, data.to_vec()));
        }
    }

    fn submit_after(&mut self, timer: Timer<Peer>, after: Duration) {
        self.queue.submit_after(timer, after);
    }

    fn room(&self, _to: &Peer) -> usize {
        self.room
    }

    fn is_near(&self, to: &Peer) -> bool {
        !self.far.contains(to)
    }

    fn admit(&self, newcomer: &Peer, _sender: &Peer) -> bool {
        !self.refused.contains(newcomer)
    }
}

impl Solo {
    pub fn new(config: Config) -> Self {
        Self::with_broadcasts(config, NoCustomBroadcast)
    }

    pub fn known_as(id: Peer, config: Config) -> Self {
        Self::build(id, config, NoCustomBroadcast)
    }
}

impl<H: BroadcastHandler<Peer>> Solo<H> {
    pub fn with_broadcasts(config: Config, handler: H) -> Self {
        Self::build(peer(1), config, handler)
    }

    pub fn build(id: Peer, config: Config, handler: H) -> Self {
        let engine = Engine::with_broadcasts(id, config, 7, PlainCodec, handler).unwrap();
        let mut solo = Self {
            engine,
            runtime: Lines::new(),
            now: Duration::ZERO,
            timers: TimerQueue::new(),
        };
        solo.engine.start(&mut solo.runtime);
        solo
    }

    /// Hands in a datagram; what it makes the engine send.
    #[track_caller]
    pub fn hears(&mut self, packet: Packet) -> Vec<(Peer, Packet)> {
        self.tries(&packet.encode()).unwrap();
        self.sent()
    }

    /// Hands in bytes.
    pub fn tries(&mut self, data: &[u8]) -> Result<(), Error<NotPlain>> {
        self.engine.handle_data(data, &mut self.runtime)
    }

    /// Makes a member known by letting it gossip. Drops what the engine says to that.
    #[track_caller]
    pub fn meets(&mut self, addr: u16) {
        let gossip = Packet::new(peer(addr), *self.engine.identity(), Message::Gossip);
        self.hears(gossip);
        self.notices();
    }

    /// Hands in a message of a member's first life, to our present identity.
    #[track_caller]
    pub fn hears_from(&mut self, addr: u16, message: Message<Peer>) -> Vec<(Peer, Packet)> {
        self.hears(Packet::new(peer(addr), *self.engine.identity(), message))
    }

    /// Lets a member gossip about somebody.
    #[track_caller]
    pub fn hears_of(
        &mut self,
        from: u16,
        about: Peer,
        incarnation: u16,
        state: State,
    ) -> Vec<(Peer, Packet)> {
        let to = *self.engine.identity();
        let gossip = Packet::new(peer(from), to, Message::Gossip);
        self.hears(gossip.member(about, incarnation, state))
    }

    /// Makes somebody known without gossip.
    pub fn knows(&mut self, id: Peer, incarnation: u16, state: State) {
        let member = Member::new(id, Incarnation(incarnation), state);
        self.engine.apply_many([member], &mut self.runtime);
        self.notices();
    }

    /// What is believed about the holder of an address.
    pub fn belief(&self, addr: u16) -> Option<(State, u16)> {
        let member = self.engine.member(&addr)?;
        Some((member.state, member.incarnation.0))
    }

    /// Lets time pass, and then fires the timers that are due and fit, and no other. What was
    /// sent.
    pub fn fires(
        &mut self,
        after: Duration,
        fits: impl Fn(&Timer<Peer>) -> bool,
    ) -> Vec<(Peer, Packet)> {
        self.schedule();
        self.now += after;
        let (mut due, mut kept) = (Vec::new(), TimerQueue::new());
        while let Some(deadline) = self.timers.next_deadline() {
            match self.timers.pop_due(deadline) {
                Some(timer) if deadline <= self.now && fits(&timer) => due.push(timer),
                Some(timer) => kept.push(deadline, timer),
                None => break,
            }
        }
        self.timers = kept;
        for timer in due {
            self.engine.handle_timer(timer, &mut self.runtime);
        }
        self.sent()
    }

    /// What was sent since asked last.
    pub fn sent(&mut self) -> Vec<(Peer, Packet)> {
        self.schedule();
        core::iter::from_fn(|| self.runtime.queue.to_send())
            .map(|(to, data)| (to, Packet::decode(&data)))
            .collect()
    }

    /// What was notified since asked last.
    pub fn notices(&mut self) -> Vec<OwnedNotification<Peer>> {
        core::iter::from_fn(|| self.runtime.queue.to_notify()).collect()
    }

    /// Lets time pass and timers fire; what was sent meanwhile.
    pub fn passes(&mut self, time: Duration) -> Vec<(Peer, Packet)> {
        self.schedule();
        let end = self.now + time;
        while let Some(deadline) = self.timers.next_deadline().filter(|&at| at <= end) {
            self.now = deadline;
            while let Some(timer) = self.timers.pop_due(deadline) {
                self.engine.handle_timer(timer, &mut self.runtime);
            }
            self.schedule();
        }
        self.now = end;
        self.sent()
    }

    pub fn schedule(&mut self) {
        while let Some((timer, after)) = self.runtime.queue.to_schedule() {
            self.timers.push(self.now + after, timer);
        }
    }
}

/// Receivers and kinds of datagrams.
pub fn kinds(sent: &[(Peer, Packet)]) -> Vec<(u16, &'static str)> {
    sent.iter()
        .map(|(to, packet)| (to.addr, packet.header.message.kind()))
        .collect()
}

/// How many datagrams are of this kind.
pub fn count(sent: &[(Peer, Packet)], kind: &str) -> usize {
    sent.iter()
        .filter(|(_, packet)| packet.header.message.kind() == kind)
        .count()
}

/// Broadcasts of a key (the first byte) and a version (the second): the newest of each key is
/// kept, shorter ones are refused.
#[derive(Clone, Debug, Default)]
pub struct Versions(pub HashMap<u8, u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    key: u8,
}

impl Invalidates for Version {
    fn invalidates(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl BroadcastHandler<Peer> for Versions {
    type Key = Version;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Peer>,
    ) -> Result<Option<Version>, Box<dyn core::error::Error + Send + Sync>> {
        let &[key, version, ..] = data else {
            return Err("too short".into());
        };
        if self.0.get(&key).is_some_and(|&known| known >= version) {
            return Ok(None);
        }
        self.0.insert(key, version);
        Ok(Some(Version { key }))
    }
}

/// The notice that somebody is suspected, by whom is not told.
pub fn suspected(id: Peer) -> OwnedNotification<Peer> {
    Notice::MemberSuspect { id, by: None }
}

pub fn suspected_by(id: Peer, by: Peer) -> OwnedNotification<Peer> {
    Notice::MemberSuspect { id, by: Some(by) }
}

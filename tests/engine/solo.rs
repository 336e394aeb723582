//! One engine, talked to by hand.

use core::time::Duration;
use std::collections::HashMap;

use selkie::{
    AccumulatingRuntime, BroadcastHandler, Config, Engine, Error, Invalidates, Message,
    NoCustomBroadcast, OwnedNotification, Timer, TimerQueue,
};

use crate::codec::{NotPlain, Packet, Peer, PlainCodec, peer};

/// An engine named 1 and everything it ever put out, with a clock that is moved by hand.
pub struct Solo<H: BroadcastHandler<Peer> = NoCustomBroadcast> {
    pub engine: Engine<Peer, PlainCodec, H>,
    pub runtime: AccumulatingRuntime<Peer>,
    pub now: Duration,
    pub timers: TimerQueue<Timer<Peer>>,
}

impl Solo {
    pub fn new(config: Config) -> Self {
        Self::with_broadcasts(config, NoCustomBroadcast)
    }
}

impl<H: BroadcastHandler<Peer>> Solo<H> {
    pub fn with_broadcasts(config: Config, handler: H) -> Self {
        let engine = Engine::with_broadcasts(peer(1), config, 7, PlainCodec, handler).unwrap();
        let mut solo = Self {
            engine,
            runtime: AccumulatingRuntime::new(),
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

    /// What was sent since asked last.
    pub fn sent(&mut self) -> Vec<(Peer, Packet)> {
        self.schedule();
        std::iter::from_fn(|| self.runtime.to_send())
            .map(|(to, data)| (to, Packet::decode(&data)))
            .collect()
    }

    /// What was notified since asked last.
    pub fn notices(&mut self) -> Vec<OwnedNotification<Peer>> {
        std::iter::from_fn(|| self.runtime.to_notify()).collect()
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

    fn schedule(&mut self) {
        while let Some((timer, after)) = self.runtime.to_schedule() {
            self.timers.push(self.now + after, timer);
        }
    }
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

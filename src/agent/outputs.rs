//! What comes out of the engine, and where it goes.

use alloc::{sync::Arc, vec::Vec};
use core::{hash::Hash, net::SocketAddr, ops::Range, time::Duration};

use super::{
    Limits, Stats,
    admission::{Door, Source},
    aside::Aside,
    envelope::{Envelope, ITEMS_LEN_LEN, Kind},
    last_resort::LastResort,
};
use crate::{
    Identity, Locate, Notification, OwnedNotification, Runtime, Timer, TimerQueue, Transport,
    trace::{debug, trace},
    transport::SendError,
};

/// The [`Runtime`] of the agent: packs datagrams into one buffer, queues timers, keeps notices.
pub(super) struct Outputs<I: Identity, T> {
    transport: Arc<T>,
    /// Since the driver started. Set before each input of the engine.
    pub(super) now: Duration,
    pub(super) timers: TimerQueue<Timer<I>>,
    pub(super) notices: Vec<OwnedNotification<I>>,
    pub(super) envelope: Envelope,
    pub(super) door: Door,
    /// Where what the engine hears now came from, if anywhere.
    pub(super) source: Option<Source>,
    /// What is said beside the engine's datagrams.
    pub(super) aside: Aside<I::Addr>,
    /// Whether that is told in rounds, to several members each. What goes with other packets then
    /// does not count: it may all go to one.
    pub(super) has_rounds: bool,
    /// How large the engine's datagrams are at most: those with items are no larger.
    pub(super) datagram_max: usize,
    items: Vec<u8>,
    pub(super) last_resort: LastResort<I>,
    bytes: Vec<u8>,
    packets: Vec<(SocketAddr, Range<usize>)>,
}

impl<I: Locate, T: Transport> Outputs<I, T> {
    pub(super) fn new(
        transport: Arc<T>,
        envelope: Envelope,
        door: Door,
        datagram_max: usize,
        limits: &Limits,
    ) -> Self {
        Self {
            transport,
            envelope,
            door,
            source: None,
            aside: Aside::new(limits.backlog_bytes),
            has_rounds: true,
            datagram_max,
            items: Vec::new(),
            last_resort: LastResort::new(),
            now: Duration::ZERO,
            timers: TimerQueue::new(),
            notices: Vec::new(),
            bytes: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// Whether enough waits to be sent that no more input should be handled before it is.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= PACKETS_MAX
    }

    /// Whether such a packet can be sent.
    pub(super) fn fits(&self, to: &I, body_len: usize) -> bool {
        let room = self.transport.room(to.socket_addr()).min(self.datagram_max);
        body_len <= room.saturating_sub(self.envelope.len())
    }

    /// Queues a packet, with as much of what is to be said aside as fits it.
    pub(super) fn send(&mut self, to: &I, kind: Kind, body: &[u8]) {
        let mut aside = core::mem::replace(&mut self.aside, Aside::new(0));
        self.send_with(to, kind, &mut aside, body);
        self.aside = aside;
    }

    /// Queues a packet, with as much of other things as fits it.
    pub(super) fn send_with<K: Eq + Hash + Clone>(
        &mut self,
        to: &I,
        kind: Kind,
        aside: &mut Aside<K>,
        body: &[u8],
    ) {
        let addr = to.socket_addr();
        let start = self.bytes.len();
        self.items.clear();
        if !self.envelope.is_bare && !aside.is_empty() {
            let room = self.transport.room(addr).min(self.datagram_max);
            let taken = self.envelope.len() + ITEMS_LEN_LEN + body.len();
            let counts = kind == Kind::Aside || !self.has_rounds;
            aside.put(room.saturating_sub(taken), counts, &mut self.items);
        }
        self.envelope.put(kind, &self.items, &mut self.bytes);
        self.bytes.extend_from_slice(body);
        self.packets.push((addr, start..self.bytes.len()));
    }

    /// How many packets wait to be sent.
    pub(super) fn num_waiting(&self) -> usize {
        self.packets.len()
    }

    /// The packets that wait, without so many of the first.
    pub(super) fn waiting_since(&self, num: usize) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let packets = self.packets.iter().skip(num);
        packets.map(|(to, range)| (*to, self.bytes.get(range.clone()).unwrap_or_default()))
    }

    /// Sends what waits. What cannot be sent is counted, and lost.
    pub(super) async fn flush(&mut self, stats: &mut Stats) {
        for (to, range) in self.packets.drain(..) {
            let packet = self.bytes.get(range).unwrap_or_default();
            match self.transport.send(to, packet).await {
                Ok(()) => {
                    stats.packets_out += 1;
                    trace!(%to, bytes = packet.len(), "sent");
                }
                Err(error) => {
                    *reason(stats, &error) += 1;
                    debug!(%to, bytes = packet.len(), %error, "not sent");
                }
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT_MAX);
    }
}

fn reason<'a>(stats: &'a mut Stats, error: &SendError) -> &'a mut u64 {
    match error {
        SendError::TooBig { .. } => &mut stats.send_too_big,
        SendError::Busy => &mut stats.send_busy,
        SendError::Unreachable(_) => &mut stats.send_unreachable,
        SendError::Closed | SendError::NoStreams => &mut stats.send_closed,
        SendError::Io(_) => &mut stats.send_io,
    }
}

impl<I: Locate + 'static, T: Transport> Runtime<I> for Outputs<I, T> {
    fn notify(&mut self, notification: Notification<'_, I>) {
        self.notices.push(notification.to_owned());
    }

    fn send_to(&mut self, to: &I, data: &[u8]) {
        self.send(to, Kind::Engine, data);
    }

    fn has_reliable_way(&self, _to: &I) -> bool {
        !self.envelope.is_bare && self.transport.has_streams() && self.last_resort.has_place()
    }

    fn send_reliably(&mut self, to: &I, data: &[u8]) {
        let mut datagram = Vec::new();
        self.envelope.put(Kind::Engine, &[], &mut datagram);
        datagram.extend_from_slice(data);
        self.last_resort.waiting.push((to.clone(), datagram));
    }

    fn submit_after(&mut self, timer: Timer<I>, after: Duration) {
        self.timers.push(self.now.saturating_add(after), timer);
    }

    fn room(&self, to: &I) -> usize {
        let room = self.transport.room(to.socket_addr());
        room.saturating_sub(self.envelope.len())
    }

    fn is_near(&self, to: &I) -> bool {
        self.transport.is_near(to.socket_addr())
    }

    fn admit(&self, newcomer: &I, sender: &I) -> bool {
        let is_hearsay = newcomer != sender;
        self.door.admits(newcomer, self.source.as_ref(), is_hearsay)
    }
}

/// The most packets that wait to be sent before more input is handled. One input may add as many
/// as its fan-out to that.
const PACKETS_MAX: usize = 256;
/// How large the buffer of packets is in quiet times, at most.
const BYTES_KEPT_MAX: usize = 2048;

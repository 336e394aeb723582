//! The one task that owns the engine.
//!
//! A turn: wait for anything; take everything that is there, up to named bounds; hand it to the
//! engine, commands first, then packets, then timers; publish what changed; send what came out.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{collections::HashSet, io, time::SystemTime};

use futures::channel::oneshot;

use super::{
    CommandError, Departure, Event, Stats,
    cluster::Command,
    inputs::{Inputs, earlier},
    outputs::Outputs,
    seeds::Found,
    shared::Shared,
};
use crate::{
    BroadcastHandler, Codec, Config, Engine, Identity, Locate, Member, OwnedNotification, Timer,
    Transport,
    trace::{debug, trace, warn},
};

/// The task that an agent is: a future that ends when the agent stopped.
///
/// From [`Builder::build`](super::Builder::build), for any executor; it must be polled for
/// anything to happen. Dropping it stops the agent at once, without a word to anybody: that is a
/// crash, as far as the cluster can tell.
#[must_use = "nothing happens unless it is spawned on an executor, or awaited"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Driver {
    pub(super) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// Tells the handles that the driver is no more, however it ends.
pub(super) struct Lifeline<I: Identity>(pub(super) Arc<Shared<I>>);

impl<I: Identity> Drop for Lifeline<I> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// All that the task owns.
pub(super) struct Agent<I: Identity, C, T, H: BroadcastHandler<I>> {
    pub(super) engine: Engine<I, C, H>,
    pub(super) transport: Arc<T>,
    pub(super) inputs: Inputs<T>,
    pub(super) outputs: Outputs<I, T>,
    pub(super) lifeline: Lifeline<I>,
    pub(super) news: News<I>,
    pub(super) stats: Stats,
    pub(super) phase: Phase<I>,
}

/// What happened in this turn, to be published.
pub(super) struct News<I: Identity> {
    events: Vec<Event<I>>,
    /// Members that may have changed.
    touched: HashSet<I::Addr>,
    has_transport_failed: bool,
    /// The next place of the view to be compared with the engine.
    audited: usize,
}

impl<I: Identity> Default for News<I> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            touched: HashSet::new(),
            has_transport_failed: false,
            audited: 0,
        }
    }
}

/// Where the driver is in its life.
pub(super) enum Phase<I> {
    Running,
    /// The cluster was told that we go; members are to acknowledge that.
    Leaving(Leave<I>),
    /// To stop after this turn.
    Ending,
}

/// A departure on its way.
pub(super) struct Leave<I> {
    /// Who acknowledged it, each once.
    acked: Vec<I>,
    enough: usize,
    deadline: Duration,
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// The task.
    pub(super) async fn run(mut self) {
        self.outputs.now = self.inputs.now();
        self.engine.start(&mut self.outputs);
        let mut leavers = Vec::new();
        loop {
            self.seek();
            self.publish();
            self.outputs.flush(&mut self.stats).await;
            self.lifeline.0.set_stats(&self.stats);
            if matches!(self.phase, Phase::Ending) {
                break;
            }
            let deadline = self.next_deadline();
            self.inputs.wait(deadline).await;
            self.turn(&mut leavers).await;
        }
        self.transport.close().await;
        debug!("stopped");
        let departure = self.lifeline.0.published().departure;
        // The handles learn of the end first: who waited for it finds the agent stopped.
        drop(self);
        for leaver in leavers {
            let _ = leaver.send(departure.unwrap_or_default());
        }
    }

    async fn turn(&mut self, leavers: &mut Vec<oneshot::Sender<Departure>>) {
        self.stats.turns += 1;
        self.outputs.now = self.inputs.now();
        self.handle_commands(leavers);
        self.handle_received();
        self.handle_packets().await;
        self.handle_timers().await;
        self.handle_found();
        if self.inputs.is_closed && matches!(self.phase, Phase::Running) {
            self.phase = Phase::Ending;
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let leave = match &self.phase {
            Phase::Leaving(leave) => Some(leave.deadline),
            _ => None,
        };
        let seeds = self.inputs.seeds.next_deadline(self.is_alone());
        let timers = self.outputs.timers.next_deadline();
        earlier(leave, earlier(seeds, timers))
    }

    /// Whether to look for somebody to join.
    fn is_alone(&self) -> bool {
        self.engine.num_members() == 0 && matches!(self.phase, Phase::Running)
    }

    fn handle_commands(&mut self, leavers: &mut Vec<oneshot::Sender<Departure>>) {
        let mut has_news = false;
        let mut commands = core::mem::take(&mut self.inputs.commands);
        for command in commands.drain(..) {
            self.stats.commands += 1;
            match command {
                Command::Broadcast { data, reply } => {
                    let added = self.engine.add_broadcast(&data, &mut self.outputs);
                    has_news |= matches!(added, Ok(true));
                    answer(reply, added.map_err(Into::into));
                }
                Command::Announce { to, reply } => answer(reply, self.announce(to)),
                Command::SetConfig { config, reply } => {
                    let set = self.engine.set_config(*config, &mut self.outputs);
                    answer(reply, set.map_err(Into::into));
                }
                Command::Leave { reply } => {
                    leavers.push(reply);
                    self.leave();
                }
            }
        }
        self.inputs.commands = commands;
        if has_news && let Err(error) = self.engine.broadcast(&mut self.outputs) {
            debug!(%error, "broadcasts wait for the next message");
        }
    }

    fn announce(&mut self, to: SocketAddr) -> Result<(), CommandError> {
        let dst = I::from_seed(to).ok_or(CommandError::WrongAddr(to))?;
        Ok(self.engine.announce(dst, &mut self.outputs)?)
    }

    fn leave(&mut self) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let config: &Config = self.engine.config();
        let enough = config.num_indirect_probes.min(self.engine.num_members());
        let patience = config.probe_period.saturating_mul(LEAVE_PERIODS);
        if let Err(error) = self.engine.leave_cluster(&mut self.outputs) {
            debug!(%error, "nobody to take leave from");
            return self.end_leave(0);
        }
        debug!(enough, "leaving");
        self.phase = Phase::Leaving(Leave {
            acked: Vec::new(),
            enough,
            deadline: self.outputs.now.saturating_add(patience),
        });
        self.check_leave();
    }

    fn on_leave_acked(&mut self, member: I) {
        if let Phase::Leaving(leave) = &mut self.phase
            && !leave.acked.contains(&member)
        {
            leave.acked.push(member);
        }
    }

    /// Ends the departure if enough members know, or the time is up.
    fn check_leave(&mut self) {
        if let Phase::Leaving(leave) = &mut self.phase {
            let acked = leave.acked.len();
            if acked >= leave.enough || self.outputs.now >= leave.deadline {
                self.end_leave(acked);
            }
        }
    }

    fn end_leave(&mut self, acked: usize) {
        debug!(acked, "left");
        self.lifeline.0.published().departure = Some(Departure { acked });
        self.phase = Phase::Ending;
    }

    fn handle_received(&mut self) {
        match self.inputs.received.take() {
            Some(Ok(())) if self.news.has_transport_failed => {
                self.news.has_transport_failed = false;
                debug!("transport receives again");
                self.news.events.push(Event::TransportRecovered);
            }
            None | Some(Ok(())) => {}
            Some(Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                warn!("transport was closed");
                self.phase = Phase::Ending;
            }
            Some(Err(error)) => {
                self.stats.recv_failed += 1;
                if !core::mem::replace(&mut self.news.has_transport_failed, true) {
                    warn!(%error, "transport cannot receive");
                    let reason = error.to_string();
                    self.news.events.push(Event::TransportFailed { reason });
                }
            }
        }
    }

    async fn handle_packets(&mut self) {
        for (from, packet) in self.inputs.packets.iter() {
            self.stats.packets_in += 1;
            trace!(%from, bytes = packet.len(), "received");
            if let Err(error) = self.engine.handle_data(packet, &mut self.outputs) {
                self.stats.packets_refused += 1;
                debug!(%from, bytes = packet.len(), %error, "packet refused");
            }
            if self.outputs.is_full() {
                self.outputs.flush(&mut self.stats).await;
            }
        }
    }

    async fn handle_timers(&mut self) {
        self.outputs.now = self.inputs.now();
        for _ in 0..TIMERS_MAX {
            let Some(timer) = self.outputs.timers.pop_due(self.outputs.now) else {
                break;
            };
            if let Timer::Forget { id, .. } = &timer {
                self.news.touched.insert(id.addr());
            }
            self.engine.handle_timer(timer, &mut self.outputs);
            if self.outputs.is_full() {
                self.outputs.flush(&mut self.stats).await;
            }
        }
        self.check_leave();
    }

    /// Asks the seeds, while there is nobody else.
    fn seek(&mut self) {
        let alone = self.is_alone();
        let found = self.inputs.seeds.ask_if_due(self.inputs.now(), alone);
        self.try_seeds(found);
    }

    fn handle_found(&mut self) {
        let found = core::mem::take(&mut self.inputs.found);
        self.try_seeds(found);
    }

    fn try_seeds(&mut self, found: Vec<Found>) {
        for (seed, addrs) in found {
            match addrs {
                Ok(addrs) if !addrs.is_empty() => self.try_addrs(&addrs),
                result => {
                    let none = || String::from("no address");
                    let reason = result.map_or_else(|error| error.to_string(), |_| none());
                    self.stats.seeds_unresolved += 1;
                    warn!(%seed, reason, "seed cannot be resolved");
                    let event = Event::SeedUnresolved { seed, reason };
                    self.news.events.push(event);
                }
            }
        }
    }

    fn try_addrs(&mut self, addrs: &[SocketAddr]) {
        for &addr in addrs {
            // Somebody may have answered while this was looked up.
            if !self.is_alone() {
                return;
            }
            if self.is_our_own(addr) || self.lifeline.0.local_addr.is_ipv4() && addr.is_ipv6() {
                self.stats.seeds_passed_over += 1;
                continue;
            }
            match self.announce(addr) {
                Ok(()) => {
                    self.stats.seeds_announced += 1;
                    debug!(%addr, "seed asked to let us in");
                }
                Err(error) => {
                    self.stats.seeds_passed_over += 1;
                    debug!(%addr, %error, "seed passed over");
                }
            }
        }
    }

    fn is_our_own(&self, addr: SocketAddr) -> bool {
        let local = self.lifeline.0.local_addr;
        let is_loopback =
            local.ip().is_unspecified() && addr.ip().is_loopback() && addr.port() == local.port();
        addr == local || addr == self.engine.identity().socket_addr() || is_loopback
    }

    /// Shows the handles what changed.
    fn publish(&mut self) {
        let mut notices = core::mem::take(&mut self.outputs.notices);
        for notice in notices.drain(..) {
            if let OwnedNotification::LeaveAcked(member) = notice {
                self.on_leave_acked(member);
            } else if let Some(event) = Event::from_notice(notice) {
                self.note(event);
            }
        }
        self.outputs.notices = notices;
        self.check_leave();
        self.audit();

        let members: Vec<_> = self
            .news
            .touched
            .drain()
            .map(|addr| {
                let member = self.engine.member(&addr);
                let member = member.map(|m| Member::new(m.id.clone(), m.incarnation, m.state));
                (addr, member)
            })
            .collect();
        let shared = &self.lifeline.0;
        if !members.is_empty() || !self.news.events.is_empty() {
            shared.publish(
                self.engine.identity(),
                members,
                &self.news.events,
                SystemTime::now(),
            );
            self.news.events.clear();
        }
        self.stats.engine = *self.engine.counters();
        self.stats.members_active = self.engine.num_members() as u64;
        self.stats.updates_waiting = self.engine.updates_backlog() as u64;
        self.stats.broadcasts_waiting = self.engine.broadcasts_backlog() as u64;
        self.stats.timers_waiting = self.outputs.timers.len() as u64;
    }

    fn note(&mut self, event: Event<I>) {
        if let Some(member) = event.member() {
            self.news.touched.insert(member.addr());
        }
        match &event {
            Event::AddrConflict { ours, theirs } => {
                warn!(?ours, ?theirs, "somebody else uses our address");
            }
            Event::Defunct => warn!("declared down, and cannot come back under this identity"),
            event => debug!(?event, "changed"),
        }
        self.news.events.push(event);
    }

    /// Compares a few members of the view with the engine: it does not tell when a member's
    /// incarnation rises, or when it forgets one for want of room.
    fn audit(&mut self) {
        let published = self.lifeline.0.published();
        for _ in 0..AUDITED_PER_TURN {
            let place = self.news.audited;
            self.news.audited = place.wrapping_add(1);
            if let Some(shown) = published.view.at_place(place) {
                let addr = shown.id.addr();
                let is_same = self.engine.member(&addr).is_some_and(|known| {
                    *known.id == shown.id
                        && known.incarnation == shown.incarnation
                        && known.state == shown.state
                });
                if !is_same {
                    self.news.touched.insert(addr);
                }
            }
        }
    }
}

/// Answers a command; whoever asked may have gone.
fn answer<R>(reply: oneshot::Sender<R>, result: R) {
    let _ = reply.send(result);
}

/// How many probe periods members have to acknowledge that we leave.
const LEAVE_PERIODS: u32 = 2;
/// The most timers handled in one turn.
const TIMERS_MAX: usize = 256;
/// How many places of the view are compared with the engine in each turn.
const AUDITED_PER_TURN: usize = 4;

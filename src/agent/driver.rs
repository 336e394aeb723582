//! The one task that owns the engine.
//!
//! A turn: wait for anything; take everything that is there, up to named bounds; hand it to the
//! engine, commands first, then packets, then timers; publish what changed; send what came out.
//! A timer that is due waits for all packets that are there: they came before it.

use alloc::{boxed::Box, string::ToString, sync::Arc, vec::Vec};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::io;

use futures::channel::oneshot;

use super::{
    Departure, Event, Stats,
    admission::Proof,
    cluster::Command,
    inputs::{Inputs, earlier},
    latency::Stopwatch,
    leave::Phase,
    messages::Lanes,
    metadata::Known,
    news::News,
    outputs::Outputs,
    queries::Queries,
    remembered::Remembered,
    shared::{Shared, counted},
    snapshot::Saver,
    sync::Syncing,
};
use crate::{
    BroadcastHandler, Codec, Engine, Identity, Locate, Transport,
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
pub(super) struct Agent<I: Identity, C, T: Transport, H: BroadcastHandler<I>> {
    pub(super) engine: Engine<I, C, H>,
    pub(super) transport: Arc<T>,
    pub(super) inputs: Inputs<I, T>,
    pub(super) outputs: Outputs<I, T>,
    pub(super) lifeline: Lifeline<I>,
    pub(super) news: News<I>,
    pub(super) stats: Stats,
    pub(super) stopwatch: Stopwatch,
    pub(super) phase: Phase<I>,
    pub(super) remembered: Remembered<I>,
    pub(super) sync: Syncing<I, T::Stream>,
    pub(super) proof: Proof,
    pub(super) metadata: Known<I>,
    pub(super) lanes: Lanes<I>,
    pub(super) queries: Queries<I>,
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// The task.
    pub(super) async fn run(mut self: Box<Self>) {
        self.outputs.now = self.inputs.now();
        self.engine.start(&mut self.outputs);
        let mut leavers = Vec::new();
        loop {
            self.seek();
            self.sync_if_due();
            self.fetch_if_wanted();
            self.gossip_aside_if_due();
            self.publish();
            self.save_if_due();
            self.outputs.flush(&mut self.stats).await;
            self.lifeline.0.set_stats(&self.stats);
            if matches!(self.phase, Phase::Ending) {
                break;
            }
            let deadline = self.next_deadline();
            self.inputs.wait(deadline).await;
            self.turn(&mut leavers).await;
        }
        self.finish_saving().await;
        self.transport.close().await;
        self.stats.transport = counted(&*self.transport);
        self.lifeline.0.set_stats(&self.stats);
        debug!("stopped");
        let departure = self.lifeline.0.published().departure;
        // The handles learn of the end first: who waited for it finds the agent stopped.
        drop(self);
        if let Some(departure) = departure {
            leavers
                .into_iter()
                .for_each(|leaver| answer(leaver, departure));
        }
    }

    async fn turn(&mut self, leavers: &mut Vec<oneshot::Sender<Departure>>) {
        self.stats.turns += 1;
        self.outputs.now = self.inputs.now();
        self.handle_commands(leavers);
        self.handle_received();
        self.handle_packets().await;
        self.handle_streams();
        self.catch_up().await;
        self.time_probes();
        self.handle_timers().await;
        self.time_probes();
        self.hear_some_more();
        self.send_last_resort();
        self.handle_found();
        self.handle_saved();
        if self.inputs.is_closed && matches!(self.phase, Phase::Running) {
            self.phase = Phase::Ending;
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let leave = match &self.phase {
            Phase::Leaving(leave) => Some(leave.deadline),
            _ => None,
        };
        let has_more = !self.remembered.is_empty();
        let seeds = self.inputs.seeds.next_deadline(self.company(), has_more);
        let saver = self.inputs.saver.as_ref().and_then(Saver::next_deadline);
        let timers = self.outputs.timers.next_deadline();
        let sync = self.sync.next_deadline();
        let aside = self.metadata_deadline();
        let sync = earlier(sync, self.hearing_deadline());
        let own = earlier(earlier(sync, aside), earlier(leave, saver));
        earlier(own, earlier(seeds, timers))
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
                Command::DeclareDown { id, reply } => {
                    let declared = self.engine.declare_down(&id, &mut self.outputs);
                    answer(reply, declared.map_err(Into::into));
                }
                Command::Announce { to, reply } => answer(reply, self.announce(to)),
                Command::SetConfig { mut config, reply } => {
                    self.proof.settle(&mut config);
                    let (is_bare, datagram_max) = (config.foca_wire, config.max_packet_size);
                    let set = self.engine.set_config(*config, &mut self.outputs);
                    self.lifeline.0.set_config(self.engine.config());
                    if set.is_ok() {
                        self.outputs.envelope.set_bare(is_bare);
                        self.outputs.datagram_max = datagram_max;
                    }
                    answer(reply, set.map_err(Into::into));
                }
                Command::Send {
                    to,
                    bytes,
                    is_reliable,
                    reply,
                } => answer(reply, self.dispatch(&to, bytes, is_reliable)),
                Command::Query { of, question } => self.query(&of, question),
                Command::SetMetadata { bytes, reply } => answer(reply, self.set_metadata(bytes)),
                Command::Tune { tuning, reply } => {
                    self.tune(tuning);
                    answer(reply, ());
                }
                Command::Probing { reply } => answer(reply, self.engine.probing()),
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
        let packets = core::mem::take(&mut self.inputs.packets);
        for packet in packets.iter() {
            trace!(from = %packet.from, bytes = packet.bytes.len(), "received");
            self.take_in(&packet);
            if self.outputs.is_full() {
                self.outputs.flush(&mut self.stats).await;
            }
        }
        self.inputs.packets = packets;
    }

    /// Handles the packets that arrived before a timer that is due now. After a stall there may be
    /// many, and an answer among them must not come too late for having waited.
    async fn catch_up(&mut self) {
        for _ in 0..BATCHES_MAX {
            self.outputs.now = self.inputs.now();
            let deadline = self.outputs.timers.next_deadline();
            let is_due = deadline.is_some_and(|deadline| deadline <= self.outputs.now);
            if !is_due || !self.inputs.take_more().await {
                break;
            }
            self.handle_received();
            self.handle_packets().await;
        }
        self.handle_received();
    }

    fn time_probes(&mut self) {
        let (counters, took) = (self.engine.counters(), &mut self.stats.probe_latency);
        self.stopwatch.look(counters, self.outputs.now, took);
    }

    async fn handle_timers(&mut self) {
        self.outputs.now = self.inputs.now();
        for _ in 0..TIMERS_MAX {
            let Some(timer) = self.outputs.timers.pop_due(self.outputs.now) else {
                break;
            };
            self.engine.handle_timer(timer, &mut self.outputs);
            if self.outputs.is_full() {
                self.outputs.flush(&mut self.stats).await;
            }
        }
        self.check_leave();
    }
}

/// Answers a command; whoever asked may have gone.
fn answer<R>(reply: oneshot::Sender<R>, result: R) {
    let _ = reply.send(result);
}

/// The most batches of packets handled before timers that are due: more than sockets hold, as a
/// rule, but an end to it.
const BATCHES_MAX: usize = 128;
/// The most timers handled in one turn.
const TIMERS_MAX: usize = 256;

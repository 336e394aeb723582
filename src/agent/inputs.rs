//! What the driver waits for.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use std::{io, time::Instant};

use futures::Stream;
use smol::{Timer, channel::Receiver, future::poll_once};

use super::{
    Limits,
    cluster::Command,
    seeds::{Found, Seeds},
    snapshot::Saver,
    streams::{Outcome, Streams},
};
use crate::{
    Identity, Transport,
    transport::{Batch, PeerStream},
};

/// Everything that makes the driver turn, and what came of waiting for it.
pub(super) struct Inputs<I: Identity, T: Transport> {
    transport: Arc<T>,
    inbox: Inbox<I>,
    timer: Timer,
    timer_at: Option<Instant>,
    pub(super) started: Instant,
    recv_pause: RecvPause,
    pub(super) seeds: Seeds,
    pub(super) saver: Option<Saver>,
    /// Commands taken, at most [`COMMANDS_MAX`].
    pub(super) commands: Vec<Command<I>>,
    /// Whether all handles are gone.
    pub(super) is_closed: bool,
    pub(super) packets: Batch,
    /// How the last attempt to receive ended, if it did.
    pub(super) received: Option<io::Result<()>>,
    /// Seeds looked up.
    pub(super) found: Vec<Found>,
    /// How writing the snapshot ended, if it did.
    pub(super) saved: Option<io::Result<()>>,
    pub(super) streams: Streams<I, T>,
    /// A stream that a peer opened.
    pub(super) accepted: Option<PeerStream<T::Stream>>,
    accept_pause: RecvPause,
    /// What became of streams, at most [`OUTCOMES_MAX`].
    pub(super) outcomes: Vec<Outcome<I, T::Stream>>,
}

impl<I: Identity<Addr: Send> + Send + 'static, T: Transport> Inputs<I, T> {
    pub(super) fn new(
        transport: Arc<T>,
        commands: Receiver<Command<I>>,
        seeds: Seeds,
        saver: Option<Saver>,
        limits: &Limits,
    ) -> Self {
        Self {
            transport: transport.clone(),
            inbox: Inbox(Box::pin(commands)),
            timer: Timer::never(),
            timer_at: None,
            started: Instant::now(),
            recv_pause: RecvPause::default(),
            seeds,
            saver,
            commands: Vec::new(),
            is_closed: false,
            packets: Batch::new(),
            received: None,
            found: Vec::new(),
            saved: None,
            streams: Streams::new(transport, limits),
            accepted: None,
            accept_pause: RecvPause::default(),
            outcomes: Vec::new(),
        }
    }

    /// Since the driver was made.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until something is there, or `deadline`, then takes everything that is there, up to
    /// the bounds.
    pub(super) async fn wait(&mut self, deadline: Option<Duration>) {
        self.packets.clear();
        let now = self.started.elapsed();
        let is_paused = self.recv_pause.until.is_some_and(|until| now < until);
        let resumed_at = self.recv_pause.until.filter(|_| is_paused);
        let accepts_at = self.accept_pause.until.filter(|&until| now < until);
        let accepts = accepts_at.is_none() && self.transport.has_streams();
        self.set_timer(earlier(deadline, earlier(resumed_at, accepts_at)));

        let mut has_waited = false;
        let mut accepted = None;
        {
            let mut recv = pin!(self.transport.recv(&mut self.packets));
            let mut accept = pin!(self.transport.accept());
            poll_fn(|cx| {
                let mut is_ready = self.timer_at.is_some() && poll(&mut self.timer, cx).is_ready();
                is_ready |= self.inbox.take(cx, &mut self.commands, &mut self.is_closed);
                while let Poll::Ready(found) = self.seeds.poll_found(cx) {
                    self.found.push(found);
                    is_ready = true;
                }
                if let Some(saver) = &mut self.saver
                    && let Poll::Ready(saved) = saver.poll_saved(cx)
                {
                    self.saved = Some(saved);
                    is_ready = true;
                }
                if !is_paused && let Poll::Ready(result) = recv.as_mut().poll(cx) {
                    self.received = Some(result);
                    is_ready = true;
                }
                while self.outcomes.len() < OUTCOMES_MAX
                    && let Poll::Ready(outcome) = self.streams.poll_outcome(cx)
                {
                    self.outcomes.push(outcome);
                    is_ready = true;
                }
                if accepts && let Poll::Ready(result) = accept.as_mut().poll(cx) {
                    accepted = Some(result);
                    is_ready = true;
                }
                if is_ready {
                    return Poll::Ready(());
                }
                has_waited = true;
                Poll::Pending
            })
            .await;
        }
        self.note_received();
        match accepted {
            Some(Ok(stream)) => {
                self.accepted = Some(stream);
                self.accept_pause = RecvPause::default();
            }
            Some(Err(_)) => self.accept_pause.grow(self.started.elapsed()),
            None => {}
        }
        if !has_waited {
            // There is always something: let the executor's other tasks have their turn, too.
            smol::future::yield_now().await;
        }
    }

    /// Takes packets that are there already, in the place of those before. Returns whether there
    /// are any.
    pub(super) async fn take_more(&mut self) -> bool {
        self.packets.clear();
        if self.recv_pause.until.is_some() {
            return false;
        }
        self.received = poll_once(self.transport.recv(&mut self.packets)).await;
        self.note_received();
        !self.packets.is_empty()
    }

    fn note_received(&mut self) {
        match &self.received {
            Some(Ok(())) => self.recv_pause = RecvPause::default(),
            Some(Err(_)) => self.recv_pause.grow(self.started.elapsed()),
            None => {}
        }
    }

    fn set_timer(&mut self, deadline: Option<Duration>) {
        let at = deadline.and_then(|deadline| self.started.checked_add(deadline));
        // A timer that fired is not armed any more, even if it was for the same moment.
        if at == self.timer_at && self.timer.will_fire() {
            return;
        }
        self.timer_at = at;
        if let Some(at) = at {
            self.timer.set_at(at);
        } else {
            self.timer.clear();
        }
    }
}

fn poll(timer: &mut Timer, cx: &mut Context<'_>) -> Poll<Instant> {
    Pin::new(timer).poll(cx)
}

/// The earlier of two moments that may never come.
pub(super) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

/// The commands that wait. Dropped, it drops them: their callers learn that the agent stopped.
struct Inbox<I>(Pin<Box<Receiver<Command<I>>>>);

impl<I> Inbox<I> {
    /// Takes what is there; returns whether there was something.
    fn take(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Vec<Command<I>>,
        is_closed: &mut bool,
    ) -> bool {
        let before = (to.len(), *is_closed);
        while to.len() < COMMANDS_MAX && !*is_closed {
            match self.0.as_mut().poll_next(cx) {
                Poll::Ready(Some(command)) => to.push(command),
                Poll::Ready(None) => *is_closed = true,
                Poll::Pending => break,
            }
        }
        before != (to.len(), *is_closed)
    }
}

impl<I> Drop for Inbox<I> {
    fn drop(&mut self) {
        self.0.close();
        // The channel itself lives for as long as there is a handle.
        while self.0.try_recv().is_ok() {}
    }
}

/// How long receiving rests after an error: twice as long after each.
#[derive(Default)]
struct RecvPause {
    until: Option<Duration>,
    length: Duration,
}

impl RecvPause {
    fn grow(&mut self, now: Duration) {
        self.length = self.length.saturating_mul(2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.until = Some(now.saturating_add(self.length));
    }
}

/// How much of what became of streams is taken in one turn.
const OUTCOMES_MAX: usize = 64;
/// The most commands taken in one turn, and the most that wait: room for them is held throughout,
/// and who has one more waits for it.
pub(super) const COMMANDS_MAX: usize = 16;
/// How long receiving rests after the first error.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest that receiving rests.
const PAUSE_MAX: Duration = Duration::from_secs(1);

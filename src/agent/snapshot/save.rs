//! Writing the snapshot, beside what the driver does.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{collections::HashSet, io, path::PathBuf};

use smol::{Task, Timer};

use super::{file::Writer, layout};
use crate::{
    BroadcastHandler, Codec, Identity, Locate, Member, State, Transport,
    agent::{Event, Members, driver::Agent, remembered::Remembered},
    trace::{debug, warn},
};

/// When to write which file, and whether it is being written.
#[derive(Debug)]
pub(in crate::agent) struct Saver {
    writer: Writer,
    cluster: String,
    /// The least time between two writes.
    period: Duration,
    /// When to write, if there is something to write.
    due: Option<Duration>,
    last: Duration,
    writing: Option<Task<io::Result<()>>>,
    has_failed: bool,
}

impl Saver {
    pub(in crate::agent) fn new(path: PathBuf, cluster: String, period: Duration) -> Self {
        Self {
            writer: Writer::new(path),
            cluster,
            period: period.clamp(PERIOD_MIN, PERIOD_MAX),
            due: None,
            last: Duration::ZERO,
            writing: None,
            has_failed: false,
        }
    }

    /// Writes what is known at the start, and waits for that: whoever hears of an identity of ours
    /// must not hear of an older one later.
    pub(in crate::agent) async fn begin<I, C>(
        &mut self,
        own: &I,
        remembered: &Remembered<I>,
        codec: &mut C,
    ) -> io::Result<()>
    where
        I: Identity,
        C: Codec<I>,
    {
        let others = remembered.iter().cloned();
        let bytes = layout::encode(&self.cluster, own.clone(), others, codec);
        let written = self.write(bytes).await;
        self.has_failed = written.is_err();
        if self.has_failed {
            self.note();
        }
        written
    }

    /// When to write, unless that is being done.
    pub(in crate::agent) fn next_deadline(&self) -> Option<Duration> {
        self.due.filter(|_| self.writing.is_none())
    }

    /// Whether there is something that is not in the file yet.
    pub(in crate::agent) fn is_waiting(&self) -> bool {
        self.due.is_some() || self.writing.is_some()
    }

    pub(in crate::agent) fn set_period(&mut self, period: Duration) {
        self.period = period.clamp(PERIOD_MIN, PERIOD_MAX);
        if self.due.take().is_some() {
            self.note();
        }
    }

    /// Something changed that the file should have.
    pub(in crate::agent) fn note(&mut self) {
        let next = self.last.saturating_add(self.period);
        self.due.get_or_insert(next);
    }

    /// Something changed that the file should have at once.
    pub(in crate::agent) fn note_urgent(&mut self) {
        self.due = Some(Duration::ZERO);
    }

    /// The outcome of writing, when it has come to an end.
    pub(in crate::agent) fn poll_saved(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Pending;
        };
        let saved = Pin::new(writing).poll(cx);
        if saved.is_ready() {
            self.writing = None;
        }
        saved
    }

    fn write(&self, bytes: Option<Vec<u8>>) -> Task<io::Result<()>> {
        let write = self.writer.writing();
        smol::unblock(move || match bytes {
            Some(bytes) => write(&bytes),
            None => Err(io::Error::other("our identity cannot be encoded")),
        })
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Writes the snapshot if it is time to.
    pub(in crate::agent) fn save_if_due(&mut self) {
        let now = self.inputs.now();
        let Some(saver) = &mut self.inputs.saver else {
            return;
        };
        if saver.next_deadline().is_some_and(|due| due <= now) {
            self.save();
        }
    }

    fn save(&mut self) {
        let Some(saver) = &mut self.inputs.saver else {
            return;
        };
        let members = self.lifeline.0.published().view.copy();
        let own = self.engine.identity().clone();
        let others = in_order(&members, &self.remembered);
        let bytes = layout::encode(&saver.cluster, own, others, self.engine.codec_mut());
        saver.due = None;
        saver.last = self.inputs.started.elapsed();
        saver.writing = Some(saver.write(bytes));
    }

    /// Takes note of how writing ended.
    pub(in crate::agent) fn handle_saved(&mut self) {
        let Some(saved) = self.inputs.saved.take() else {
            return;
        };
        let Some(saver) = &mut self.inputs.saver else {
            return;
        };
        match saved {
            Ok(()) => {
                self.stats.snapshots_written += 1;
                saver.has_failed = false;
                debug!("snapshot written");
            }
            Err(error) => {
                self.stats.snapshots_failed += 1;
                saver.note();
                if !core::mem::replace(&mut saver.has_failed, true) {
                    warn!(%error, "snapshot cannot be written");
                    let reason = error.to_string();
                    self.news.events.push(Event::SnapshotFailed { reason });
                }
            }
        }
    }

    /// At the end: what is not in the file yet gets there, unless it takes too long.
    pub(in crate::agent) async fn finish_saving(&mut self) {
        let late = async {
            Timer::after(FINISH_MAX).await;
            Err(io::Error::from(io::ErrorKind::TimedOut))
        };
        let finish = async {
            let Some(saver) = &mut self.inputs.saver else {
                return Ok(());
            };
            if let Some(writing) = saver.writing.take() {
                writing.await.ok();
            }
            if saver.due.is_some() {
                self.save();
            }
            match self.inputs.saver.as_mut().and_then(|s| s.writing.take()) {
                Some(writing) => writing.await,
                None => Ok(()),
            }
        };
        if let Err(error) = smol::future::or(finish, late).await {
            self.stats.snapshots_failed += 1;
            warn!(%error, "last snapshot was not written");
        }
    }
}

/// The members, and those that are remembered only, as they were: the active first, then the down,
/// then those that left.
fn in_order<'a, I: Identity>(
    members: &'a Members<I>,
    remembered: &'a Remembered<I>,
) -> impl Iterator<Item = Member<I>> + 'a {
    let known: HashSet<_> = match remembered.is_empty() {
        true => HashSet::new(),
        false => members.iter().map(|member| member.id.addr()).collect(),
    };
    let known = Arc::new(known);
    let with = move |is_wanted: fn(State) -> bool| {
        let known = known.clone();
        let heard = members.iter().filter(move |m| is_wanted(m.state));
        let heard = heard.map(|m| Member::new(m.id.clone(), m.incarnation, m.state));
        let is_unheard = move |m: &&Member<I>| !known.contains(&m.id.addr());
        let unheard = remembered.iter().filter(is_unheard).cloned();
        heard.chain(unheard.filter(move |m| is_wanted(m.state)))
    };
    with(State::is_active)
        .chain(with(|state| state == State::Down))
        .chain(with(|state| !state.is_active() && state != State::Down))
}

/// The least time between two writes, unless said otherwise.
pub(in crate::agent) const PERIOD: Duration = Duration::from_secs(10);
/// The least and the most that this can be set to.
const PERIOD_MIN: Duration = Duration::from_millis(10);
const PERIOD_MAX: Duration = Duration::from_secs(86_400);
/// How long the end of the agent waits for the last write.
const FINISH_MAX: Duration = Duration::from_secs(2);

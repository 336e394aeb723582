//! What happens, as a stream: complete for a reader that keeps up, and for one that does not, the
//! difference that it missed.

mod readers;

use alloc::{collections::VecDeque, string::String, sync::Arc};
use core::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, stream::FusedStream};

pub(super) use self::readers::Readers;
use self::readers::introduce;
use super::{
    Members, Seed,
    shared::{Published, Shared},
};
use crate::{Identity, OwnedNotification};

/// Something that happened in the cluster, or to this agent.
///
/// A reader that does not keep up gets what happened to one member in the meantime as one event,
/// or two, that leads from what it knows to what is: see [`Events`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<I> {
    /// A member is part of the cluster that was not before.
    Joined(I),
    /// A member did not answer somebody; it may still refute that.
    Suspected {
        /// The member.
        member: I,
        /// Who accuses it, if that was told: neither by those on foca's wire, nor to a reader that
        /// did not keep up.
        by: Option<I>,
    },
    /// A suspected member showed that it is alive.
    Refuted(I),
    /// A member was declared down: it failed.
    Failed(I),
    /// A member left, by its own word. If that comes late, it was declared down before.
    Left(I),
    /// A member has a new identity (same address): it moved, or restarted.
    Renamed {
        /// Who it was.
        before: I,
        /// Who it is.
        after: I,
    },
    /// A member says something else of itself, which its
    /// [`metadata`](super::MemberInfo::metadata) shows.
    MetadataChanged(I),
    /// At least one other member is known.
    Connected,
    /// No other member is active: seeds are asked again.
    Alone,
    /// The cluster had declared us down; we are back under this renewed identity.
    Rejoined(I),
    /// The cluster declared us down, and our identity cannot be renewed: nobody hears us until
    /// the process starts again under another one. [Members](super::Cluster::members) stay as we
    /// knew them last, and [`Cluster::status`](super::Cluster::status) says so.
    Defunct,
    /// Somebody else uses our address: our name, if we are a [`Node`](crate::Node). Told again
    /// every ten seconds at most, for as long as that is so. Each of the two renews itself once;
    /// then one gives up and is [defunct](Self::Defunct).
    AddrConflict {
        /// Our identity.
        ours: I,
        /// The other one.
        theirs: I,
    },
    /// A seed could not be resolved. The others are asked nonetheless, and this one later.
    SeedUnresolved {
        /// Which one.
        seed: Seed,
        /// What the resolver said.
        reason: String,
    },
    /// The snapshot could not be read, and was set aside, or it cannot be written. Writing is tried
    /// again, and told again once it succeeded in between.
    SnapshotFailed {
        /// What is the matter.
        reason: String,
    },
    /// The transport cannot receive. It is tried again, less and less often.
    TransportFailed {
        /// What it said.
        reason: String,
    },
    /// The transport received again.
    TransportRecovered,
    /// This member answered a probe only by a stream: packets between it and us get lost, and
    /// between it and those that we asked. It is not suspected for that. Told each time.
    PacketsBlocked(I),
    /// The agent stopped: left, dropped, or its transport was closed. The last event.
    Stopped,
}

/// What an event is about, for those of which only the last one matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Connection,
    Ourselves,
    AddrConflict,
    Seeds,
    Snapshot,
    Transport,
    Blocked,
}

impl<I> Event<I> {
    /// What the engine reports, if it is for users of the agent.
    pub(super) fn from_notice(notice: OwnedNotification<I>) -> Option<Self> {
        Some(match notice {
            OwnedNotification::MemberUp(id) => Self::Joined(id),
            OwnedNotification::MemberDown(id) => Self::Failed(id),
            OwnedNotification::MemberLeft(id) => Self::Left(id),
            OwnedNotification::Rename { before, after } => Self::Renamed { before, after },
            OwnedNotification::MemberSuspect { id: member, by } => Self::Suspected { member, by },
            OwnedNotification::MemberRefuted(id) => Self::Refuted(id),
            OwnedNotification::DatagramsBlocked(id) => Self::PacketsBlocked(id),
            OwnedNotification::Active => Self::Connected,
            OwnedNotification::Idle => Self::Alone,
            OwnedNotification::Rejoin(id) => Self::Rejoined(id),
            OwnedNotification::Defunct => Self::Defunct,
            OwnedNotification::AddrConflict { ours, theirs } => Self::AddrConflict { ours, theirs },
            OwnedNotification::SuspicionConfirmed { .. }
            | OwnedNotification::ProbedThrough { .. }
            | OwnedNotification::IncarnationRaised(_)
            | OwnedNotification::MemberForgotten(_)
            | OwnedNotification::LeaveAcked(_) => return None,
        })
    }

    /// The member it is about, under its present identity.
    pub fn member(&self) -> Option<&I> {
        match self {
            Self::Joined(id)
            | Self::Suspected { member: id, .. }
            | Self::Refuted(id)
            | Self::Failed(id)
            | Self::Left(id)
            | Self::MetadataChanged(id)
            | Self::Renamed { after: id, .. } => Some(id),
            _ => None,
        }
    }

    /// `None` for those about members: these are told apart by their effect.
    fn topic(&self) -> Option<Topic> {
        match self {
            Self::Connected | Self::Alone => Some(Topic::Connection),
            Self::Rejoined(_) | Self::Defunct | Self::Stopped => Some(Topic::Ourselves),
            Self::AddrConflict { .. } => Some(Topic::AddrConflict),
            Self::SeedUnresolved { .. } => Some(Topic::Seeds),
            Self::PacketsBlocked(_) => Some(Topic::Blocked),
            Self::SnapshotFailed { .. } => Some(Topic::Snapshot),
            Self::TransportFailed { .. } | Self::TransportRecovered => Some(Topic::Transport),
            _ => None,
        }
    }
}

/// A stream of [`Event`]s: see [`Cluster::events`](super::Cluster::events).
///
/// It begins with the members as they were when it was made: [`Event::Joined`] for each that was
/// active, in the order of [`Members`], with [`Event::Suspected`] after those that were suspected,
/// and then [`Event::Connected`], if there were any. What happened since follows. Whoever applies
/// one after the other has the members as they are, and needs no other call.
///
/// It never holds the agent up. Events that its reader does not take are queued to a
/// [bound](super::Limits::reader_events); after that it gets, for each member that changed meanwhile, events that lead to the state that
/// the member is in, and of each other kind of event the last. It ends after
/// [`Event::Stopped`]; holding it does not keep the agent running.
pub struct Events<I: Identity> {
    shared: Arc<Shared<I>>,
    reader: u64,
    /// What it begins with, until that is asked for.
    snapshot: Option<Members<I>>,
    ready: VecDeque<Event<I>>,
    is_over: bool,
}

// The shared part is behind an `Arc`, and events are never pinned.
impl<I: Identity> Unpin for Events<I> {}

impl<I: Identity> Events<I> {
    /// For a user: one of a bounded number.
    pub(super) fn new(shared: Arc<Shared<I>>) -> Self {
        let mut published = shared.published();
        if published.readers.is_full() {
            published.readers.refused += 1;
            drop(published);
            return Self {
                shared,
                reader: NO_READER,
                snapshot: None,
                ready: VecDeque::new(),
                is_over: true,
            };
        }
        drop(published);
        Self::beyond_limits(shared)
    }

    /// For a call that has an end.
    pub(super) fn beyond_limits(shared: Arc<Shared<I>>) -> Self {
        let mut published = shared.published();
        let reader = published.readers.add();
        let snapshot = (!published.is_stopped).then(|| published.view.copy());
        if published.is_defunct {
            published.readers.tell(reader, Event::Defunct);
        }
        drop(published);
        Self {
            shared,
            reader,
            snapshot,
            ready: VecDeque::new(),
            is_over: false,
        }
    }
}

impl<I: Identity> Stream for Events<I> {
    type Item = Event<I>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event<I>>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.ready.pop_front() {
                return Poll::Ready(Some(event));
            }
            if let Some(snapshot) = this.snapshot.take() {
                this.ready.extend(introduce(&snapshot));
                continue;
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            let mut published = this.shared.published();
            let Published {
                view,
                readers,
                is_stopped,
                ..
            } = &mut *published;
            let Some(queue) = readers.queues.get_mut(&this.reader) else {
                this.is_over = true;
                continue;
            };
            if !queue.events.is_empty() {
                mem::swap(&mut this.ready, &mut queue.events);
            } else if let Some(missed) = queue.missed.take() {
                let members = view.copy();
                drop(published);
                this.ready.extend(missed.into_events(&members));
            } else if *is_stopped {
                this.is_over = true;
                this.ready.push_back(Event::Stopped);
            } else {
                if !queue
                    .waker
                    .as_ref()
                    .is_some_and(|w| w.will_wake(cx.waker()))
                {
                    let replaced = queue.waker.replace(cx.waker().clone());
                    // Not under the lock: dropping a waker runs code of an executor.
                    drop(published);
                    drop(replaced);
                }
                return Poll::Pending;
            }
        }
    }
}

impl<I: Identity> FusedStream for Events<I> {
    fn is_terminated(&self) -> bool {
        self.is_over && self.ready.is_empty()
    }
}

impl<I: Identity> Drop for Events<I> {
    fn drop(&mut self) {
        let queue = self.shared.published().readers.queues.remove(&self.reader);
        // Not under the lock: dropping a waker runs code of an executor.
        drop(queue);
    }
}

impl<I: Identity> fmt::Debug for Events<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("has_begun", &self.snapshot.is_none())
            .field("ready", &self.ready.len())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

/// Stands for a reader that was refused; so many never come.
const NO_READER: u64 = u64::MAX;

#[cfg(test)]
mod tests;

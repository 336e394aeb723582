//! Where the engine's outputs go.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use crate::{Identity, Timer};

/// What the engine asks of whoever runs it.
///
/// Every input of the [`Engine`](crate::Engine) takes one; it is the engine's only way out. The
/// methods are called in the order in which things happen, and must not block.
pub trait Runtime<I: Identity> {
    /// Something happened that a user may want to know.
    fn notify(&mut self, notification: Notification<'_, I>);

    /// Send this datagram to that member. Best effort: losing it is what the protocol is for.
    fn send_to(&mut self, to: &I, data: &[u8]);

    /// Whether [`send_reliably`](Self::send_reliably) can be tried for this member. By default there
    /// is no such way.
    fn has_reliable_way(&self, to: &I) -> bool {
        let _ = to;
        false
    }

    /// Send this datagram by a way that works where datagrams get lost, such as a stream: the probe
    /// of last resort. Its receiver takes it as any other, and what it has to say to the sender
    /// goes back the same way, as well as by [`send_to`](Self::send_to). Best effort.
    fn send_reliably(&mut self, to: &I, data: &[u8]) {
        let _ = (to, data);
    }

    /// Give `timer` back to [`Engine::handle_timer`](crate::Engine::handle_timer) when `after`
    /// has passed. See [`TimerQueue`](crate::TimerQueue).
    fn submit_after(&mut self, timer: Timer<I>, after: Duration);

    /// How many bytes a datagram to this member may have. Packets fill the smaller of this and
    /// [`Config::max_packet_size`](crate::Config::max_packet_size).
    ///
    /// An item that fits the configured size, but not the room, goes alone in a larger packet,
    /// in gossip and broadcasts only: the transport has another way for it, or refuses it.
    fn room(&self, to: &I) -> usize {
        let _ = to;
        usize::MAX
    }

    /// Whether a datagram to this member costs no more than itself, where the first one to some
    /// costs a handshake. Members that are near are preferred when any will do: for gossip, for
    /// digests, and to help with a probe. Which ones are near should be a matter of chance, and
    /// change.
    fn is_near(&self, to: &I) -> bool {
        let _ = to;
        true
    }

    /// Whether `newcomer`, heard of from `sender` (itself, when it speaks for itself), may become
    /// a member. Refused ones are counted.
    fn admit(&self, newcomer: &I, sender: &I) -> bool {
        let _ = (newcomer, sender);
        true
    }
}

/// What the engine tells its user, by reference; [`to_owned`](Self::to_owned) to keep it.
pub type Notification<'a, I> = Notice<&'a I>;

/// A [`Notification`] that owns its identities.
pub type OwnedNotification<I> = Notice<I>;

/// What happened: see [`Notification`] and [`OwnedNotification`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<T> {
    /// A member is part of the cluster that was not before.
    MemberUp(T),
    /// A member was declared failed, or left.
    MemberDown(T),
    /// A member, of which a `MemberUp` was told once, has a new identity (same address). Precedes
    /// `MemberUp` and `MemberDown`, which only follow if that changed too.
    Rename {
        /// Who it was.
        before: T,
        /// Who it is.
        after: T,
    },
    /// A member left, by its own word, which comes instead of `MemberDown`, or after it if the
    /// member was believed to have failed before that word arrived.
    MemberLeft(T),
    /// A member did not answer somebody; it may still refute that.
    MemberSuspect {
        /// The member.
        id: T,
        /// Who accuses it, if that was told.
        by: Option<T>,
    },
    /// Somebody else accuses a suspected member, too: it has less time left to refute.
    SuspicionConfirmed {
        /// The member.
        id: T,
        /// Who accuses it.
        by: T,
        /// How many accuse it beyond the first.
        confirmations: u8,
    },
    /// A probe failed for which we accuse the target, and this member, which we had asked to probe
    /// it for us, brought no answer, either: told of each that was asked, after that.
    ProbedThrough {
        /// The target.
        target: T,
        /// Who was asked.
        helper: T,
        /// Whether it said that it has no answer ([`Config::nacks`](crate::Config::nacks)). If not,
        /// it, or we, may be cut off.
        was_heard: bool,
    },
    /// A member answered a probe only by the [reliable way](Runtime::send_reliably): datagrams
    /// between it and us, and between it and those that we asked, get lost.
    DatagramsBlocked(T),
    /// A suspected member showed that it is alive.
    MemberRefuted(T),
    /// A member showed a higher incarnation, in the state that it was in.
    IncarnationRaised(T),
    /// A down member is not remembered any more.
    MemberForgotten(T),
    /// At least one other member is known: the engine probes and gossips.
    Active,
    /// No other member is active.
    Idle,
    /// We were declared down and took this renewed identity.
    Rejoin(T),
    /// We were declared down, or superseded, and cannot come back by ourselves: only
    /// [`Engine::change_identity`](crate::Engine::change_identity) or
    /// [`Engine::reuse_down_identity`](crate::Engine::reuse_down_identity) bring us back.
    Defunct,
    /// Somebody else uses our address under another identity that wins, or that speaks to us.
    AddrConflict {
        /// Our identity.
        ours: T,
        /// The other one.
        theirs: T,
    },
    /// A member acknowledged that we leave.
    LeaveAcked(T),
}

impl<'a, I: Clone> Notice<&'a I> {
    /// Clones the identities.
    #[must_use]
    pub fn to_owned(&self) -> OwnedNotification<I> {
        let own = |id: &'a I| id.clone();
        match *self {
            Self::MemberUp(id) => Notice::MemberUp(own(id)),
            Self::MemberDown(id) => Notice::MemberDown(own(id)),
            Self::MemberLeft(id) => Notice::MemberLeft(own(id)),
            Self::Rename { before, after } => Notice::Rename {
                before: own(before),
                after: own(after),
            },
            Self::MemberSuspect { id, by } => Notice::MemberSuspect {
                id: own(id),
                by: by.map(own),
            },
            Self::SuspicionConfirmed {
                id,
                by,
                confirmations,
            } => Notice::SuspicionConfirmed {
                id: own(id),
                by: own(by),
                confirmations,
            },
            Self::ProbedThrough {
                target,
                helper,
                was_heard,
            } => Notice::ProbedThrough {
                target: own(target),
                helper: own(helper),
                was_heard,
            },
            Self::DatagramsBlocked(id) => Notice::DatagramsBlocked(own(id)),
            Self::MemberRefuted(id) => Notice::MemberRefuted(own(id)),
            Self::IncarnationRaised(id) => Notice::IncarnationRaised(own(id)),
            Self::MemberForgotten(id) => Notice::MemberForgotten(own(id)),
            Self::Active => Notice::Active,
            Self::Idle => Notice::Idle,
            Self::Rejoin(id) => Notice::Rejoin(own(id)),
            Self::Defunct => Notice::Defunct,
            Self::AddrConflict { ours, theirs } => Notice::AddrConflict {
                ours: own(ours),
                theirs: own(theirs),
            },
            Self::LeaveAcked(id) => Notice::LeaveAcked(own(id)),
        }
    }
}

/// A [`Runtime`] that queues everything, to be drained after each input.
///
/// For callers that prefer a loop to callbacks. Draining order within a kind is the order in which
/// things happened.
#[derive(Clone, Debug)]
pub struct AccumulatingRuntime<I> {
    to_send: VecDeque<(I, Vec<u8>)>,
    to_schedule: VecDeque<(Timer<I>, Duration)>,
    to_notify: VecDeque<OwnedNotification<I>>,
}

impl<I> AccumulatingRuntime<I> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            to_send: VecDeque::new(),
            to_schedule: VecDeque::new(),
            to_notify: VecDeque::new(),
        }
    }

    /// The next datagram to send.
    pub fn to_send(&mut self) -> Option<(I, Vec<u8>)> {
        self.to_send.pop_front()
    }

    /// The next timer to schedule, and after how long.
    pub fn to_schedule(&mut self) -> Option<(Timer<I>, Duration)> {
        self.to_schedule.pop_front()
    }

    /// The next notification.
    pub fn to_notify(&mut self) -> Option<OwnedNotification<I>> {
        self.to_notify.pop_front()
    }

    /// How much waits to be drained, of all three kinds.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.to_send.len() + self.to_schedule.len() + self.to_notify.len()
    }

    /// Drops whatever was not drained.
    pub fn clear(&mut self) {
        self.to_send.clear();
        self.to_schedule.clear();
        self.to_notify.clear();
    }
}

impl<I> Default for AccumulatingRuntime<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Identity> Runtime<I> for AccumulatingRuntime<I> {
    fn notify(&mut self, notification: Notification<'_, I>) {
        self.to_notify.push_back(notification.to_owned());
    }

    fn send_to(&mut self, to: &I, data: &[u8]) {
        self.to_send.push_back((to.clone(), data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<I>, after: Duration) {
        self.to_schedule.push_back((timer, after));
    }
}

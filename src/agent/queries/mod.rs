//! Questions that members ask each other, and that change nothing.
//!
//! ```text
//!   asker                                 member
//!     | question                            |
//!     |------------------------------------>|
//!     |                              answer |
//!     |<------------------------------------|
//!     |  another one, and so on             |
//! ```

mod answer;
mod ask;
mod error;
mod handle;
mod layout;

use alloc::{
    boxed::Box,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::time::Duration;
use std::time::SystemTime;

use futures::channel::oneshot;

use self::ask::Heard;
pub use self::{error::QueryError, handle::RoundTrips};
use crate::{Identity, Member, transport::Fingerprints};

/// Whom a member sees: see [`Cluster::view_of`](crate::Cluster::view_of).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberView<I> {
    /// Whom it holds, itself first, down ones included, with the state and the incarnation that it
    /// believes. No more than fit 1 MiB: some ten thousand and more.
    pub members: Vec<Member<I>>,
    /// How many it holds.
    pub total: usize,
}

/// What two clocks showed at about the same moment: see
/// [`Cluster::clock_of`](crate::Cluster::clock_of).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clocks {
    /// What the other member's showed, to the millisecond.
    pub theirs: SystemTime,
    /// What ours showed, in the middle between question and answer.
    pub ours: SystemTime,
    /// By how much that may be wrong at most: half the time that it took.
    pub uncertainty: Duration,
}

impl Clocks {
    /// How far the other clock is ahead of ours, in milliseconds; behind, below 0.
    #[must_use]
    pub fn ahead_millis(&self) -> i64 {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        match self.theirs.duration_since(self.ours) {
            Ok(ahead) => millis(ahead),
            Err(behind) => -millis(behind.duration()),
        }
    }
}

/// Where an answer goes.
pub(super) type Reply<R> = oneshot::Sender<Result<R, QueryError>>;

/// What a member is asked, and who waits for the answer.
pub(super) enum Question<I> {
    /// How long echoes take.
    Echo {
        count: usize,
        reply: Reply<RoundTrips>,
    },
    /// Whom it sees.
    View { reply: Reply<MemberView<I>> },
    /// What its clock shows.
    Clock { reply: Reply<Clocks> },
    /// What its keys and certificates are called.
    Fingerprints { reply: Reply<Fingerprints> },
    /// How long echoes of another one take.
    Distance {
        to: Box<I>,
        count: usize,
        reply: Reply<RoundTrips>,
    },
}

/// How far a conversation is.
pub(super) enum Stage<I> {
    /// We asked, and this came of it.
    Asked(Question<I>, Result<Heard, QueryError>),
    /// A member asks us; so many more questions may follow.
    Answering(I, Turn, usize),
    /// All is said.
    Over,
}

/// One of the few conversations in which we answer.
pub(super) struct Turn(#[expect(dead_code, reason = "counted")] Arc<()>);

/// How many questions are under way, either way.
pub(super) struct Queries<I: Identity> {
    asked: Arc<()>,
    /// On behalf of others.
    relayed: Arc<()>,
    /// The last answer with all members, and when it was made up.
    view: Option<(Duration, Vec<u8>)>,
    /// Whom we answer.
    answering: Vec<(I::Addr, Weak<()>)>,
}

impl<I: Identity> Queries<I> {
    pub(super) fn new() -> Self {
        Self {
            asked: Arc::new(()),
            relayed: Arc::new(()),
            view: None,
            answering: Vec::new(),
        }
    }

    /// A few for each peer, whichever later one of itself it says to be.
    fn take_turn(&mut self, peer: &I) -> Option<Turn> {
        self.answering.retain(|(_, turn)| turn.strong_count() > 0);
        let addr = peer.addr();
        let theirs = self.answering.iter().filter(|(other, _)| *other == addr);
        if theirs.count() >= ANSWERING_PER_PEER || self.answering.len() >= ANSWERING_MAX {
            return None;
        }
        let turn = Arc::new(());
        self.answering.push((addr, Arc::downgrade(&turn)));
        Some(Turn(turn))
    }
}

/// How many are under way with this.
fn under_way(counted: &Arc<()>) -> usize {
    Arc::strong_count(counted) - 1
}

/// How many questions of ours are under way at a time.
const ASKED_MAX: usize = 32;
/// How many distances we measure at a time for others: they count among those, too.
const RELAYED_MAX: usize = 4;
/// How many conversations we answer in at a time.
const ANSWERING_MAX: usize = 32;
/// With how many of them for one member.
const ANSWERING_PER_PEER: usize = 4;
/// How many questions are answered on one stream: echoes, and one that is not counted.
const QUESTIONS_MAX: usize = RoundTrips::ECHOES_MAX + 1;
/// How long an answer with all members is good for others who ask: whoever asks again and again
/// costs no more than that.
const VIEW_KEPT: Duration = Duration::from_millis(250);
/// How long a question may take once there is a stream.
const TIME_MAX: Duration = Duration::from_secs(10);
/// The same for a view, which has some more bytes.
const VIEW_TIME_MAX: Duration = Duration::from_secs(50);
/// How long a question may take on behalf of another member, who waits.
const RELAY_TIME_MAX: Duration = Duration::from_secs(8);

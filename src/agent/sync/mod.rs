//! State sync: two members compare what they hold over a stream, and tell each other only what
//! differs, the dead included.
//!
//! ```text
//!   asker                                   answerer
//!     | digest, or that it wants to know all  |
//!     |-------------------------------------->|
//!     |  which hashes differ, whom it holds   |
//!     |<--------------------------------------|
//!     | whom the answerer missed, or wronged  |
//!     |-------------------------------------->|
//!     |             whom the asker wronged    |
//!     |<--------------------------------------|
//! ```

mod askers;
mod hearing;
mod pace;
mod sections;
mod telling;

use alloc::{boxed::Box, vec::Vec};
use std::io;

pub(super) use self::pace::{PERIOD, Syncing};
use self::{
    askers::Asker,
    pace::Turn,
    sections::{ALL, DIGEST, METADATA_DIGEST, put_digest, put_section},
    telling::Saying,
};
use super::{
    driver::Agent,
    seeds::Company,
    streams::{self, Conversation, Dial, Next, Opening, StreamKind},
};
use crate::{BroadcastHandler, Codec, Locate, Transport, trace::debug};

/// How far two members are.
pub(super) enum Stage<I> {
    /// We asked a member.
    Asked(I, Scope),
    /// We told it what it does not know.
    Told(I),
    /// It told us where we were wrong.
    Asker,
    /// A member asks us.
    Answering(I, Turn),
    /// We answered.
    Answered(I, Turn),
    /// We told it where it was wrong.
    Answerer(Turn),
}

impl<I> Stage<I> {
    /// Who told us something, if there is something to be told.
    fn peer(&self) -> Option<&I> {
        match self {
            Self::Asked(peer, _)
            | Self::Told(peer)
            | Self::Answered(peer, _)
            | Self::Answering(peer, _) => Some(peer),
            Self::Asker | Self::Answerer(_) => None,
        }
    }

    /// Whether we hear of all for the first time.
    fn is_joining(&self) -> bool {
        matches!(self, Self::Asked(_, Scope::All))
    }
}

/// Whom to compare.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those whose hashes differ.
    Differing,
    /// All, down ones included.
    All,
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Asks a member, if it is time: at once when there is somebody at last.
    pub(super) fn sync_if_due(&mut self) {
        if self.sync.period.is_none() || self.outputs.envelope.is_bare {
            self.sync.next_at = None;
            return;
        }
        if self.company() != Company::Others {
            self.sync.wants_all = true;
            self.sync.failures = 0;
            self.sync.next_at = None;
            return;
        }
        let now = self.inputs.now();
        let at = *self.sync.next_at.get_or_insert(now);
        if now < at || self.sync.is_asking {
            return;
        }
        if !self.has_streams() {
            // Nobody to compare with: what we say of ourselves is all that we can tell again.
            self.spread_own();
            self.sync.is_over(true, now);
            return;
        }
        self.sync.is_asking = true;
        if !self.ask_somebody() {
            self.stats.syncs_failed += 1;
            self.sync.is_over(false, now);
        }
    }

    fn ask_somebody(&mut self) -> bool {
        let Some(peer) = self.whom_to_ask() else {
            return false;
        };
        let Some(preface) = self.preface(StreamKind::Sync, &peer) else {
            return false;
        };
        let mut request = Vec::new();
        let scope = match self.sync.wants_all {
            true => Scope::All,
            false => Scope::Differing,
        };
        match scope {
            Scope::All => put_section(&mut request, ALL, &[]),
            Scope::Differing => {
                let digest = self.engine.membership_digest();
                put_digest(&mut request, DIGEST, &digest);
            }
        }
        put_digest(&mut request, METADATA_DIGEST, &self.metadata_digest());
        let len = request.len() as u64;
        let dial = Dial {
            to: peer.socket_addr(),
            preface,
            check: Box::new(self.answers_as(&peer)),
        };
        let has_place = self.inputs.streams.open(Opening {
            dial,
            frames: [request].into(),
            next: Next::Read(BYTES_MAX, streams::Stage::Sync(Stage::Asked(peer, scope))),
        });
        self.stats.sync_bytes_out += if has_place { len } else { 0 };
        has_place
    }

    /// A random member, or who let us in.
    fn whom_to_ask(&mut self) -> Option<I> {
        let heard = self.sync.last_heard.take();
        let heard = heard.filter(|heard| self.is_active(heard));
        heard.or_else(|| self.random_member())
    }

    pub(super) fn random_member(&mut self) -> Option<I> {
        self.random_members(1).pop()
    }

    /// So many different members, or all that there are: some that stand beside each other.
    pub(super) fn random_members(&mut self, count: usize) -> Vec<I> {
        let others = self.engine.num_members();
        let place = self.sync.rng.usize(..others.max(1));
        let behind = self.engine.members().skip(place);
        let around = behind.chain(self.engine.members().take(place));
        around.take(count).map(|m| m.id.clone()).collect()
    }

    /// A member wants to compare.
    pub(super) fn await_sync(&mut self, peer: I, conversation: Conversation<T::Stream>) {
        let now = self.inputs.now();
        let Some(turn) = self.sync.take_turn(&peer, &conversation.source, now) else {
            self.stats.streams_refused += 1;
            self.stats.syncs_refused += 1;
            return;
        };
        let stage = streams::Stage::Sync(Stage::Answering(peer, turn));
        let next = Next::Read(REQUEST_MAX, stage);
        self.inputs.streams.converse(conversation, Vec::new(), next);
    }

    /// Says what there is to say to what was taken in.
    fn go_on(
        &mut self,
        stage: Stage<I>,
        heard: usize,
        saying: Option<Saying<I>>,
        conversation: Conversation<T::Stream>,
    ) {
        if let Stage::Answering(peer, _) | Stage::Answered(peer, _) = &stage {
            let asker = Asker::of(peer, &conversation.source);
            let bytes = heard + saying.as_ref().map_or(0, |saying| saying.frame.len());
            self.sync.askers.caused(asker, bytes, self.inputs.now());
        }
        let is_all_alike = saying.as_ref().is_some_and(|saying| saying.is_all_alike);
        let next = match stage {
            Stage::Answering(_, turn) if is_all_alike => Stage::Answerer(turn),
            Stage::Answering(peer, turn) => Stage::Answered(peer, turn),
            Stage::Asked(peer, _) if saying.is_some() => Stage::Told(peer),
            Stage::Answered(_, turn) => {
                self.stats.syncs_answered += 1;
                Stage::Answerer(turn)
            }
            Stage::Answerer(turn) => Stage::Answerer(turn),
            Stage::Asked(..) | Stage::Told(_) | Stage::Asker => Stage::Asker,
        };
        let next = match next {
            // The other one has closed it: nothing is left to be said.
            Stage::Asker => return self.on_sync_ended(&next, Ok(())),
            Stage::Answerer(_) => Next::Close(next),
            next => Next::Read(BYTES_MAX, next),
        };
        let next = next.map(streams::Stage::Sync);
        let frames: Vec<_> = saying.into_iter().map(|saying| saying.frame).collect();
        let bytes = frames.iter().map(Vec::len).sum::<usize>();
        self.stats.sync_bytes_out += bytes as u64;
        self.inputs.streams.converse(conversation, frames, next);
    }

    pub(super) fn on_sync_ended(&mut self, stage: &Stage<I>, result: io::Result<()>) {
        let is_asker = matches!(stage, Stage::Asked(..) | Stage::Told(_) | Stage::Asker);
        if let Err(error) = &result {
            debug!(%error, is_asker, "comparing failed");
            self.stats.syncs_failed += 1;
        }
        if is_asker {
            self.stats.syncs += u64::from(result.is_ok());
            self.sync.is_over(result.is_ok(), self.inputs.now());
        }
    }
}

/// The most bytes that are read of one side at a time.
const BYTES_MAX: usize = 16 << 20;
/// The most bytes of members that are said at a time, and of metadata: both in one frame, with some
/// room for what is around them.
const SAID_MAX: usize = BYTES_MAX / 2 - (64 << 10);
/// The most bytes of a request.
const REQUEST_MAX: usize = 4096;

//! Fetching metadata that is too large for packets.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;
use std::collections::HashSet;

use super::{
    Spread, entry,
    spread::{ENTRY_HEAD_LEN, put_entry},
};
use crate::{
    BroadcastHandler, Codec, Locate, Member, Transport,
    agent::{
        budget::Held,
        driver::Agent,
        streams::{self, Conversation, Dial, Next, Opening, StreamKind},
    },
};

/// Metadata that is known of, and not known.
pub(super) struct Wanted<I> {
    id: I,
    pub(super) version: u64,
    /// Who is asked for it.
    from: I,
    /// Who else has it.
    also: Option<I>,
    /// Who did not give it: at most one for each try.
    asked: Vec<I>,
    pub(super) spread: Spread,
    tries: u8,
    /// Not before.
    after: Duration,
    is_asked_for: bool,
}

impl<I: PartialEq + Clone> Wanted<I> {
    pub(super) fn new(id: I, version: u64, from: I, spread: Spread) -> Self {
        Self {
            id,
            version,
            from,
            also: None,
            asked: Vec::new(),
            spread,
            tries: 0,
            after: Duration::ZERO,
            is_asked_for: false,
        }
    }

    /// Another member told of it: members tell of what they have.
    pub(super) fn hear_again(&mut self, teller: &I) {
        if self.from != *teller {
            self.also = Some(teller.clone());
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        !self.is_asked_for && self.after <= now
    }
}

/// How far a conversation is.
pub(in crate::agent) enum Stage<I> {
    /// We asked a member for the metadata of these.
    Asked(I, Vec<I>),
    /// A member asks us.
    Answering,
    /// All is said, and on its way.
    Over(#[expect(dead_code, reason = "held")] Option<Held>),
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Asks for what is wanted, of some members at a time.
    pub(in crate::agent) fn fetch_if_wanted(&mut self) {
        self.metadata.fetch_at = None;
        if !self.has_streams() {
            return;
        }
        let now = self.inputs.now();
        while self.metadata.fetches < FETCHES_MAX {
            let mut wanted = self.metadata.wanted.values();
            let Some(from) = wanted.find(|w| w.is_due(now)).map(|w| w.from.clone()) else {
                let later = self.metadata.wanted.values().filter(|w| !w.is_asked_for);
                self.metadata.fetch_at = later.map(|w| w.after).min();
                return;
            };
            let wanted = self.metadata.wanted.values_mut();
            let mut asked = Vec::new();
            for wanted in wanted
                .filter(|w| w.is_due(now) && w.from == from)
                .take(ASKED_MAX)
            {
                wanted.is_asked_for = true;
                asked.push(wanted.id.clone());
            }
            let Some(opening) = self.question(&from, &asked) else {
                self.not_fetched(&asked);
                continue;
            };
            if !self.inputs.streams.open(opening) {
                for id in &asked {
                    if let Some(wanted) = self.metadata.wanted.get_mut(&id.addr()) {
                        wanted.is_asked_for = false;
                    }
                }
                break;
            }
            self.metadata.fetches += 1;
        }
    }

    fn question(&mut self, from: &I, asked: &[I]) -> Option<Opening<I>> {
        let mut request = Vec::new();
        for id in asked {
            let member = Member::alive(id.clone());
            let codec = self.engine.codec_mut();
            codec.encode_member(&member, &mut request).ok()?;
        }
        let preface = self.preface(StreamKind::Metadata, from)?;
        let dial = Dial {
            to: from.socket_addr(),
            preface,
            check: Box::new(self.answers_as(from)),
        };
        let stage = streams::Stage::Metadata(Stage::Asked(from.clone(), asked.to_vec()));
        Some(Opening {
            dial,
            frames: [request].into(),
            next: Next::Read(ANSWER_MAX, stage),
        })
    }

    /// A member wants some of us.
    pub(in crate::agent) fn await_fetch(&mut self, conversation: Conversation<T::Stream>) {
        let next = Next::Read(REQUEST_MAX, streams::Stage::Metadata(Stage::Answering));
        self.inputs.streams.converse(conversation, Vec::new(), next);
    }

    /// The other one said something.
    pub(in crate::agent) fn on_metadata_frame(
        &mut self,
        stage: Stage<I>,
        frame: &[u8],
        conversation: Conversation<T::Stream>,
    ) {
        match stage {
            Stage::Asked(from, asked) => {
                self.metadata.fetches -= 1;
                self.hear_entries(frame, ASKED_MAX, &from, Spread::Gossip);
                self.not_fetched(&asked);
            }
            Stage::Answering => {
                let answer = self.answer_fetch(frame);
                let held = self.metadata.answers.try_take(answer.len());
                let next = Next::Close(streams::Stage::Metadata(Stage::Over(held)));
                let frames = [answer].into();
                self.inputs.streams.converse(conversation, frames, next);
            }
            Stage::Over(_) => {}
        }
    }

    /// As many entries as there is room for, beside what others are being told.
    fn answer_fetch(&mut self, mut request: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        let room = self.metadata.answers.left();
        let mut asked = HashSet::new();
        for _ in 0..ASKED_MAX {
            let codec = self.engine.codec_mut();
            let Ok(Member { id, .. }) = codec.decode_member(&mut request) else {
                break;
            };
            if !asked.insert(id.addr()) {
                continue;
            }
            let is_us = id.addr() == self.engine.identity().addr();
            let metadata = match is_us {
                true => self.metadata.own.clone(),
                false => self.metadata.of(&id.addr()).cloned(),
            };
            if let Some(metadata) = metadata
                && let Some(entry) =
                    entry::encode(self.engine.codec_mut(), &id, &metadata, usize::MAX)
            {
                if answer.len() + entry.len() + ENTRY_HEAD_LEN > room {
                    self.stats.answers_put_off += 1;
                    break;
                }
                put_entry(&entry, &mut answer);
            }
        }
        answer
    }

    /// It came to nothing.
    pub(in crate::agent) fn on_metadata_ended(&mut self, stage: Stage<I>) {
        if let Stage::Asked(_, asked) = stage {
            self.metadata.fetches -= 1;
            self.not_fetched(&asked);
        }
    }

    /// What is still wanted of these is wanted of others, in turns: of its owner, who has it if
    /// anybody does, and of who told us of it, too, or of anybody: streams may be blocked.
    fn not_fetched(&mut self, asked: &[I]) {
        let now = self.inputs.now();
        for id in asked {
            let addr = id.addr();
            let others = self.random_members(usize::from(TRIES_MAX) + 1);
            let Some(wanted) = self.metadata.wanted.get_mut(&addr) else {
                continue;
            };
            wanted.is_asked_for = false;
            wanted.tries += 1;
            wanted.asked.push(wanted.from.clone());
            if wanted.tries >= TRIES_MAX {
                // Whoever compares with us tells us again.
                self.stats.metadata_not_fetched += 1;
                self.metadata.wanted.remove(&addr);
                continue;
            }
            let is_next_try = wanted.tries == 1 && wanted.from != wanted.id;
            if !is_next_try {
                let pause = PAUSE_MIN.saturating_mul(1 << wanted.tries);
                wanted.after = now.saturating_add(pause);
            }
            let owner = &wanted.id;
            let is_new = |other: &I| other != owner && !wanted.asked.contains(other);
            wanted.from = match wanted.tries % 2 {
                1 => None,
                _ => wanted
                    .also
                    .take()
                    .or_else(|| others.into_iter().find(is_new)),
            }
            .unwrap_or_else(|| owner.clone());
        }
    }
}

/// From how many members we fetch at a time.
const FETCHES_MAX: usize = 4;
/// For how many members' metadata is asked at a time.
const ASKED_MAX: usize = 64;
/// How often each is asked for.
const TRIES_MAX: u8 = 8;
/// How long it is not asked for after a try that failed, unless the owner is to be asked for the
/// first time: twice as long each time.
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// The most bytes of a request.
const REQUEST_MAX: usize = 64 << 10;
/// The most bytes of an answer: so many of the largest.
const ANSWER_MAX: usize = 8 << 20;

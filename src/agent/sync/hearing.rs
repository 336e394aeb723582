//! Taking in what a member told, and putting down what is said to that: a little of it in each turn
//! of the driver, which has pings to answer meanwhile.

use alloc::vec::Vec;
use core::time::Duration;
use std::io;

use super::{Stage, sections::Said, telling::Saying};
use crate::{
    BroadcastHandler, Codec, Identity, Locate, Member, Transport,
    agent::{driver::Agent, metadata::Spread, streams::Conversation},
};

/// What a member told in one frame, how much of it was taken in, and what is said to it.
pub(in crate::agent) struct Hearing<I: Identity, S> {
    stage: Stage<I>,
    said: Said,
    conversation: Conversation<S>,
    /// All that were read: believed once the last one is.
    theirs: Vec<Member<I>>,
    is_read: bool,
    applied: usize,
    /// What we say to that, once all of it was taken in.
    saying: Option<Saying<I>>,
}

/// What is left to do.
enum Progress {
    More,
    Done,
    Malformed,
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// The other one said something.
    pub(in crate::agent) fn on_sync_frame(
        &mut self,
        stage: Stage<I>,
        frame: Vec<u8>,
        conversation: Conversation<T::Stream>,
    ) {
        self.stats.sync_bytes_in += frame.len() as u64;
        let Some(said) = Said::read(frame) else {
            self.on_sync_ended(&stage, Err(io::ErrorKind::InvalidData.into()));
            return;
        };
        // One for each that we ask and answer, and those are few.
        self.sync.hearing.push_back(Hearing {
            stage,
            said,
            conversation,
            theirs: Vec::new(),
            is_read: false,
            applied: 0,
            saying: None,
        });
    }

    /// When there is more to take in: at once, if there is.
    pub(in crate::agent) fn hearing_deadline(&self) -> Option<Duration> {
        (!self.sync.hearing.is_empty()).then_some(Duration::ZERO)
    }

    /// Takes in some of what was told, and answers when that was all. One frame after the other: what
    /// is read of it takes several times its room.
    pub(in crate::agent) fn hear_some_more(&mut self) {
        let Some(mut hearing) = self.sync.hearing.pop_front() else {
            return;
        };
        if self.sync.hearing.is_empty() {
            // Seldom is anything told, and each takes half a kilobyte.
            self.sync.hearing.shrink_to_fit();
        }
        match self.take_some(&mut hearing) {
            Progress::More => self.sync.hearing.push_front(hearing),
            Progress::Done => {
                let Hearing {
                    stage,
                    said,
                    conversation,
                    saying,
                    ..
                } = hearing;
                self.go_on(stage, said.len(), saying, conversation);
            }
            Progress::Malformed => {
                self.on_sync_ended(&hearing.stage, Err(io::ErrorKind::InvalidData.into()));
            }
        }
    }

    fn take_some(&mut self, hearing: &mut Hearing<I, T::Stream>) -> Progress {
        let Some(peer) = hearing.stage.peer().cloned() else {
            return Progress::Done;
        };
        if let Some(saying) = &mut hearing.saying {
            return match self.say_some_more(saying, &hearing.theirs) {
                true => Progress::Done,
                false => Progress::More,
            };
        }
        if !hearing.is_read {
            return self.read_some(hearing);
        }
        let end = hearing.theirs.len().min(hearing.applied + APPLIED_MAX);
        if let Some(some) = hearing.theirs.get(hearing.applied..end)
            && !some.is_empty()
        {
            self.outputs.now = self.inputs.now();
            self.outputs.source = Some(hearing.conversation.source.clone());
            let some = some.iter().cloned();
            self.engine.apply_many_from(some, &peer, &mut self.outputs);
            self.outputs.source = None;
            hearing.applied = end;
            return Progress::More;
        }
        // Who joins is the last to hear of what all the others know.
        let spread = match hearing.stage.is_joining() {
            true => Spread::Nothing,
            false => Spread::Gossip,
        };
        let (metadata, left) = (hearing.said.metadata(), hearing.said.metadata().len());
        let rest = self.hear_entries(metadata, ENTRIES_MAX, &peer, spread);
        match rest {
            None => Progress::Malformed,
            Some(0) => {
                let Hearing { stage, said, .. } = &*hearing;
                hearing.saying = self.begin_to_say(stage, said);
                match hearing.saying {
                    Some(_) => Progress::More,
                    None => Progress::Done,
                }
            }
            Some(rest) => {
                hearing.said.advance_metadata(left - rest);
                Progress::More
            }
        }
    }

    fn read_some(&mut self, hearing: &mut Hearing<I, T::Stream>) -> Progress {
        let config = self.engine.config();
        // Ourselves, too. There is no room for more, and it would take its time.
        let others = config.max_members.saturating_add(config.max_down_members);
        let max = others.saturating_add(1);
        let Hearing { said, theirs, .. } = hearing;
        let mut rest = said.members();
        let before = rest.len();
        for _ in 0..READ_MAX {
            if rest.is_empty() || theirs.len() >= max {
                hearing.is_read = true;
                return Progress::More;
            }
            let len = rest.len();
            match self.engine.codec_mut().decode_member(&mut rest) {
                Ok(member) if rest.len() < len => theirs.push(member),
                _ => return Progress::Malformed,
            }
        }
        let read = before - rest.len();
        said.advance_members(read);
        Progress::More
    }
}

/// How many members are read in a turn: a millisecond's work, as are those that follow.
const READ_MAX: usize = 4096;
/// How many are applied.
const APPLIED_MAX: usize = 1024;
/// Of how many the metadata is taken in.
const ENTRIES_MAX: usize = 512;

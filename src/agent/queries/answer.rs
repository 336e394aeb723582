//! Answering.

use alloc::{sync::Arc, vec, vec::Vec};
use std::{io, time::SystemTime};

use futures::channel::oneshot;
use smol::{Timer, future::or};

use super::{
    QUESTIONS_MAX, QueryError, Question, RELAY_TIME_MAX, RoundTrips, Stage, VIEW_KEPT,
    layout::{
        ANSWERED, CLOCK, DISTANCE, ECHO, FINGERPRINTS, QUESTION_MAX, REFUSED, UNKNOWN, VIEW,
        VIEW_MAX, put_clock, put_fingerprints, put_times,
    },
};
use crate::{
    BroadcastHandler, Codec, Locate, Member, State, Transport,
    agent::{
        driver::Agent,
        streams::{self, Conversation, Next},
    },
    trace::debug,
};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// A member wants to ask.
    pub(in crate::agent) fn await_questions(
        &mut self,
        peer: I,
        conversation: Conversation<T::Stream>,
    ) {
        let Some(turn) = self.queries.take_turn(&peer) else {
            self.stats.streams_refused += 1;
            return;
        };
        let stage = Stage::Answering(peer, turn, QUESTIONS_MAX);
        let next = Next::Read(QUESTION_MAX, streams::Stage::Queries(stage));
        self.inputs.streams.converse(conversation, Vec::new(), next);
    }

    /// A member asked something.
    pub(in crate::agent) fn on_question(
        &mut self,
        stage: Stage<I>,
        question: &[u8],
        conversation: Conversation<T::Stream>,
    ) {
        let Stage::Answering(peer, turn, left) = stage else {
            return;
        };
        // It may have been declared down meanwhile.
        if !self.is_active(&peer) {
            self.stats.questions_refused += 1;
            return;
        }
        let left = left.saturating_sub(1);
        let next = match left {
            0 => Next::Close(Stage::Over),
            left => Next::Read(QUESTION_MAX, Stage::Answering(peer, turn, left)),
        };
        let next = next.map(streams::Stage::Queries);
        let answer = match question.split_first() {
            Some((&ECHO, said)) => Some([&[ANSWERED], said].concat()),
            Some((&VIEW, [])) => Some(self.own_view()),
            Some((&FINGERPRINTS, [])) => {
                let mut answer = vec![ANSWERED];
                put_fingerprints(&self.transport.fingerprints(), &mut answer);
                Some(answer)
            }
            Some((&CLOCK, [])) => {
                let mut answer = vec![ANSWERED];
                put_clock(SystemTime::now(), &mut answer);
                Some(answer)
            }
            Some((&DISTANCE, [count, to @ ..])) => match self.measure_for(*count, to) {
                Some(measured) => {
                    self.stats.questions_answered += 1;
                    let measured = distance(measured, self.queries.relayed.clone());
                    let streams = &mut self.inputs.streams;
                    return streams.converse_later(conversation, next, measured);
                }
                None => None,
            },
            _ => {
                self.stats.questions_unknown += 1;
                let frames = [vec![UNKNOWN]].into();
                return self.inputs.streams.converse(conversation, frames, next);
            }
        };
        match answer.is_some() {
            true => self.stats.questions_answered += 1,
            false => self.stats.questions_refused += 1,
        }
        let frames = [answer.unwrap_or_else(|| vec![REFUSED])].into();
        self.inputs.streams.converse(conversation, frames, next);
    }

    /// Whom we hold, ourselves first.
    fn own_view(&mut self) -> Vec<u8> {
        let now = self.inputs.now();
        if let Some((at, view)) = &self.queries.view
            && now < at.saturating_add(VIEW_KEPT)
        {
            return view.clone();
        }
        let (id, incarnation) = (self.engine.identity().clone(), self.engine.incarnation());
        let ourselves = Member::new(id, incarnation, State::Alive);
        let total = self.engine.membership_state().count().saturating_add(1);
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let others = self.engine.membership_state();
        let others = others.map(|m| Member::new(m.id.clone(), m.incarnation, m.state));
        let all = core::iter::once(ourselves).chain(others);
        // No more than may fit: it is done while packets wait.
        let all: Vec<_> = all.take(VIEW_MAX / MEMBER_LEN_MIN).collect();
        let mut answer = vec![ANSWERED];
        answer.extend_from_slice(&total.to_be_bytes());
        for member in &all {
            let start = answer.len();
            let encoded = self.engine.codec_mut().encode_member(member, &mut answer);
            let is_full = answer.len() > VIEW_MAX;
            if encoded.is_err() || is_full {
                answer.truncate(start);
            }
            if is_full {
                break;
            }
        }
        self.queries.view = Some((now, answer.clone()));
        answer
    }

    /// Measures how far another member is, for somebody who wants to know. `None` if we do not.
    fn measure_for(&mut self, count: u8, mut to: &[u8]) -> Option<Measured> {
        let to = self.engine.codec_mut().decode_member(&mut to).ok()?.id;
        if !self.may_relay() {
            return None;
        }
        let count = usize::from(count).clamp(1, RoundTrips::ECHOES_MAX);
        let (reply, measured) = oneshot::channel();
        let question = Question::Echo { count, reply };
        self.query(&to, question);
        Some(measured)
    }

    /// A conversation ended. Returns whether that is a failure.
    pub(in crate::agent) fn on_queries_ended(
        &mut self,
        stage: Stage<I>,
        result: &io::Result<()>,
    ) -> bool {
        let has_asked = match stage {
            Stage::Asked(question, heard) => {
                self.on_answer(question, heard);
                false
            }
            Stage::Answering(_, _, left) => left < QUESTIONS_MAX,
            Stage::Over => false,
        };
        match result {
            // That there are no more questions, only the end tells.
            Err(error) if has_asked && error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => {
                debug!(%error, "a question failed");
                true
            }
            Ok(()) => false,
        }
    }
}

/// Fewer bytes than this no member takes that is told of: there is a name in it, or an address.
const MEMBER_LEN_MIN: usize = 8;

type Measured = oneshot::Receiver<Result<RoundTrips, QueryError>>;

/// The answer, once it is known, or it takes too long. As long as that counts as under way.
async fn distance(measured: Measured, _counted: Arc<()>) -> Vec<u8> {
    let late = async {
        Timer::after(RELAY_TIME_MAX).await;
        Err(oneshot::Canceled)
    };
    match or(measured, late).await {
        Ok(Ok(trips)) => {
            let mut answer = vec![ANSWERED];
            put_times(trips.iter(), &mut answer);
            answer
        }
        _ => vec![REFUSED],
    }
}

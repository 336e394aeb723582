//! Asking.

use alloc::{boxed::Box, vec, vec::Vec};
use core::time::Duration;
use std::{
    io,
    time::{Instant, SystemTime},
};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use smol::{Timer, future::or};

use super::{
    ASKED_MAX, Clocks, MemberView, QueryError, Question, RELAYED_MAX, RoundTrips, Stage, TIME_MAX,
    VIEW_TIME_MAX,
    layout::{
        ANSWER_MAX, ANSWERED, CLOCK, DISTANCE, ECHO, FINGERPRINTS, VIEW, VIEW_MAX, answered,
        nonsense, read_clock, read_fingerprints, read_times,
    },
    under_way,
};
use crate::{
    BroadcastHandler, Codec, Locate, Member, Transport,
    agent::{
        driver::Agent,
        leave::Phase,
        streams::{
            self, Conversation, Dial, Outcome, Place, StreamKind,
            frames::{PATIENCE, read_frame, within, write_frame},
        },
    },
};

/// What was said to a question.
pub(in crate::agent) struct Heard {
    answer: Vec<u8>,
    /// How long it took, each time that it was asked.
    times: Vec<Duration>,
    /// When it was asked, by the wall clock.
    at: SystemTime,
}

/// A question, as it is sent.
struct Request {
    bytes: Vec<u8>,
    /// How often it is asked.
    rounds: usize,
    answer_max: usize,
    time_max: Duration,
}

impl<I> Question<I> {
    /// Tells whoever waits that there is no answer.
    pub(super) fn fail(self, error: QueryError) {
        match self {
            Self::Echo { reply, .. } | Self::Distance { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            Self::View { reply } => _ = reply.send(Err(error)),
            Self::Clock { reply } => _ = reply.send(Err(error)),
            Self::Fingerprints { reply } => _ = reply.send(Err(error)),
        }
    }

    /// Waits until nobody waits for the answer any more.
    async fn is_abandoned(&mut self) {
        match self {
            Self::Echo { reply, .. } | Self::Distance { reply, .. } => reply.cancellation().await,
            Self::View { reply } => reply.cancellation().await,
            Self::Clock { reply } => reply.cancellation().await,
            Self::Fingerprints { reply } => reply.cancellation().await,
        }
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Asks a member.
    pub(in crate::agent) fn query(&mut self, of: &I, question: Question<I>) {
        let prepared = self.whom_to_query(of).and_then(|(of, place)| {
            let request = self.request(&question)?;
            let preface = self.preface(StreamKind::Queries, &of);
            let dial = Dial {
                to: of.socket_addr(),
                preface: preface.ok_or(QueryError::NotAMember)?,
                check: Box::new(self.answers_as(&of)),
            };
            Ok((place, dial, request))
        });
        let (place, dial, request) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return question.fail(error),
        };
        self.stats.questions_asked += 1;
        let counted = self.queries.asked.clone();
        let mut question = question;
        let streams = &mut self.inputs.streams;
        streams.dial_at(place, dial, move |opened| async move {
            let _counted = counted;
            let exchange = exchange(opened, &request);
            let late = async {
                Timer::after(request.time_max).await;
                Err(QueryError::NoAnswer(io::ErrorKind::TimedOut.into()))
            };
            let gone = async {
                question.is_abandoned().await;
                Err(QueryError::Stopped)
            };
            let heard = or(or(exchange, late), gone).await;
            let result = match &heard {
                Err(QueryError::Unreachable(error) | QueryError::NoAnswer(error)) => {
                    Err(error.kind().into())
                }
                _ => Ok(()),
            };
            Outcome::Ended(
                streams::Stage::Queries(Stage::Asked(question, heard)),
                result,
            )
        });
    }

    /// The member that is meant, as we know it, and a place for the stream, if it can be asked.
    fn whom_to_query(&self, of: &I) -> Result<(I, Place), QueryError> {
        let is_running = matches!(self.phase, Phase::Running) && !self.news.is_defunct;
        let known = self.engine.member(&of.addr());
        let known = known.filter(|member| is_running && member.state.is_active());
        let of = known.map(|member| member.id.clone());
        let of = of.ok_or(QueryError::NotAMember)?;
        if !self.has_streams() {
            return Err(QueryError::NoStreams);
        }
        let has_room = self.inputs.streams.places.has_room_for_messages();
        let is_one_more = has_room && under_way(&self.queries.asked) < ASKED_MAX;
        let place = self.inputs.streams.places.outgoing();
        let place = place.filter(|_| is_one_more);
        place.map(|place| (of, place)).ok_or(QueryError::Busy)
    }

    fn request(&mut self, question: &Question<I>) -> Result<Request, QueryError> {
        let once = |bytes| Request {
            bytes,
            rounds: 1,
            answer_max: ANSWER_MAX,
            time_max: TIME_MAX,
        };
        Ok(match question {
            Question::Echo { count, .. } => Request {
                rounds: count.saturating_add(1),
                ..once(ECHOED.to_vec())
            },
            Question::View { .. } => Request {
                answer_max: VIEW_MAX + ANSWER_MAX,
                time_max: VIEW_TIME_MAX,
                ..once(vec![VIEW])
            },
            Question::Fingerprints { .. } => once(vec![FINGERPRINTS]),
            Question::Clock { .. } => once(vec![CLOCK]),
            Question::Distance { to, count, .. } => {
                let mut bytes = vec![DISTANCE, u8::try_from(*count).unwrap_or(u8::MAX)];
                let to = Member::alive((**to).clone());
                let encoded = self.engine.codec_mut().encode_member(&to, &mut bytes);
                encoded.map_err(|_| QueryError::NotAMember)?;
                once(bytes)
            }
        })
    }

    /// An answer came, or none will.
    pub(super) fn on_answer(&mut self, question: Question<I>, heard: Result<Heard, QueryError>) {
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => return question.fail(error),
        };
        let answer = match answered(&heard.answer) {
            Ok(answer) => answer,
            Err(error) => return question.fail(error),
        };
        // Whoever asked may have gone.
        match question {
            Question::Echo { reply, .. } => {
                let times = heard.times.get(1..).unwrap_or_default().to_vec();
                let _ = reply.send(RoundTrips::new(times).ok_or_else(nonsense));
            }
            Question::Distance { reply, count, .. } => {
                let mut times = read_times(answer);
                times.truncate(count);
                let _ = reply.send(RoundTrips::new(times).ok_or_else(nonsense));
            }
            Question::Fingerprints { reply } => {
                let _ = reply.send(read_fingerprints(answer).ok_or_else(nonsense));
            }
            Question::Clock { reply } => {
                let half = heard.times.first().copied().unwrap_or_default() / 2;
                let clocks = read_clock(answer).map(|theirs| Clocks {
                    theirs,
                    ours: heard.at + half,
                    uncertainty: half,
                });
                let _ = reply.send(clocks.ok_or_else(nonsense));
            }
            Question::View { reply } => {
                let view = self.read_view(answer);
                let _ = reply.send(view.ok_or_else(nonsense));
            }
        }
    }

    fn read_view(&mut self, answer: &[u8]) -> Option<MemberView<I>> {
        let (total, members) = answer.split_first_chunk()?;
        let total = usize::try_from(u32::from_be_bytes(*total)).ok()?;
        let members = self.decode_members(members)?;
        // It holds those that it tells of.
        let total = total.max(members.len());
        Some(MemberView { members, total })
    }

    fn decode_members(&mut self, mut bytes: &[u8]) -> Option<Vec<Member<I>>> {
        let config = self.engine.config();
        // Ourselves, too. There is no room for more, and it would take its time.
        let others = config.max_members.saturating_add(config.max_down_members);
        let max = others.saturating_add(1);
        let mut members = Vec::new();
        while !bytes.is_empty() && members.len() < max {
            let before = bytes.len();
            members.push(self.engine.codec_mut().decode_member(&mut bytes).ok()?);
            if bytes.len() >= before {
                return None;
            }
        }
        Some(members)
    }

    /// Whether we measure one more distance for another member.
    pub(super) fn may_relay(&self) -> bool {
        under_way(&self.queries.relayed) < RELAYED_MAX
    }
}

/// Asks as often as is wanted, and closes the stream.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    opened: io::Result<Conversation<S>>,
    request: &Request,
) -> Result<Heard, QueryError> {
    let mut conversation = opened.map_err(QueryError::Unreachable)?;
    let stream = &mut conversation.stream;
    let mut heard = Heard {
        answer: Vec::new(),
        times: Vec::new(),
        at: SystemTime::now(),
    };
    for _ in 0..request.rounds {
        let asked = Instant::now();
        let answer = async {
            write_frame(stream, &request.bytes).await?;
            read_frame(stream, request.answer_max).await
        };
        heard.answer = answer.await.map_err(QueryError::NoAnswer)?;
        heard.times.push(asked.elapsed());
        let is_echo = request.bytes.first() == Some(&ECHO);
        match heard.answer.split_first() {
            Some((&ANSWERED, echoed)) if is_echo => {
                if request.bytes.get(1..) != Some(echoed) {
                    return Err(nonsense());
                }
            }
            // What else there may be said does not come again.
            _ => break,
        }
    }
    // All that was wanted is here.
    let _ = within(PATIENCE, stream.close()).await;
    Ok(heard)
}

/// An echo: as long as a ping is, about.
const ECHOED: &[u8; 1 + 32] = b"\x01what is said here comes back so.";

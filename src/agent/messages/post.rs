//! Which way a message goes, and where it comes in.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use std::collections::HashMap;

use futures::future::{AbortHandle, Abortable};
use smol::channel::{Sender, bounded};

use super::{
    Mailbox, MessageError, Waybill,
    lane::{self, Outgoing},
};
use crate::{
    BroadcastHandler, Codec, Identity, Locate, Transport,
    agent::{
        Limits,
        admission::Source,
        driver::Agent,
        envelope::Kind,
        leave::Phase,
        streams::{self, Conversation, Dial, Outcome, StreamKind},
    },
};

/// The streams of messages, either way.
pub(in crate::agent) struct Lanes<I: Identity> {
    out: HashMap<I::Addr, Sender<Outgoing>>,
    /// The last one of each member: an older one must not deliver after it.
    inward: HashMap<I::Addr, (u64, AbortHandle)>,
    accepted: u64,
    mailbox: Arc<Mailbox<I>>,
    message_max: usize,
}

/// Which stream of messages came to an end.
pub(in crate::agent) enum Stage<I> {
    /// Ours to this member.
    Out(I),
    /// The one from this member that has this number.
    Inward(I, u64),
    /// One that was replaced.
    Replaced,
}

impl<I: Identity> Lanes<I> {
    pub(in crate::agent) fn new(mailbox: Arc<Mailbox<I>>, limits: &Limits) -> Self {
        Self {
            out: HashMap::new(),
            inward: HashMap::new(),
            accepted: 0,
            mailbox,
            message_max: limits.message_max,
        }
    }

    /// Streams that there are keep what they began with.
    pub(in crate::agent) fn set_limits(&mut self, limits: &Limits) {
        self.message_max = limits.message_max;
        self.mailbox.budget.set_max(limits.message_bytes);
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Sends a message as a packet, or says which way it goes.
    pub(in crate::agent) fn dispatch(
        &mut self,
        to: &I,
        bytes: Vec<u8>,
        is_reliable: bool,
    ) -> Result<Waybill, MessageError> {
        let (len, max) = (bytes.len(), self.lanes.message_max);
        if len > max {
            return Err(MessageError::TooBig { len, max });
        }
        let is_running = matches!(self.phase, Phase::Running) && !self.news.is_defunct;
        let known = self.engine.member(&to.addr());
        let to = known
            .filter(|member| is_running && member.state.is_active())
            .map(|member| member.id.clone())
            .ok_or(MessageError::NotAMember)?;
        if self.outputs.envelope.is_bare {
            return Err(MessageError::NoStreams);
        }
        if !is_reliable && let Some(mut body) = self.hello(&to) {
            body.extend_from_slice(&bytes);
            if self.outputs.fits(&to, body.len()) {
                self.outputs.send(&to, Kind::Message, &body);
                self.stats.messages_out += 1;
                return Ok(Waybill::Sent);
            }
        }
        if !self.has_streams() {
            return Err(MessageError::NoStreams);
        }
        let lane = self.lane_to(&to)?;
        self.stats.messages_out += 1;
        Ok(Waybill::Lane(lane, bytes))
    }

    fn lane_to(&mut self, to: &I) -> Result<Sender<Outgoing>, MessageError> {
        let lane = self.lanes.out.get(&to.addr());
        if let Some(lane) = lane.filter(|lane| !lane.is_closed()) {
            return Ok(lane.clone());
        }
        let preface = self
            .preface(StreamKind::Messages, to)
            .ok_or(MessageError::NotAMember)?;
        let dial = Dial {
            to: to.socket_addr(),
            preface,
            check: Box::new(self.answers_as(to)),
        };
        let (lane, queue) = bounded(QUEUE_LEN);
        let (member, max) = (to.clone(), self.lanes.message_max);
        let has_place = self.inputs.streams.dial(dial, move |opened| async move {
            let result = lane::send(opened, queue, max).await;
            Outcome::Ended(streams::Stage::Messages(Stage::Out(member)), result)
        });
        if !has_place {
            return Err(MessageError::Busy);
        }
        self.lanes.out.insert(to.addr(), lane.clone());
        Ok(lane)
    }

    /// A member opened a stream of messages.
    pub(in crate::agent) fn await_messages(
        &mut self,
        from: I,
        conversation: Conversation<T::Stream>,
    ) {
        let (mailbox, max) = (self.lanes.mailbox.clone(), self.lanes.message_max);
        let number = self.lanes.accepted;
        self.lanes.accepted += 1;
        let (handle, registration) = AbortHandle::new_pair();
        if let Some((_, older)) = self.lanes.inward.insert(from.addr(), (number, handle)) {
            older.abort();
        }
        let receiving = async move {
            let result = lane::receive(conversation, from.clone(), mailbox, max).await;
            (Stage::Inward(from, number), result)
        };
        let receiving = Abortable::new(receiving, registration);
        self.inputs.streams.spawn(async move {
            let (stage, result) = receiving.await.unwrap_or((Stage::Replaced, Ok(())));
            Outcome::Ended(streams::Stage::Messages(stage), result)
        });
    }

    /// A stream of messages came to an end.
    pub(in crate::agent) fn on_messages_ended(&mut self, stage: Stage<I>) {
        match stage {
            Stage::Out(to) => {
                let lane = self.lanes.out.get(&to.addr());
                if lane.is_some_and(Sender::is_closed) {
                    self.lanes.out.remove(&to.addr());
                }
            }
            Stage::Inward(from, number) => {
                let last = self.lanes.inward.get(&from.addr());
                if last.is_some_and(|(last, _)| *last == number) {
                    self.lanes.inward.remove(&from.addr());
                }
            }
            Stage::Replaced => {}
        }
    }

    /// A packet with a message came.
    pub(in crate::agent) fn hear_message(&mut self, mut body: &[u8], source: &Source) {
        let Some(from) = self.recognise_sender(&mut body, source) else {
            self.stats.packets_refused += 1;
            return;
        };
        self.stats.messages_in += 1;
        if !self.lanes.mailbox.deliver_now(from, body) {
            self.stats.messages_dropped += 1;
        }
    }
}

/// How many messages wait for one stream.
const QUEUE_LEN: usize = 4;

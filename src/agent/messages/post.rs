//! Which way a message goes, and where it comes in.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};
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
    out: HashMap<I::Addr, Lane<I>>,
    /// The last one of each member: an older one must not deliver after it.
    inward: HashMap<I::Addr, Inward<I>>,
    accepted: u64,
    /// How many messages went by stream.
    dispatched: u64,
    mailbox: Arc<Mailbox<I>>,
    message_max: usize,
}

/// A stream of ours to this identity: another one is another process.
struct Lane<I> {
    to: I,
    queue: Sender<Outgoing>,
    /// Whether a message is under way.
    is_busy: Arc<AtomicBool>,
    /// Which message was the last one.
    used: u64,
    handle: AbortHandle,
}

struct Inward<I> {
    from: I,
    number: u64,
    handle: AbortHandle,
}

/// Which stream of messages came to an end.
pub(in crate::agent) enum Stage<I> {
    /// Ours to this member.
    Out(I),
    /// The one from this member that has this number.
    Inward(I, u64),
    /// One that was replaced, or whose member is none any more.
    Replaced,
}

impl<I: Identity> Lanes<I> {
    pub(in crate::agent) fn new(mailbox: Arc<Mailbox<I>>, limits: &Limits) -> Self {
        Self {
            out: HashMap::new(),
            inward: HashMap::new(),
            accepted: 0,
            dispatched: 0,
            mailbox,
            message_max: limits.message_max,
        }
    }

    /// Streams that there are keep what they began with.
    pub(in crate::agent) fn set_limits(&mut self, limits: &Limits) {
        self.message_max = limits.message_max;
        self.mailbox.budget.set_max(limits.message_bytes);
    }

    /// An identity is no member any more: ends the streams to it, and those from it.
    pub(in crate::agent) fn part_with(&mut self, id: &I) {
        let addr = id.addr();
        if self.out.get(&addr).is_some_and(|lane| lane.to == *id)
            && let Some(lane) = self.out.remove(&addr)
        {
            lane.handle.abort();
        }
        if self.inward.get(&addr).is_some_and(|lane| lane.from == *id)
            && let Some(lane) = self.inward.remove(&addr)
        {
            lane.handle.abort();
        }
    }

    /// Closes the stream that rests for longest. Returns whether there is one.
    fn make_room(&mut self) -> bool {
        let rests = |lane: &&Lane<I>| {
            lane.queue.is_empty()
                && !lane.queue.is_closed()
                && !lane.is_busy.load(Ordering::Relaxed)
        };
        let longest = self.out.values().filter(rests).min_by_key(|lane| lane.used);
        longest.is_some_and(|lane| lane.queue.close())
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
        self.lanes.dispatched += 1;
        let used = self.lanes.dispatched;
        if let Some(lane) = self.lanes.out.get_mut(&to.addr()) {
            if lane.to != *to {
                // It goes to whoever was there before.
                lane.handle.abort();
            } else if !lane.queue.is_closed() {
                lane.used = used;
                return Ok(lane.queue.clone());
            }
        }
        if !self.inputs.streams.places.has_room_for_messages() && !self.lanes.make_room() {
            self.inputs.streams.put_off = self.inputs.streams.put_off.wrapping_add(1);
            return Err(MessageError::Busy);
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
        let is_busy = Arc::new(AtomicBool::new(true));
        let busy = is_busy.clone();
        let (handle, registration) = AbortHandle::new_pair();
        let has_place = self.inputs.streams.dial(dial, move |opened| async move {
            let sending = lane::send(opened, queue, max, &busy);
            let (stage, result) = match Abortable::new(sending, registration).await {
                Ok(result) => (Stage::Out(member), result),
                Err(_) => (Stage::Replaced, Ok(())),
            };
            Outcome::Ended(streams::Stage::Messages(stage), result)
        });
        if !has_place {
            return Err(MessageError::Busy);
        }
        let entry = Lane {
            to: to.clone(),
            queue: lane.clone(),
            is_busy,
            used,
            handle,
        };
        self.lanes.out.insert(to.addr(), entry);
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
        let entry = Inward {
            from: from.clone(),
            number,
            handle,
        };
        if let Some(older) = self.lanes.inward.insert(from.addr(), entry) {
            older.handle.abort();
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
                if lane.is_some_and(|lane| lane.queue.is_closed()) {
                    self.lanes.out.remove(&to.addr());
                }
            }
            Stage::Inward(from, number) => {
                let last = self.lanes.inward.get(&from.addr());
                if last.is_some_and(|last| last.number == number) {
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

//! Which way a message goes, and where it comes in.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};
use std::{collections::HashMap, io};

use futures::future::{AbortHandle, AbortRegistration, Abortable};
use smol::channel::{Receiver, Sender, bounded};

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
    /// Those that wait for a place, in this order.
    parked: VecDeque<Parked<I>>,
    /// Whether there are any: who rests makes room.
    is_wanted: Arc<AtomicBool>,
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

/// What is needed to open a stream.
struct Parked<I> {
    to: I,
    queue: Receiver<Outgoing>,
    is_busy: Arc<AtomicBool>,
    registration: AbortRegistration,
}

impl<I> Parked<I> {
    /// It will not be opened.
    fn give_up(self) {
        lane::give_up(&self.queue, io::ErrorKind::NotConnected);
    }
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
            parked: VecDeque::new(),
            is_wanted: Arc::default(),
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
        if let Some(place) = self.parked.iter().position(|parked| parked.to == *id)
            && let Some(parked) = self.parked.remove(place)
        {
            parked.give_up();
        }
        if self.inward.get(&addr).is_some_and(|lane| lane.from == *id) {
            self.stop_hearing(&addr);
        }
    }

    /// There is no member any more that has this address: ends the stream from it, as whichever
    /// later one of itself it came.
    pub(in crate::agent) fn stop_hearing(&mut self, addr: &I::Addr) {
        if let Some(lane) = self.inward.remove(addr) {
            lane.handle.abort();
        }
    }

    fn note_wanted(&self) {
        let is_wanted = !self.parked.is_empty();
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
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
                let before = lane.to.clone();
                self.lanes.part_with(&before);
            } else if !lane.queue.is_closed() {
                lane.used = used;
                return Ok(lane.queue.clone());
            }
        }
        let places = &self.inputs.streams.places;
        let has_place = places.has_room_for_messages() || self.lanes.make_room();
        if !has_place {
            self.inputs.streams.put_off = self.inputs.streams.put_off.wrapping_add(1);
            let may_wait = self.inputs.streams.places.may_open_any();
            if !may_wait || self.lanes.parked.len() >= PARKED_MAX {
                return Err(MessageError::Busy);
            }
        }
        let (lane, queue) = bounded(QUEUE_LEN);
        let (handle, registration) = AbortHandle::new_pair();
        let is_busy = Arc::new(AtomicBool::new(true));
        let parked = Parked {
            to: to.clone(),
            queue,
            is_busy: is_busy.clone(),
            registration,
        };
        let entry = Lane {
            to: to.clone(),
            queue: lane.clone(),
            is_busy,
            used,
            handle,
        };
        self.lanes.out.insert(to.addr(), entry);
        self.lanes.parked.push_back(parked);
        if has_place {
            self.open_parked();
        }
        self.lanes.note_wanted();
        Ok(lane)
    }

    /// Opens the streams that wait for a place, as far as there are places.
    pub(in crate::agent) fn open_parked_if_room(&mut self) {
        while !self.lanes.parked.is_empty()
            && self.inputs.streams.places.has_room_for_messages()
            && self.open_parked()
        {}
        self.lanes.note_wanted();
    }

    /// Opens the stream that waits for longest. Returns whether there was a place for it.
    fn open_parked(&mut self) -> bool {
        let Some(to) = self.lanes.parked.front().map(|parked| parked.to.clone()) else {
            return false;
        };
        let preface = self.preface(StreamKind::Messages, &to);
        let Some(place) = self.inputs.streams.places.outgoing() else {
            return false;
        };
        let Some(parked) = self.lanes.parked.pop_front() else {
            return false;
        };
        let Some(preface) = preface else {
            parked.give_up();
            return true;
        };
        let dial = Dial {
            to: to.socket_addr(),
            preface,
            check: Box::new(self.answers_as(&to)),
        };
        let Parked {
            queue,
            is_busy,
            registration,
            ..
        } = parked;
        let (max, is_wanted) = (self.lanes.message_max, self.lanes.is_wanted.clone());
        self.inputs
            .streams
            .dial_at(place, dial, move |opened| async move {
                let sending = lane::send(opened, queue, max, &is_busy, &is_wanted);
                let (stage, result) = match Abortable::new(sending, registration).await {
                    Ok(result) => (Stage::Out(to), result),
                    Err(_) => (Stage::Replaced, Ok(())),
                };
                Outcome::Ended(streams::Stage::Messages(stage), result)
            });
        true
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
/// How many streams wait for a place.
const PARKED_MAX: usize = 256;

//! Datagrams, put together and taken apart.
//!
//! ```text
//! header                      by the codec
//! count                       u16, big-endian   } not in Announce, TurnUndead, Broadcast;
//! count members               by the codec      } left out when there is no room
//! (length, bytes), repeated   u16, big-endian     not in Announce, TurnUndead
//! 64 hashes                   u32, big-endian     in Digest alone, instead of all these
//! ```

use smallvec::SmallVec;

use super::{
    Engine, Result, Subject,
    backlog::{Fill, Framing, Order},
    digest::{Buckets, DigestBytes},
    draw::Draw,
    entry::{Entry, Held, Slot},
    table::grow_a_little,
};
use crate::{
    BroadcastHandler, Codec, Error, Header, Identity, Incarnation, Member, Message, ProbeNumber,
    Runtime, message::DIGEST_BUCKETS,
};

/// How many members are drawn at a time for a Feed.
const DRAWN_AT_ONCE: usize = 32;

/// What a datagram may be filled with.
#[derive(Clone, Copy)]
struct Limits {
    /// The whole datagram's size.
    size: usize,
    /// Updates and broadcasts together.
    items: usize,
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Sends a message with as many updates and broadcasts as it may carry and there is room for.
    /// Returns whether it could: where no header can be written, that is counted, and nobody
    /// else is the worse for it.
    pub(super) fn send<R: Runtime<I>>(
        &mut self,
        to: &I,
        message: Message<I>,
        runtime: &mut R,
    ) -> bool {
        self.try_send(to, message, runtime).is_ok()
    }

    /// [Sends](Self::send) for a caller who is to learn why it failed.
    pub(super) fn try_send<R: Runtime<I>>(
        &mut self,
        to: &I,
        message: Message<I>,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        self.compose(to, message, runtime)?;
        self.transmit(to, runtime);
        Ok(())
    }

    /// Sends a message with nothing attached: to those we do not trust (yet).
    pub(super) fn send_bare<R: Runtime<I>>(
        &mut self,
        to: &I,
        message: Message<I>,
        runtime: &mut R,
    ) {
        let carries_members = message.carries_members();
        if self.put_header(to, message).is_err() {
            return;
        }
        if carries_members && self.buf.len() + 2 <= self.config.max_packet_size {
            self.buf.extend_from_slice(&[0, 0]);
        }
        self.transmit(to, runtime);
    }

    /// Tells somebody one thing and nothing else: who holds its address. Where it was a
    /// TurnUndead, two that live under one address would renew past each other for ever.
    pub(super) fn send_verdict<R: Runtime<I>>(
        &mut self,
        to: &I,
        verdict: &Member<I>,
        runtime: &mut R,
    ) {
        if !self.encode_update(verdict) || self.put_header(to, Message::Gossip).is_err() {
            return;
        }
        self.buf.extend_from_slice(&1_u16.to_be_bytes());
        self.buf.extend_from_slice(&self.scratch);
        if self.buf.len() <= runtime.room(to).min(self.config.max_packet_size) {
            self.transmit(to, runtime);
        }
    }

    /// Puts a datagram into the buffer. Returns how many updates and broadcasts are in it.
    pub(super) fn compose<R: Runtime<I>>(
        &mut self,
        to: &I,
        message: Message<I>,
        runtime: &R,
    ) -> Result<usize, I, C> {
        let size_max = self.config.max_packet_size;
        let room = runtime.room(to).min(size_max);
        self.put_header(to, message.clone())?;
        let header_len = self.buf.len();
        let mut items = self.put_items(
            to,
            &message,
            Limits {
                size: room,
                items: usize::MAX,
            },
        );
        if items == 0 && matches!(message, Message::Gossip | Message::Broadcast) {
            // Nothing fits the room: one item may go in a larger packet. If not even that holds
            // it, it will never fit, and must not wait for ever.
            self.buf.truncate(header_len);
            items = self.put_items(
                to,
                &message,
                Limits {
                    size: size_max,
                    items: 1,
                },
            );
            if items == 0 {
                self.pass_over(to, &message);
            }
        }
        Ok(items)
    }

    pub(super) fn transmit<R: Runtime<I>>(&mut self, to: &I, runtime: &mut R) {
        if *to == self.identity {
            // Whoever asked something of us may be whom we became since.
            return;
        }
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += self.buf.len() as u64;
        self.traffic.note_sent(self.buf_tag, self.buf.len());
        runtime.send_to(to, &self.buf);
    }

    /// Encodes a header alone; refuses it if not even that fits a packet.
    pub(super) fn put_header(&mut self, to: &I, message: Message<I>) -> Result<(), I, C> {
        self.buf_tag = message.tag();
        self.put(&Header {
            src: self.identity.clone(),
            src_incarnation: self.incarnation,
            dst: to.clone(),
            message,
        })
    }

    /// Whether an identity could be ours: packets of every kind could be sent from it, to it, and
    /// about it.
    pub(super) fn check_sendable(&mut self, identity: &I) -> Result<(), I, C> {
        let between_such = |message| Header {
            src: identity.clone(),
            src_incarnation: Incarnation::MAX,
            dst: identity.clone(),
            message,
        };
        // The largest header is one that names three members.
        self.put(&between_such(Message::PingReq {
            target: identity.clone(),
            number: ProbeNumber(u8::MAX),
        }))?;
        if self.config.digest.is_some() {
            self.put(&between_such(Message::Digest))?;
            self.put_digest(&[0; DIGEST_BUCKETS])?;
        }
        Ok(())
    }

    /// Appends a digest to a header.
    pub(super) fn put_digest(&mut self, digest: &[u32; DIGEST_BUCKETS]) -> Result<(), I, C> {
        self.buf
            .extend(digest.iter().flat_map(|sum| sum.to_be_bytes()));
        self.check_size()
    }

    fn check_size(&mut self) -> Result<(), I, C> {
        let (len, room) = (self.buf.len(), self.config.max_packet_size);
        if len <= room {
            return Ok(());
        }
        self.buf.clear();
        self.counters.unsendable += 1;
        Err(Error::TooBigToSend { len, room })
    }

    fn put(&mut self, header: &Header<I>) -> Result<(), I, C> {
        self.buf.clear();
        match self.codec.encode_header(header, &mut self.buf) {
            Ok(()) => self.check_size(),
            Err(error) => {
                self.buf.clear();
                self.counters.unsendable += 1;
                Err(Error::Encode(error))
            }
        }
    }

    fn put_items(&mut self, to: &I, message: &Message<I>, limits: Limits) -> usize {
        let shared = self.broadcasts_for(to, message);
        let mut items = 0;
        if message.carries_members() && self.buf.len() + 2 < limits.size {
            let count_at = self.buf.len();
            self.buf.extend_from_slice(&[0, 0]);
            let lead = self.put_lead(to, message, limits.size);
            let room = limits.size - self.buf.len();
            let share = shared.map_or(0, |order| self.broadcast_share(room, order));
            items = lead;
            items += if *message == Message::Feed {
                let draw = self.table.drawing(&mut self.rng);
                self.put_drawn(to, limits.size - share, draw, Buckets::ALL)
            } else {
                let next = shared.map_or(0, |order| self.broadcasts.next_size(room, order));
                self.put_updates(room, share.max(next), limits.items.saturating_sub(lead))
            };
            // A packet holds fewer than 65,536 members: each takes at least one byte.
            let count = (items as u16).to_be_bytes();
            self.buf[count_at..count_at + 2].copy_from_slice(&count);
        }
        if let Some(order) = shared {
            let fill = Fill {
                room: limits.size.saturating_sub(self.buf.len()),
                items_max: limits.items.saturating_sub(items),
                transmissions: self.transmissions(),
                order,
                first: None,
            };
            items += self.broadcasts.fill(&mut self.buf, fill, drop);
        }
        items
    }

    /// What the receiver must hear before all else: that it is suspected (Lifeguard's buddy system,
    /// section IV-C), or that whom it asks about is down to us. Returns how many updates that is.
    pub(super) fn put_lead(&mut self, to: &I, message: &Message<I>, size_max: usize) -> usize {
        let (about, is_due): (_, fn(Held) -> bool) = match message {
            Message::Nack { target, .. } => (target, |held| !held.is_active()),
            _ if self.config.buddy_system && self.table.num_suspects() > 0 => {
                (to, |held| held == Held::Suspect)
            }
            _ => return 0,
        };
        let Some(slot) = self.table.find(&about.addr()) else {
            return 0;
        };
        let entry = self.table.get(slot);
        if entry.id != *about || !is_due(entry.held()) {
            return 0;
        }
        let update = self.update_about(slot);
        if !self.encode_update(&update) || self.buf.len() + self.scratch.len() > size_max {
            return 0;
        }
        self.buf.extend_from_slice(&self.scratch);
        1
    }

    /// Which broadcasts go to somebody with such a message, if any do.
    pub(super) fn broadcasts_for(&mut self, to: &I, message: &Message<I>) -> Option<Order> {
        let any = message.carries_broadcasts()
            && !self.broadcasts.is_empty()
            && self.handler.should_add_broadcast_data(to);
        any.then(|| self.order_for(to))
    }

    /// How much of `room` is left to broadcasts: their share, but no more than there is to send.
    /// Updates leave them at least what the next one needs.
    fn broadcast_share(&self, room: usize, order: Order) -> usize {
        match self.broadcasts.next_size(room, order) {
            0 => 0,
            _ => {
                (room * usize::from(self.config.broadcast_share) / 100).min(self.broadcasts.size())
            }
        }
    }

    fn put_updates(&mut self, room: usize, reserve: usize, items_max: usize) -> usize {
        let transmissions = self.transmissions();
        let Self {
            updates,
            table,
            own_item,
            former,
            buf,
            ..
        } = self;
        let mut fill = |room, items_max| {
            let fill = Fill {
                room,
                items_max,
                transmissions,
                order: Order::All,
                first: *own_item,
            };
            updates.fill(buf, fill, |subject| match subject {
                Subject::Member(slot) => table.get_mut(slot).item = None,
                Subject::Ourselves => *own_item = None,
                Subject::Former(place) => former.spend(place),
            })
        };
        match fill(room - reserve, items_max) {
            // Broadcasts must not starve updates either: one always goes.
            0 if reserve > 0 => fill(room, items_max.min(1)),
            count => count,
        }
    }

    /// Appends those active members that are drawn and in these buckets, but for the receiver.
    pub(super) fn put_drawn(
        &mut self,
        to: &I,
        size_max: usize,
        mut draw: Draw,
        buckets: Buckets,
    ) -> usize {
        let to = to.addr();
        let of_interest =
            |entry: &Entry<I>| buckets.contains(entry.bucket) && entry.id.addr() != to;
        let mut count = 0;
        // Drawn some at a time, and each looked at: waiting for their entries overlaps.
        let mut drawn = SmallVec::<[Slot; DRAWN_AT_ONCE]>::new();
        loop {
            let more = core::iter::from_fn(|| self.table.draw(&mut draw));
            let some = more.filter(|&slot| of_interest(self.table.get(slot)));
            drawn.extend(some.take(DRAWN_AT_ONCE));
            if drawn.is_empty() {
                return count;
            }
            for slot in drawn.drain(..) {
                let entry = self.table.get(slot);
                let member = Member::new(entry.id.clone(), entry.incarnation, entry.held().into());
                let before = self.buf.len();
                let encoded = self.codec.encode_member(&member, &mut self.buf).is_ok();
                if self.buf.len() > size_max {
                    self.buf.truncate(before);
                    return count;
                }
                if encoded {
                    count += 1;
                } else {
                    self.buf.truncate(before);
                    self.counters.updates_unencodable += 1;
                }
            }
        }
    }

    /// Counts as sent what is too large to ever go to such a member.
    fn pass_over(&mut self, to: &I, message: &Message<I>) {
        let transmissions = self.transmissions();
        if let Some(order) = self.broadcasts_for(to, message) {
            self.broadcasts.pass_over(transmissions, order, drop);
        }
        if message.carries_members() {
            let Self {
                updates,
                table,
                own_item,
                former,
                ..
            } = self;
            updates.pass_over(transmissions, Order::All, |subject| match subject {
                Subject::Member(slot) => table.get_mut(slot).item = None,
                Subject::Ourselves => *own_item = None,
                Subject::Former(place) => former.spend(place),
            });
        }
    }

    /// Finds out what fits a packet. To be called after a change of identity or settings.
    pub(super) fn measure(&mut self) {
        let identity = self.identity.clone();
        let ping = Message::Ping(self.prober.number());
        self.item_max = match self.put_header(&identity, ping) {
            Ok(()) => self
                .config
                .max_packet_size
                .saturating_sub(self.buf.len() + 2),
            Err(_) => 0,
        };
    }

    /// The most bytes that an update, or a broadcast, may have to fit a ping to somebody like us.
    pub(super) fn item_max(&self, framing: Framing) -> usize {
        self.item_max.saturating_sub(framing.overhead())
    }

    /// Drops what waits but fits no packet any more, and what is beyond the bounds.
    pub(super) fn trim<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let update_max = self.item_max(Framing::Bare);
        let broadcast_max = self.item_max(Framing::Length);
        let Self {
            updates,
            table,
            own_item,
            former,
            broadcasts,
            ..
        } = self;
        updates.remove_larger(update_max, |subject| match subject {
            Subject::Member(slot) => table.get_mut(slot).item = None,
            Subject::Ourselves => *own_item = None,
            Subject::Former(place) => former.spend(place),
        });
        broadcasts.remove_larger(broadcast_max, drop);
        while self.broadcasts.len() > self.config.max_broadcasts {
            self.counters.broadcasts_evicted += 1;
            self.broadcasts.evict();
        }
        self.forget_beyond_bound(runtime);
    }

    /// Reads what follows a header: members into `incoming`, and returns the rest.
    /// All of it, so that nothing is believed of a datagram that does not add up.
    pub(super) fn decode_body<'d>(
        &mut self,
        message: &Message<I>,
        body: &'d [u8],
    ) -> Result<Body<'d>, I, C> {
        self.incoming.clear();
        if *message == Message::Digest {
            let digest = body.try_into().map_err(|_| Error::MalformedPacket)?;
            return Ok(Body {
                broadcasts: Frames(&[]),
                digest: Some(digest),
            });
        }
        let mut rest = body;
        if message.carries_members() && !rest.is_empty() {
            let (count, members) = rest.split_first_chunk().ok_or(Error::MalformedPacket)?;
            rest = members;
            for _ in 0..u16::from_be_bytes(*count) {
                let member = self.codec.decode_member(&mut rest).map_err(Error::Decode)?;
                if Held::from_state(member.state).is_some() {
                    grow_a_little(&mut self.incoming);
                    self.incoming.push(member);
                } else {
                    self.counters.updates_unknown_state += 1;
                }
            }
        }
        Ok(Body {
            broadcasts: Frames::check(rest).ok_or(Error::MalformedPacket)?,
            digest: None,
        })
    }

    /// Encodes an update into the scratch buffer. Counts it when that fails.
    pub(super) fn encode_update(&mut self, update: &Member<I>) -> bool {
        self.scratch.clear();
        let encoded = self.codec.encode_member(update, &mut self.scratch).is_ok()
            && (1..=self.item_max(Framing::Bare)).contains(&self.scratch.len());
        if !encoded {
            self.counters.updates_unencodable += 1;
        }
        encoded
    }
}

/// What a datagram brings beside its header and members.
#[derive(Clone, Copy)]
pub(super) struct Body<'d> {
    pub(super) broadcasts: Frames<'d>,
    pub(super) digest: Option<&'d DigestBytes>,
}

/// Custom broadcasts in a datagram, each with its length before it.
#[derive(Clone, Copy)]
pub(super) struct Frames<'d>(&'d [u8]);

impl<'d> Frames<'d> {
    /// `None` when the lengths do not add up, or one is zero.
    fn check(data: &'d [u8]) -> Option<Self> {
        let mut rest = Self(data);
        while !rest.0.is_empty() {
            rest.next()?;
        }
        Some(Self(data))
    }
}

impl<'d> Iterator for Frames<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (item, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        if item.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(item)
    }
}

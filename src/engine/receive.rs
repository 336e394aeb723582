//! One datagram's way: decoded whole, then believed, then answered.

use super::{Aftermath, Body, Connection, Engine, Result, Standing, Teller};
use crate::{BroadcastHandler, Codec, Error, Header, Identity, Message, Runtime};

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    pub(super) fn take_in<R: Runtime<I>>(
        &mut self,
        data: &[u8],
        check: impl FnOnce(&Header<I>) -> bool,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        if data.len() > self.config.max_packet_size {
            return Err(Error::DataTooBig { len: data.len() });
        }
        let mut body = data;
        let header = self.codec.decode_header(&mut body).map_err(Error::Decode)?;
        self.traffic.note_received(&header.message, data.len());
        if header.src == self.identity {
            return Err(Error::DataFromOurselves);
        }
        if let Message::Unknown(_) = header.message {
            self.counters.dropped_unknown_kind += 1;
            return Ok(());
        }
        let stands_alone = matches!(header.message, Message::Announce | Message::TurnUndead);
        if stands_alone && !body.is_empty() {
            return Err(Error::MalformedPacket);
        }
        if !self.is_for_us(&header) {
            self.counters.dropped_not_for_us += 1;
            return Ok(());
        }
        if !check(&header) {
            self.counters.dropped_by_check += 1;
            return Ok(());
        }
        let body = self.decode_body(&header.message, body)?;
        if let Connection::Undead(state) = self.connection {
            self.hear_while_undead(state, &header, runtime);
            return Ok(());
        }
        self.believe(header, body, runtime)
    }

    /// Whether a datagram is for us, or for a former life of ours: its sender does not know yet
    /// that we are another. Dropping those would cut us off from everybody when many renew at
    /// once, as after a partition.
    fn is_for_us(&self, header: &Header<I>) -> bool {
        match header.message {
            _ if header.dst == self.identity => true,
            Message::Announce => self.identity.accepts_announce(&header.dst),
            _ => {
                header.dst.addr() == self.identity.addr()
                    && self.identity.win_addr_conflict(&header.dst)
            }
        }
    }

    /// Applies a datagram that is whole and for us: the sender, the updates, the broadcasts; then
    /// reacts to the message.
    fn believe<R: Runtime<I>>(
        &mut self,
        header: Header<I>,
        body: Body<'_>,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        if header.message == Message::TurnUndead && header.dst != self.identity {
            self.hear_of_former_life(&header, runtime);
            return Ok(());
        }
        let sender = header.src.clone();
        let announced_to = self.announced.any(|dst| sender.accepts_announce(dst));
        let is_known = announced_to
            || (header.message == Message::TurnUndead && self.table.find(&sender.addr()).is_some());
        let standing = self.hear_sender(&header, runtime);
        let has_say = announced_to || standing == Standing::KnownMember;
        match standing {
            Standing::KnownMember | Standing::Newcomer => {}
            Standing::Down => {
                self.hear_down_sender(&header, runtime);
                return Ok(());
            }
            Standing::Unproven => {
                self.hear_unproven(&header, announced_to, runtime);
                return Ok(());
            }
            Standing::Refused => return Ok(()),
        }
        let aftermath = self.apply_incoming(
            body.more,
            &Teller {
                id: &sender,
                has_say,
            },
            runtime,
        );
        let broadcasts_accepted = self.receive_broadcasts(body.broadcasts, &sender);
        if !self.is_undead() {
            self.settle(&header, aftermath, runtime);
            self.react(header, is_known, runtime);
            if let Some(theirs) = body.digest
                && standing == Standing::KnownMember
            {
                self.on_digest(&sender, theirs, runtime);
            }
        }
        broadcasts_accepted.map_err(Error::CustomBroadcast)
    }

    /// Somebody holds a former life of ours down. That is as it should be; but it does not know of
    /// our present one, or it would not say so, and perhaps we do not know of its own: two that
    /// renewed at the same time, each told by the other, must not lose sight of each other.
    fn hear_of_former_life<R: Runtime<I>>(&mut self, header: &Header<I>, runtime: &mut R) {
        match self.hear_sender(header, runtime) {
            Standing::KnownMember | Standing::Newcomer => {
                self.send(&header.src, Message::Gossip, runtime);
            }
            Standing::Down | Standing::Unproven | Standing::Refused => {
                self.counters.dropped_not_for_us += 1;
            }
        }
    }

    /// Nothing that an unproven stranger says is believed; but we must come to know if whom we
    /// want to join holds us down.
    fn hear_unproven<R: Runtime<I>>(
        &mut self,
        header: &Header<I>,
        announced_to: bool,
        runtime: &mut R,
    ) {
        match header.message {
            Message::TurnUndead => self.on_turn_undead(&header.src, announced_to, runtime),
            Message::Ack(number) if self.ends_undead_check(&header.src, number) => {}
            _ => self.challenge(header, runtime),
        }
    }

    /// Says what is due after updates about ourselves.
    fn settle<R: Runtime<I>>(&mut self, header: &Header<I>, aftermath: Aftermath, runtime: &mut R) {
        if aftermath.news_about_ourselves {
            self.gossip_to(self.config.num_indirect_probes, runtime);
        }
        let answered = matches!(
            header.message,
            Message::Ping(_) | Message::IndirectPing { .. }
        );
        if aftermath.heard_stale_claim && !answered {
            // The header is the answer: it says who we are, and our incarnation.
            self.send(&header.src, Message::Gossip, runtime);
        }
    }

    fn react<R: Runtime<I>>(&mut self, header: Header<I>, is_known: bool, runtime: &mut R) {
        let sender = header.src;
        match header.message {
            Message::Ping(number) => {
                self.send(&sender, Message::Ack(number), runtime);
                self.counters.pings_heard += 1;
                self.prober.was_pinged(sender);
            }
            Message::Ack(number) => self.on_ack(&sender, number, runtime),
            Message::PingReq { target, number } => {
                self.on_ping_req(sender, target, number, runtime);
            }
            Message::IndirectPing { origin, number } => {
                let answer = Message::IndirectAck {
                    target: origin,
                    number,
                };
                self.send(&sender, answer, runtime);
            }
            Message::IndirectAck { target, number } => {
                self.on_indirect_ack(sender, target, number, runtime);
            }
            Message::ForwardedAck { origin, number } => {
                self.on_forwarded_ack(&sender, &origin, number);
            }
            Message::Nack { target, number } => self.on_nack(&sender, &target, number),
            Message::Announce => {
                self.send(&sender, Message::Feed, runtime);
            }
            Message::TurnUndead => self.on_turn_undead(&sender, is_known, runtime),
            Message::Feed => {
                self.announced.retain(|dst| !sender.accepts_announce(dst));
            }
            Message::Gossip | Message::Broadcast | Message::Digest | Message::Unknown(_) => {}
        }
    }
}

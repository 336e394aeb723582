//! What a datagram brings beside its header: read to its end before any of it is believed.

use super::{Engine, Result, digest::DigestBytes, entry::Held};
use crate::{BroadcastHandler, Codec, Error, Identity, Member, Message};

/// What a datagram brings beside its header, and beside those of its updates that are in
/// `incoming` already.
#[derive(Clone, Copy)]
pub(super) struct Body<'d> {
    pub(super) more: Updates<'d>,
    pub(super) broadcasts: Frames<'d>,
    pub(super) digest: Option<&'d DigestBytes>,
}

/// Updates that are not decoded.
#[derive(Clone, Copy, Default)]
pub(super) struct Updates<'d> {
    count: u16,
    /// They, and what follows.
    bytes: &'d [u8],
}

impl Updates<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Reads what follows a header, all of it, so that nothing is believed of a datagram that does
    /// not add up. Of its updates the first are left in `incoming`; should there be many, the
    /// others are decoded once more when it is their turn: room for all would be kept by every
    /// member, for a Feed now and then.
    pub(super) fn decode_body<'d>(
        &mut self,
        message: &Message<I>,
        body: &'d [u8],
    ) -> Result<Body<'d>, I, C> {
        self.incoming.clear();
        if *message == Message::Digest {
            let digest = body.try_into().map_err(|_| Error::MalformedPacket)?;
            return Ok(Body {
                more: Updates::default(),
                broadcasts: Frames(&[]),
                digest: Some(digest),
            });
        }
        let mut more = Updates::default();
        let mut rest = body;
        if message.carries_members() && !rest.is_empty() {
            let (count, bytes) = rest.split_first_chunk().ok_or(Error::MalformedPacket)?;
            let count = u16::from_be_bytes(*count);
            more = Updates { count, bytes };
            self.decode_some(&mut more)?;
            rest = more.bytes;
            for _ in 0..more.count {
                let decoded = self.codec.decode_member(&mut rest);
                decoded.map_err(Error::Decode)?;
            }
        }
        Ok(Body {
            more,
            broadcasts: Frames::check(rest).ok_or(Error::MalformedPacket)?,
            digest: None,
        })
    }

    /// Decodes updates into `incoming`: all, if there is room.
    pub(super) fn decode_some(&mut self, updates: &mut Updates<'_>) -> Result<(), I, C> {
        self.incoming.clear();
        let some = usize::from(updates.count).min(incoming_max::<I>());
        self.incoming.reserve_exact(some);
        for _ in 0..some {
            let decoded = self.codec.decode_member(&mut updates.bytes);
            let member = decoded.map_err(Error::Decode)?;
            updates.count -= 1;
            if Held::from_state(member.state).is_some() {
                self.incoming.push(member);
            } else {
                self.counters.updates_unknown_state += 1;
            }
        }
        Ok(())
    }
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

/// How many updates are kept decoded. Those of addresses alone fit, however many are in a datagram.
pub(super) const fn incoming_max<I>() -> usize {
    match INCOMING_BYTES_MAX.checked_div(size_of::<Member<I>>()) {
        Some(num) if num > INCOMING_MIN => num,
        _ => INCOMING_MIN,
    }
}

/// Fewer would be looked up one after the other: see `lookup`.
const INCOMING_MIN: usize = 16;

/// What room for more takes.
const INCOMING_BYTES_MAX: usize = 6 * 1024;

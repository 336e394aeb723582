//! Who follows us on a circle on which all members see each other alike.
//!
//! Where each send goes to somebody at random, a few items miss somebody, and would have to be sent
//! far more often to miss nobody. So the last time that a member sends a broadcast is not left to
//! chance: it goes to its successor on the circle. Where all see the same members and nothing is
//! lost, that alone reaches everybody; the rest is for speed, and for all that goes wrong (Voulgaris
//! and van Steen, *Hybrid Dissemination*, Middleware 2007). Updates have digests for that.
//!
//! A member's place is a hash of its bytes on the wire, the same everywhere. None is computed
//! before there is a broadcast to send, and then only of members that came since the last one.

use super::{Engine, backlog::Order, digest::hash_member, entry::Slot};
use crate::{BroadcastHandler, Codec, Identity, Incarnation, Message};

/// How many entries at most are looked at in one go, for the nearest. In larger clusters it takes a
/// few, after our successor went.
const LOOKED_AT_MAX: usize = 4096;

/// What is sent fewer times than this is sent at random alone.
const TRANSMISSIONS_MIN: u8 = 3;

/// What is known of the circle.
#[derive(Default)]
pub(super) struct Ring {
    /// Our own place.
    ours: u64,
    /// The nearest after us, and how far that is.
    successor: Option<(Slot, u64)>,
    /// Entries below this one were looked at.
    looked_at: usize,
}

impl Ring {
    /// An entry becomes active.
    pub(super) fn joins(&mut self, slot: Slot) {
        self.looked_at = self.looked_at.min(slot.at());
    }

    /// An active entry is active no more, or is another's.
    pub(super) fn leaves(&mut self, slot: Slot) {
        if self
            .successor
            .is_some_and(|(successor, _)| successor == slot)
        {
            self.successor = None;
            self.looked_at = 0;
        }
    }

    /// An inactive entry is removed, and the last one of all takes its slot.
    pub(super) fn moves(&mut self, last: Slot, to: Slot) {
        if let Some((successor, _)) = &mut self.successor
            && *successor == last
        {
            *successor = to;
        }
        if last.at() >= self.looked_at {
            self.looked_at = self.looked_at.min(to.at());
        }
        self.looked_at = self.looked_at.min(last.at());
    }

    fn look_at(&mut self, slot: Slot, place: u64) {
        let distance = place.wrapping_sub(self.ours);
        if self.successor.is_none_or(|(_, nearest)| distance < nearest) {
            self.successor = Some((slot, distance));
        }
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Finds out who follows us, if there are broadcasts that such a message may carry to it.
    pub(super) fn find_successor(&mut self, message: &Message<I>) -> Option<Slot> {
        if self.broadcasts.is_empty() || !message.carries_broadcasts() {
            return None;
        }
        self.last_send()?;
        let ours = self.place_of(self.identity.clone())?;
        if ours != self.table.ring.ours {
            self.table.ring = Ring {
                ours,
                ..Ring::default()
            };
        }
        let first = self.table.ring.looked_at;
        let end = self.table.len().min(first + LOOKED_AT_MAX);
        for slot in (first..end).map(|at| Slot(at as u32)) {
            let entry = self.table.get(slot);
            if !entry.held().is_active() {
                continue;
            }
            let id = entry.id.clone();
            if let Some(place) = self.place_of(id) {
                self.table.ring.look_at(slot, place);
            }
        }
        self.table.ring.looked_at = end;
        let (successor, _) = self.table.ring.successor?;
        if !self
            .handler
            .should_add_broadcast_data(&self.table.get(successor).id)
        {
            self.pass_over_successor();
            return None;
        }
        Some(successor)
    }

    /// `None` for a member that the codec cannot write.
    fn place_of(&mut self, id: I) -> Option<u64> {
        let any = Incarnation::default();
        hash_member(&mut self.codec, &mut self.scratch, id, any).map(|hash| hash.0)
    }

    /// Whether there are broadcasts that only our successor gets, and its turn has come: with the
    /// last packet of those that go out together, or where nothing waits for anybody else.
    pub(super) fn is_successor_due(&mut self, is_last: bool) -> bool {
        self.last_send().is_some_and(|last| {
            let waits_for_others = !self.updates.is_empty() || self.broadcasts.has_below(last);
            self.broadcasts.has_from(last) && (is_last || !waits_for_others)
        })
    }

    /// Our successor takes no broadcasts: those that wait for it count as sent.
    pub(super) fn pass_over_successor(&mut self) {
        if let Some(last) = self.last_send() {
            self.broadcasts.remove_from(last);
        }
    }

    /// Which broadcasts go to a member.
    pub(super) fn order_for(&mut self, to: &I) -> Order {
        match (self.last_send(), self.table.ring.successor) {
            (None, _) => Order::All,
            (Some(last), Some((slot, _))) if self.table.get(slot).id == *to => Order::From(last),
            (Some(last), _) => Order::Below(last),
        }
    }

    /// How often a broadcast was sent of which only our successor gets any more; `None` if there is
    /// nobody, or no gossip that would go to it.
    fn last_send(&mut self) -> Option<u8> {
        let transmissions = self.transmissions();
        let Ring {
            successor,
            looked_at,
            ..
        } = self.table.ring;
        let has_one = successor.is_some() || looked_at < self.table.len();
        let is_used = self.config.periodic_gossip.is_some() && transmissions >= TRANSMISSIONS_MIN;
        (has_one && is_used).then(|| transmissions - 1)
    }
}

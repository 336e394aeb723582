//! What the table holds about one address.

use super::{backlog::ItemId, suspicion::SuspicionTimers};
use crate::{Epoch, Incarnation, Member, State};

/// Where an entry is. Valid until an entry is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u32);

impl Slot {
    pub(super) const NONE: u32 = u32::MAX;

    pub(super) fn from_link(link: u32) -> Option<Self> {
        (link != Self::NONE).then_some(Self(link))
    }

    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// The states an entry may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Alive,
    Suspect,
    Down,
    /// Down, by its own word.
    Left,
}

impl Held {
    /// `None` for a state that this version does not know.
    pub(super) fn from_state(state: State) -> Option<Self> {
        match state {
            State::Alive => Some(Self::Alive),
            State::Suspect => Some(Self::Suspect),
            State::Down => Some(Self::Down),
            State::Left => Some(Self::Left),
            State::Unknown(_) => None,
        }
    }

    pub(super) fn is_active(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl From<Held> for State {
    fn from(held: Held) -> Self {
        match held {
            Held::Alive => Self::Alive,
            Held::Suspect => Self::Suspect,
            Held::Down => Self::Down,
            Held::Left => Self::Left,
        }
    }
}

/// What we hold about one address. Aligned so that a small one is in one cache line: in a large
/// table, waiting for a second is most of what an update costs.
#[repr(align(32))]
pub(super) struct Entry<I> {
    pub(super) id: I,
    pub(super) incarnation: Incarnation,
    pub(super) held: Held,
    /// Whether a probe of our own failed in the present suspicion.
    pub(super) accused_by_us: bool,
    pub(super) timers: SuspicionTimers,
    /// Whether it ever was an active member here.
    pub(super) was_active: bool,
    /// Of the digest; while it is active, and digests are kept.
    pub(super) bucket: u8,
    /// Of the present stay in the present state.
    pub(super) epoch: Epoch,
    /// What waits to be sent about it.
    pub(super) item: Option<ItemId>,
    pub(super) place: Place,
}

impl<I> Entry<I> {
    pub(super) fn held(&self) -> Held {
        self.held
    }

    pub(super) fn member(&self) -> Member<&I> {
        Member::new(&self.id, self.incarnation, self.held.into())
    }
}

/// Where an entry stands beside the table. Active: its places in `active` and, for a suspect, in
/// `suspects`. Down: its neighbours in its list, the older and the younger.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) first: u32,
    pub(super) second: u32,
}

impl Place {
    pub(super) const NOWHERE: Self = Self {
        first: Slot::NONE,
        second: Slot::NONE,
    };
}

//! What is believed about one member, and which of two beliefs stands.

use core::fmt;

/// How often a member has spoken up for itself.
///
/// Only the member it belongs to raises it, to refute a suspicion (SWIM, section 4.2). A `u16`,
/// as on the wire of foca; a member that reaches the end takes a renewed identity instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incarnation(pub u16);

impl Incarnation {
    /// The last one: a suspicion at this incarnation can only be answered by a new identity.
    pub const MAX: Self = Self(u16::MAX);

    /// Returns the following incarnation, or `None` at the end.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is believed about a member.
///
/// On the wire a state is a tag. Tags 0 to 2 stand alone; every later one is followed by a byte
/// string, so that a state from a newer version is read past instead of spoiling the datagram:
/// it arrives as [`State::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It answers.
    Alive,
    /// It did not answer somebody; it has until the suspicion's timeout to refute.
    Suspect,
    /// It was declared failed, or it left. No update but a new identity changes that.
    Down,
    /// A state that this version does not know. Never held in the table, never sent.
    Unknown(u32),
}

impl State {
    /// The number that stands for this state on the wire. Stable.
    #[must_use]
    pub fn tag(self) -> u32 {
        match self {
            Self::Alive => 0,
            Self::Suspect => 1,
            Self::Down => 2,
            Self::Unknown(tag) => tag,
        }
    }

    /// The state that a tag stands for; [`State::Unknown`] when this version has none.
    #[must_use]
    pub fn from_tag(tag: u32) -> Self {
        match tag {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Down,
            tag => Self::Unknown(tag),
        }
    }

    /// Whether, on the wire, a byte string follows this tag.
    ///
    /// A codec writes an empty one (this version has nothing to put in it) and reads past
    /// whatever is there.
    #[must_use]
    pub fn tag_has_body(tag: u32) -> bool {
        tag > 2
    }

    /// Whether a member in this state takes part in the cluster.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive => f.write_str("alive"),
            Self::Suspect => f.write_str("suspect"),
            Self::Down => f.write_str("down"),
            Self::Unknown(tag) => write!(f, "unknown({tag})"),
        }
    }
}

/// A belief about one member: who, at which incarnation, in which state.
///
/// This is what updates on the wire and entries of [`Engine::membership_state`] are.
///
/// [`Engine::membership_state`]: crate::Engine::membership_state
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member<I> {
    /// Whom it is about.
    pub id: I,
    /// The latest incarnation heard of.
    pub incarnation: Incarnation,
    /// The state believed at that incarnation.
    pub state: State,
}

impl<I> Member<I> {
    /// Puts the three together.
    pub fn new(id: I, incarnation: Incarnation, state: State) -> Self {
        Self {
            id,
            incarnation,
            state,
        }
    }

    /// A member that is alive at incarnation 0: what a newcomer is.
    pub fn alive(id: I) -> Self {
        Self::new(id, Incarnation::default(), State::Alive)
    }

    /// A member that is suspected at `incarnation`.
    pub fn suspect(id: I, incarnation: Incarnation) -> Self {
        Self::new(id, incarnation, State::Suspect)
    }

    /// A member that is down.
    pub fn down(id: I, incarnation: Incarnation) -> Self {
        Self::new(id, incarnation, State::Down)
    }
}

/// Which reports of a failure are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DownRule {
    /// Only one about the latest incarnation: a refutation that everybody knows stands.
    LatestIncarnation,
    /// Every one: from the member itself, or on foca's wire, where departures carry 0.
    Always,
}

/// Whether what was `heard` about an identity replaces what is `known` about it
/// (SWIM, section 4.2, with one change: a Down must be about the latest incarnation).
pub(crate) fn supersedes(
    heard: (State, Incarnation),
    known: (State, Incarnation),
    down_rule: DownRule,
) -> bool {
    match (known.0, heard.0) {
        (State::Down | State::Unknown(_), _) | (_, State::Unknown(_)) => false,
        (State::Alive | State::Suspect, State::Down) => {
            heard.1 >= known.1 || down_rule == DownRule::Always
        }
        (State::Alive, State::Suspect) => heard.1 >= known.1,
        (State::Alive | State::Suspect, State::Alive) | (State::Suspect, State::Suspect) => {
            heard.1 > known.1
        }
    }
}

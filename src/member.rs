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
/// On the wire a state is a tag: see [`Member::tag`]. Tags 0 to 2 stand alone; every later one is
/// followed by a byte string, so that a state from a newer version is read past instead of spoiling
/// the datagram: it arrives as [`State::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It answers.
    Alive,
    /// It did not answer somebody; it has until the suspicion's timeout to refute.
    Suspect,
    /// It was declared failed, or it left. No update but a new identity changes that.
    Down,
    /// It said itself that it leaves. Down in all other respects.
    Left,
    /// A state that this version does not know. Never held in the table, never sent.
    Unknown(u32),
}

impl State {
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
            Self::Left => f.write_str("left"),
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
    /// Who suspects it, of a [`State::Suspect`] whose accuser is told.
    pub accuser: Option<I>,
}

/// What follows the tag of a state on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateBody {
    /// Nothing.
    None,
    /// A byte string: the accuser's identity, as the codec writes it.
    Accuser,
    /// A byte string that is written empty, and whose content is read past.
    Ignored,
}

impl StateBody {
    /// What follows this tag.
    #[must_use]
    pub fn of(tag: u32) -> Self {
        match tag {
            0..=2 => Self::None,
            3 => Self::Accuser,
            _ => Self::Ignored,
        }
    }
}

impl<I> Member<I> {
    /// Puts the three together, without an accuser.
    pub fn new(id: I, incarnation: Incarnation, state: State) -> Self {
        Self {
            id,
            incarnation,
            state,
            accuser: None,
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

    /// A member that `accuser` suspects at `incarnation` (Lifeguard, section IV-B).
    pub fn suspected_by(id: I, incarnation: Incarnation, accuser: I) -> Self {
        Self {
            accuser: Some(accuser),
            ..Self::suspect(id, incarnation)
        }
    }

    /// A member that is down.
    pub fn down(id: I, incarnation: Incarnation) -> Self {
        Self::new(id, incarnation, State::Down)
    }

    /// The number that stands for its state on the wire. Stable. What follows it, [`StateBody`]
    /// says.
    #[must_use]
    pub fn tag(&self) -> u32 {
        match self.state {
            State::Alive => 0,
            State::Suspect if self.accuser.is_none() => 1,
            State::Down => 2,
            State::Suspect => 3,
            State::Left => 4,
            State::Unknown(tag) => tag,
        }
    }

    /// Puts together what was read: the accuser, if the tag has one.
    pub fn from_parts(id: I, incarnation: Incarnation, tag: u32, accuser: Option<I>) -> Self {
        let state = match tag {
            0 => State::Alive,
            1 | 3 => State::Suspect,
            2 => State::Down,
            4 => State::Left,
            tag => State::Unknown(tag),
        };
        Self {
            id,
            incarnation,
            state,
            accuser: accuser.filter(|_| tag == 3),
        }
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
        (State::Left | State::Unknown(_), _) | (_, State::Unknown(_)) => false,
        // The better word for it.
        (State::Down, heard_state) => heard_state == State::Left && heard.1 >= known.1,
        (State::Alive | State::Suspect, State::Down | State::Left) => {
            heard.1 >= known.1 || down_rule == DownRule::Always
        }
        (State::Alive, State::Suspect) => heard.1 >= known.1,
        (State::Alive | State::Suspect, State::Alive) | (State::Suspect, State::Suspect) => {
            heard.1 > known.1
        }
    }
}

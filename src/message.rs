//! The header of a datagram: who speaks to whom, and the message.

use core::fmt;

use crate::Incarnation;

/// Pairs an acknowledgement with the probe it answers. Wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProbeNumber(pub u8);

impl ProbeNumber {
    /// Returns the following number; after the last comes the first.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for ProbeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many hashes a [digest](Message::Digest) has.
pub(crate) const DIGEST_BUCKETS: usize = 64;

/// What every datagram begins with. On the wire in this order: `src`, `src_incarnation`, `dst`,
/// `message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<I> {
    /// Who speaks.
    pub src: I,
    /// The speaker's own incarnation.
    pub src_incarnation: Incarnation,
    /// Whom it is for.
    pub dst: I,
    /// What it says.
    pub message: Message<I>,
}

/// The kinds of messages, in the order of their wire tags.
///
/// A codec need not match on this enum: [`Message::tag`] and [`Message::fields`] take a message
/// apart, [`Message::layout`] and [`Message::from_parts`] put it together, unknown tags included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<I> {
    /// Are you there? Answered by an [`Ack`](Self::Ack) (SWIM, section 3.1).
    Ping(ProbeNumber),
    /// I am here: answers a [`Ping`](Self::Ping).
    Ack(ProbeNumber),
    /// Please probe `target` for me.
    PingReq {
        /// Whom to probe.
        target: I,
        /// The asker's probe.
        number: ProbeNumber,
    },
    /// A ping on behalf of `origin`.
    IndirectPing {
        /// Who asked for it.
        origin: I,
        /// The asker's probe.
        number: ProbeNumber,
    },
    /// Answers an [`IndirectPing`](Self::IndirectPing); to be passed on to `target`.
    IndirectAck {
        /// Who asked for it.
        target: I,
        /// The asker's probe.
        number: ProbeNumber,
    },
    /// The helper passes on that `origin` answered.
    ForwardedAck {
        /// Who was probed, and answered.
        origin: I,
        /// The asker's probe.
        number: ProbeNumber,
    },
    /// I want to join. Answered by a [`Feed`](Self::Feed). Carries nothing else.
    Announce,
    /// Answers an [`Announce`](Self::Announce) with a sample of the active members.
    Feed,
    /// Carries updates and broadcasts; wants no answer.
    Gossip,
    /// Carries broadcasts alone.
    Broadcast,
    /// You are Down to me. Carries nothing else.
    TurnUndead,
    /// `target` did not answer me (yet), but I am here: from a helper that was asked to probe it
    /// (Lifeguard, section IV-A). An extension to foca's wire.
    Nack {
        /// Who was probed.
        target: I,
        /// The asker's probe.
        number: ProbeNumber,
    },
    /// What I hold of the membership, as hashes: of each of 64 buckets, as a big-endian `u32`.
    /// Answered by a [`Gossip`](Self::Gossip) with members of the buckets that differ. Carries
    /// nothing else.
    Digest,
    /// A kind that this version does not know: dropped and counted, never sent.
    Unknown(u32),
}

/// What follows a message's tag on the wire, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields<T> {
    /// Nothing.
    None,
    /// The number of a probe.
    Number(ProbeNumber),
    /// A member and the number of a probe.
    MemberAndNumber(T, ProbeNumber),
}

/// Which [`Fields`] follow a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Nothing.
    None,
    /// A [`ProbeNumber`].
    Number,
    /// An identity, then a [`ProbeNumber`].
    MemberAndNumber,
}

impl<I> Message<I> {
    /// The number that stands for this kind on the wire. Stable.
    #[must_use]
    pub fn tag(&self) -> u32 {
        match self {
            Self::Ping(_) => 0,
            Self::Ack(_) => 1,
            Self::PingReq { .. } => 2,
            Self::IndirectPing { .. } => 3,
            Self::IndirectAck { .. } => 4,
            Self::ForwardedAck { .. } => 5,
            Self::Announce => 6,
            Self::Feed => 7,
            Self::Gossip => 8,
            Self::Broadcast => 9,
            Self::TurnUndead => 10,
            Self::Nack { .. } => 11,
            Self::Digest => 12,
            Self::Unknown(tag) => *tag,
        }
    }

    /// What to write after the tag.
    #[must_use]
    pub fn fields(&self) -> Fields<&I> {
        match self {
            Self::Ping(number) | Self::Ack(number) => Fields::Number(*number),
            Self::PingReq {
                target: member,
                number,
            }
            | Self::IndirectPing {
                origin: member,
                number,
            }
            | Self::IndirectAck {
                target: member,
                number,
            }
            | Self::ForwardedAck {
                origin: member,
                number,
            }
            | Self::Nack {
                target: member,
                number,
            } => Fields::MemberAndNumber(member, *number),
            _ => Fields::None,
        }
    }

    /// What to read after a tag. Unknown tags have nothing that could be read: what follows them
    /// in the datagram is ignored.
    #[must_use]
    pub fn layout(tag: u32) -> Layout {
        match tag {
            0 | 1 => Layout::Number,
            2..=5 | 11 => Layout::MemberAndNumber,
            _ => Layout::None,
        }
    }

    /// Puts a message together from a tag and the fields that its [`layout`](Self::layout) asks
    /// for. Returns `None` when the fields are not the ones of that tag.
    #[must_use]
    pub fn from_parts(tag: u32, fields: Fields<I>) -> Option<Self> {
        Some(match (tag, fields) {
            (0, Fields::Number(number)) => Self::Ping(number),
            (1, Fields::Number(number)) => Self::Ack(number),
            (2, Fields::MemberAndNumber(target, number)) => Self::PingReq { target, number },
            (3, Fields::MemberAndNumber(origin, number)) => Self::IndirectPing { origin, number },
            (4, Fields::MemberAndNumber(target, number)) => Self::IndirectAck { target, number },
            (5, Fields::MemberAndNumber(origin, number)) => Self::ForwardedAck { origin, number },
            (6, Fields::None) => Self::Announce,
            (7, Fields::None) => Self::Feed,
            (8, Fields::None) => Self::Gossip,
            (9, Fields::None) => Self::Broadcast,
            (10, Fields::None) => Self::TurnUndead,
            (11, Fields::MemberAndNumber(target, number)) => Self::Nack { target, number },
            (12, Fields::None) => Self::Digest,
            (13.., Fields::None) => Self::Unknown(tag),
            _ => return None,
        })
    }

    /// The kind's name in lower case, for logs and counters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ping(_) => "ping",
            Self::Ack(_) => "ack",
            Self::PingReq { .. } => "ping-req",
            Self::IndirectPing { .. } => "indirect-ping",
            Self::IndirectAck { .. } => "indirect-ack",
            Self::ForwardedAck { .. } => "forwarded-ack",
            Self::Announce => "announce",
            Self::Feed => "feed",
            Self::Gossip => "gossip",
            Self::Broadcast => "broadcast",
            Self::TurnUndead => "turn-undead",
            Self::Nack { .. } => "nack",
            Self::Digest => "digest",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether updates (for a Feed: members) may follow the header.
    pub(crate) fn carries_members(&self) -> bool {
        !matches!(
            self,
            Self::Announce | Self::TurnUndead | Self::Broadcast | Self::Digest | Self::Unknown(_)
        )
    }

    /// Whether custom broadcasts may follow.
    pub(crate) fn carries_broadcasts(&self) -> bool {
        !matches!(
            self,
            Self::Announce | Self::TurnUndead | Self::Digest | Self::Unknown(_)
        )
    }
}

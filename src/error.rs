//! Why an input of the engine was refused.

use alloc::boxed::Box;
use core::{error, fmt};

use crate::InvalidConfig;

/// Why an input of the [`Engine`](crate::Engine) was refused. `E` is the codec's error.
///
/// None of them loses anything: members, backlog and probe are what they were before.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The peer's fault: a datagram larger than
    /// [`max_packet_size`](crate::Config::max_packet_size). Not decoded at all.
    DataTooBig {
        /// How many bytes it has.
        len: usize,
    },
    /// The peer's fault: the codec cannot read the datagram. Nothing in it was believed.
    Decode(E),
    /// The peer's fault: a message with parts that its kind cannot have, or with lengths that do
    /// not add up. Nothing in it was believed.
    MalformedPacket,
    /// The peer's fault, or the network's: a datagram from our own identity.
    DataFromOurselves,
    /// The peer's fault, or the handler's: a custom broadcast was not accepted. The rest of the
    /// datagram was.
    CustomBroadcast(Box<dyn error::Error + Send + Sync>),
    /// The caller's fault: our identity, or a member's, cannot be encoded.
    Encode(E),
    /// The caller's fault: it does not fit a datagram, now or ever.
    TooBigToSend {
        /// How many bytes it takes.
        len: usize,
        /// How many there are.
        room: usize,
    },
    /// The caller's fault: a custom broadcast of no bytes.
    EmptyBroadcast,
    /// The caller's fault: the new identity is the present one.
    SameIdentity,
    /// The caller's fault: the identity is the destination of an Announce, not a member's
    /// ([`Identity::names_member`](crate::Identity::names_member)).
    NamelessIdentity,
    /// The caller's fault: only an engine that was declared down, or that left, reuses its
    /// identity.
    NotUndead,
    /// The caller's fault: this does nothing after leaving, or while declared down.
    Undead,
    /// The caller's fault: a setting breaks a rule. The present settings stay.
    InvalidConfig(InvalidConfig),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataTooBig { len } => write!(f, "datagram of {len} bytes is larger than allowed"),
            Self::Decode(source) => write!(f, "cannot decode datagram: {source}"),
            Self::MalformedPacket => f.write_str("datagram does not add up"),
            Self::DataFromOurselves => f.write_str("datagram claims to come from ourselves"),
            Self::CustomBroadcast(source) => write!(f, "custom broadcast refused: {source}"),
            Self::Encode(source) => write!(f, "cannot encode identity: {source}"),
            Self::TooBigToSend { len, room } => {
                write!(f, "{len} bytes do not fit a datagram with room for {room}")
            }
            Self::EmptyBroadcast => f.write_str("custom broadcast has no bytes"),
            Self::SameIdentity => f.write_str("new identity is the same as the present one"),
            Self::NamelessIdentity => f.write_str("identity does not name a member"),
            Self::NotUndead => {
                f.write_str("identity is in use: it was neither left nor declared down")
            }
            Self::Undead => f.write_str("not a member any more: left, or declared down"),
            Self::InvalidConfig(source) => source.fmt(f),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Decode(source) | Self::Encode(source) => Some(source),
            Self::CustomBroadcast(source) => Some(source.as_ref()),
            Self::InvalidConfig(source) => Some(source),
            _ => None,
        }
    }
}

impl<E> From<InvalidConfig> for Error<E> {
    fn from(invalid: InvalidConfig) -> Self {
        Self::InvalidConfig(invalid)
    }
}

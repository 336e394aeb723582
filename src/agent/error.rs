//! What can be refused: building an agent, and asking it for something.

use alloc::{boxed::Box, string::String};
use core::{error::Error, fmt, net::SocketAddr};

use super::InvalidSeed;
use crate::{Error as EngineError, InvalidConfig, InvalidName};

/// Why an agent was not built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting breaks a rule.
    Config(InvalidConfig),
    /// The cluster's name is none.
    Cluster(InvalidName),
    /// A seed is neither a socket address nor `host:port`.
    Seed(InvalidSeed),
    /// The transport receives at every address of this machine, and no identity was given that
    /// says at which one the others reach it.
    WildcardAddr {
        /// Where the transport receives.
        local: SocketAddr,
    },
    /// The identity names no member ([`Identity::names_member`](crate::Identity::names_member)).
    Nameless {
        /// The identity, as it shows itself.
        identity: String,
    },
    /// The metadata is larger than what
    /// [`Cluster::set_metadata`](crate::Cluster::set_metadata) takes over this transport.
    TooMuchMetadata {
        /// How many bytes it has.
        len: usize,
    },
    /// The identity cannot be encoded, or takes more room than a packet has.
    Identity(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(source) => source.fmt(f),
            Self::Cluster(source) => write!(f, "name of the cluster: {source}"),
            Self::Seed(source) => source.fmt(f),
            Self::WildcardAddr { local } => write!(
                f,
                "the transport is bound to {local}, which is no address that others can reach: \
                 give the builder an `.identity(..)` with the address to advertise"
            ),
            Self::Nameless { identity } => write!(
                f,
                "identity {identity} names no member: it needs what its kind asks for, such as \
                 a name, and an address with a port that others can reach"
            ),
            Self::TooMuchMetadata { len } => {
                write!(
                    f,
                    "{len} bytes of metadata are more than the transport has room for"
                )
            }
            Self::Identity(source) => write!(f, "identity cannot be sent: {source}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(source) => Some(source),
            Self::Cluster(source) => Some(source),
            Self::Seed(source) => Some(source),
            Self::Identity(source) => Some(source.as_ref()),
            Self::WildcardAddr { .. } | Self::Nameless { .. } | Self::TooMuchMetadata { .. } => {
                None
            }
        }
    }
}

impl From<InvalidConfig> for BuildError {
    fn from(invalid: InvalidConfig) -> Self {
        Self::Config(invalid)
    }
}

impl From<InvalidSeed> for BuildError {
    fn from(invalid: InvalidSeed) -> Self {
        Self::Seed(invalid)
    }
}

impl BuildError {
    pub(super) fn from_engine<E: Error + Send + Sync + 'static>(error: EngineError<E>) -> Self {
        match error {
            EngineError::InvalidConfig(invalid) => Self::Config(invalid),
            error => Self::Identity(Box::new(error)),
        }
    }
}

/// Why the agent did not do what a [`Cluster`](super::Cluster) was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandError {
    /// It does not run any more: it left, its driver was dropped, or its transport was closed.
    Stopped,
    /// The caller is this agent's own broadcast handler, or a rule about members, and waits for what the agent does only
    /// after the handler has returned. Spawn a task that asks, or ask from elsewhere.
    InHandler,
    /// It left, or was declared down and cannot come back: nobody listens to it.
    NotAMember,
    /// What was given is larger than what there is room for, and was not taken: a broadcast;
    /// metadata;
    /// or, with a smaller packet size in new settings, our identity; or whom to announce to.
    TooBig {
        /// How many bytes it takes.
        len: usize,
        /// How many there are.
        room: usize,
    },
    /// The identities of this cluster cannot live at this address.
    WrongAddr(SocketAddr),
    /// A setting breaks a rule. The present settings stay.
    Config(InvalidConfig),
    /// A seed is none. The present ones stay.
    Seed(InvalidSeed),
    /// The broadcast handler did not accept the data, or the codec the identity.
    Refused(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the agent has stopped"),
            Self::InHandler => f.write_str(
                "asked from inside the agent's own broadcast handler, which it waits for: \
                 spawn a task that asks",
            ),
            Self::NotAMember => f.write_str("not a member any more: left, or declared down"),
            Self::TooBig { len, room } => {
                write!(f, "{len} bytes are more than the {room} that fit")
            }
            Self::WrongAddr(addr) => {
                write!(f, "no member of this cluster can live at {addr}")
            }
            Self::Config(source) => source.fmt(f),
            Self::Seed(source) => source.fmt(f),
            Self::Refused(source) => write!(f, "refused: {source}"),
        }
    }
}

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(source) => Some(source),
            Self::Seed(source) => Some(source),
            Self::Refused(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<EngineError<E>> for CommandError {
    fn from(error: EngineError<E>) -> Self {
        match error {
            EngineError::Undead | EngineError::NotUndead => Self::NotAMember,
            EngineError::TooBigToSend { len, room } => Self::TooBig { len, room },
            EngineError::InvalidConfig(invalid) => Self::Config(invalid),
            EngineError::CustomBroadcast(source) => Self::Refused(source),
            error => Self::Refused(Box::new(error)),
        }
    }
}

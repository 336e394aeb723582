//! Why a message was not sent.

use core::{error::Error, fmt};
use std::io;

use crate::agent::CommandError;

/// Why a message was not sent, or not delivered as far as we know.
///
/// But for [`Unacknowledged`](Self::Unacknowledged), the other member does not get it.
#[derive(Debug)]
#[non_exhaustive]
pub enum MessageError {
    /// Our agent does not run any more.
    Stopped,
    /// It was asked for from inside the agent's own broadcast handler, which the agent waits for.
    InHandler,
    /// The other one is no active member, or we are none any more.
    NotAMember,
    /// It is larger than [`Limits::message_max`](super::super::Limits::message_max), here or at
    /// the other member.
    TooBig {
        /// How many bytes it has.
        len: usize,
        /// How many it may have; at the other member, fewer than that.
        max: usize,
    },
    /// The transport has no streams, and it is to be reliable, or fits no packet; or the cluster
    /// is on foca's wire.
    NoStreams,
    /// There are as many streams of our own as [may be](super::super::Limits::dials), and 256
    /// members wait for one already; or there may be none at all.
    Busy,
    /// Nobody reads [messages](crate::Cluster::messages) at the other member.
    NotListening,
    /// The other member cannot be reached.
    Unreachable(io::Error),
    /// It was sent, but whether it arrived is not known: the stream broke, or the other member
    /// had no room for too long.
    Unacknowledged,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => CommandError::Stopped.fmt(f),
            Self::InHandler => CommandError::InHandler.fmt(f),
            Self::NotAMember => f.write_str("no active member to send to, or to send as"),
            Self::TooBig { len, max } => {
                write!(
                    f,
                    "{len} bytes are more than a message may have ({max} here)"
                )
            }
            Self::NoStreams => f.write_str("needs a stream, and the transport has none"),
            Self::Busy => f.write_str("too many streams are open, and wanted"),
            Self::NotListening => f.write_str("nobody reads messages there"),
            Self::Unreachable(source) => write!(f, "member cannot be reached: {source}"),
            Self::Unacknowledged => f.write_str("sent, but not acknowledged"),
        }
    }
}

impl Error for MessageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(source) => Some(source),
            _ => None,
        }
    }
}

impl From<CommandError> for MessageError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::InHandler => Self::InHandler,
            _ => Self::Stopped,
        }
    }
}

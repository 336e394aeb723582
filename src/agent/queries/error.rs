//! Why a question was not answered.

use core::{error::Error, fmt};
use std::io;

use crate::agent::CommandError;

/// Why a question to another member was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueryError {
    /// Our agent does not run any more.
    Stopped,
    /// It was asked for from inside the agent's own broadcast handler, which the agent waits for.
    InHandler,
    /// The other one is no active member, or we are none any more.
    NotAMember,
    /// The transport has no streams, by which questions go; or the cluster is on foca's wire.
    NoStreams,
    /// There are as many questions of ours under way as may be, or as many streams as
    /// [may be](super::super::Limits::dials).
    Busy,
    /// The other member cannot be reached.
    Unreachable(io::Error),
    /// The question was sent, and no answer came: too late, the stream broke, or what came makes
    /// no sense. A member that answers too many already, or that does not know us, ends the stream.
    NoAnswer(io::Error),
    /// The other member does not know this question: its version is an older one.
    Unknown,
    /// The other member knows the question, and cannot answer: whom it was to reach did not answer
    /// it, or is no member there.
    Refused,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => CommandError::Stopped.fmt(f),
            Self::InHandler => CommandError::InHandler.fmt(f),
            Self::NotAMember => f.write_str("no active member to ask, or to ask as"),
            Self::NoStreams => f.write_str("questions need streams, and the transport has none"),
            Self::Busy => f.write_str("too many questions or streams are under way"),
            Self::Unreachable(source) => write!(f, "member cannot be reached: {source}"),
            Self::NoAnswer(source) => write!(f, "no answer: {source}"),
            Self::Unknown => f.write_str("the member's version does not know this question"),
            Self::Refused => f.write_str("the member cannot answer this"),
        }
    }
}

impl Error for QueryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(source) | Self::NoAnswer(source) => Some(source),
            _ => None,
        }
    }
}

impl From<CommandError> for QueryError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::InHandler => Self::InHandler,
            _ => Self::Stopped,
        }
    }
}

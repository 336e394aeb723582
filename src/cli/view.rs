//! A membership as it is shown.

use core::{net::SocketAddr, time::Duration};

use selkie::Name;

/// One member, as one member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: Name,
    pub(crate) addr: SocketAddr,
    pub(crate) standing: Standing,
    pub(crate) incarnation: u16,
    pub(crate) generation: u64,
    /// For how long it has stood so.
    pub(crate) lasting: Duration,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The one whose view this is.
    Ourselves,
    Alive,
    Suspect,
    Down,
    Left,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ourselves => "alive (observer)",
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

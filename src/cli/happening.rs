//! Events as they are printed: by the demo as by an agent.

use core::{fmt, net::SocketAddr};

use selkie::{Locate, Name, Node, agent::Event};
use serde::Serialize;

/// Something that a member learnt about another, or about itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Happening {
    pub(crate) event: &'static str,
    #[serde(flatten)]
    pub(crate) member: Option<Who>,
    /// Who the member was, if it moved or restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Who>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// A member, as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Who {
    pub(crate) name: Name,
    pub(crate) addr: SocketAddr,
    pub(crate) generation: u64,
}

impl Happening {
    /// One about a member.
    pub(crate) fn about(event: &'static str, node: &Node) -> Self {
        Self {
            event,
            member: Some(Who::from(node)),
            before: None,
            detail: None,
        }
    }

    /// One about no member.
    pub(crate) fn of(event: &'static str, detail: impl Into<String>) -> Self {
        Self {
            event,
            member: None,
            before: None,
            detail: Some(detail.into()),
        }
    }

    fn before(self, node: &Node) -> Self {
        Self {
            before: Some(Who::from(node)),
            ..self
        }
    }

    fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }
}

impl From<&Event<Node>> for Happening {
    fn from(event: &Event<Node>) -> Self {
        match event {
            Event::Joined(node) => Self::about("joined", node),
            Event::Suspected(node) => Self::about("suspect", node),
            Event::Refuted(node) => Self::about("refuted", node),
            Event::Failed(node) => Self::about("down", node),
            Event::Renamed { before, after } => Self::about("renamed", after).before(before),
            Event::Connected => Self::of("connected", "another member is known"),
            Event::Alone => Self::of("alone", "no other member is known; asking the seeds"),
            Event::Rejoined(node) => {
                Self::about("rejoined", node).detail("we had been declared down, and are back")
            }
            Event::Defunct => Self::of("defunct", "declared down, and cannot come back"),
            Event::AddrConflict { ours, theirs } => Self::about("conflict", theirs)
                .before(ours)
                .detail("another process uses our name"),
            Event::SeedUnresolved { seed, reason } => Self::of(
                "unresolved",
                format!("seed {seed}: {reason}; it will be tried again"),
            ),
            Event::TransportFailed { reason } => Self::of("deaf", reason.clone()),
            Event::TransportRecovered => Self::of("recovered", "receiving again"),
            Event::Stopped => Self::of("stopped", "no longer a member"),
            event => Self::of("other", format!("{event:?}")),
        }
    }
}

impl From<&Node> for Who {
    fn from(node: &Node) -> Self {
        Self {
            name: *node.name(),
            addr: node.socket_addr(),
            generation: node.generation(),
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}", self.event)?;
        if let Some(Who { name, addr, .. }) = self.member {
            write!(f, " {name} at {addr}")?;
            match self.before {
                Some(before) if before.addr == addr => f.write_str(", restarted")?,
                Some(before) => write!(f, ", before at {}", before.addr)?,
                None => {}
            }
        }
        match (&self.detail, self.member) {
            (Some(detail), Some(_)) => write!(f, " ({detail})"),
            (Some(detail), None) => write!(f, " {detail}"),
            (None, _) => Ok(()),
        }
    }
}

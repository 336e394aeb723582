//! Events as they are printed: by the demo as by an agent.

use core::{fmt, net::SocketAddr};
use std::collections::BTreeSet;

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

/// Turns events into what is printed of them, minding who was under suspicion.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// No more than there are members.
    suspects: BTreeSet<Name>,
}

impl Chronicle {
    /// The next event.
    pub(crate) fn take(&mut self, event: &Event<Node>) -> Happening {
        let was_suspect = match event {
            Event::Suspected { member, .. } => !self.suspects.insert(*member.name()),
            event => event
                .member()
                .is_some_and(|node| self.suspects.remove(node.name())),
        };
        match event {
            Event::Joined(node) => Happening::about("joined", node),
            Event::Suspected { member, .. } => Happening::about("suspect", member),
            Event::Refuted(node) => Happening::about("refuted", node),
            Event::Failed(node) if was_suspect => Happening::about("down", node),
            Event::Failed(node) => {
                Happening::about("down", node).detail("it was not suspected here before")
            }
            Event::Left(node) => Happening::about("left", node),
            Event::Renamed { before, after } => Happening::about("renamed", after).before(before),
            event => about_us(event),
        }
    }
}

fn about_us(event: &Event<Node>) -> Happening {
    match event {
        Event::Connected => Happening::of("connected", "another member is known"),
        Event::Alone => Happening::of("alone", "no other member is known"),
        Event::Rejoined(node) => {
            Happening::about("rejoined", node).detail("we had been declared down, and are back")
        }
        Event::Defunct => Happening::of("defunct", "declared down, and cannot come back"),
        Event::AddrConflict { ours, theirs } => Happening::about("conflict", theirs)
            .before(ours)
            .detail("another process uses our name"),
        Event::SeedUnresolved { seed, reason } => Happening::of(
            "unresolved",
            format!("seed {seed}: {reason}; it will be tried again"),
        ),
        Event::TransportFailed { reason } => Happening::of("deaf", reason.clone()),
        Event::TransportRecovered => Happening::of("recovered", "receiving again"),
        Event::PacketsBlocked(node) => Happening::about("blocked", node)
            .detail("it answers by streams only: do packets get through, both ways?"),
        Event::Stopped => Happening::of("stopped", "no longer a member"),
        event => Happening::of("other", format!("{event:?}")),
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

//! Events as they are told: one word, a member, and what else there is to say.

use alloc::{collections::BTreeSet, format, string::String};
use core::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Locate, Name, Node, agent::Event};

/// Something that a member learnt about another, or about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// What, in a word: `joined`, `suspect`, `refuted`, `down`, `left`, `renamed`, `metadata`,
    /// `blocked`, or what became of ourselves: `connected`, `alone`, `rejoined`, `defunct`,
    /// `conflict`, `unresolved`, `forgetful`, `deaf`, `recovered`, `stopped`.
    pub event: &'static str,
    /// Whom it is about, if it is about a member.
    #[serde(flatten)]
    pub member: Option<Who>,
    /// Who accuses the member, if it is suspected, and that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Who>,
    /// Who the member was, if it moved or restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Who>,
    /// What else there is to say, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A member, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its name.
    pub name: Name,
    /// Where the others reach it.
    pub addr: SocketAddr,
    /// Which of its lives this is: a later one has a higher number.
    pub generation: u64,
}

impl Happening {
    /// One about a member.
    #[must_use]
    pub fn about(event: &'static str, node: &Node) -> Self {
        Self {
            event,
            member: Some(Who::from(node)),
            by: None,
            before: None,
            detail: None,
        }
    }

    /// One about no member.
    pub fn of(event: &'static str, detail: impl Into<String>) -> Self {
        Self {
            event,
            member: None,
            by: None,
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

/// Turns events into what is told of them, minding who was under suspicion.
#[derive(Debug, Default)]
pub struct Chronicle {
    /// No more than there are members.
    suspects: BTreeSet<Name>,
}

impl Chronicle {
    /// The next event.
    pub fn take(&mut self, event: &Event<Node>) -> Happening {
        let was_suspect = match event {
            Event::Suspected { member, .. } => !self.suspects.insert(*member.name()),
            event => event
                .member()
                .is_some_and(|node| self.suspects.remove(node.name())),
        };
        match event {
            Event::Joined(node) => Happening::about("joined", node),
            Event::Suspected { member, by } => Happening {
                by: by.as_ref().map(Who::from),
                ..Happening::about("suspect", member)
            },
            Event::Refuted(node) => Happening::about("refuted", node),
            Event::Failed(node) if was_suspect => Happening::about("down", node),
            Event::Failed(node) => {
                Happening::about("down", node).detail("it was not suspected here before")
            }
            Event::Left(node) => Happening::about("left", node),
            Event::Renamed { before, after } => Happening::about("renamed", after).before(before),
            Event::MetadataChanged(node) => Happening::about("metadata", node),
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
        Event::SnapshotFailed { reason } => {
            Happening::of("forgetful", format!("snapshot: {reason}"))
        }
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
        if let Some(by) = self.by {
            write!(f, ", accused by {}", by.name)?;
        }
        match (&self.detail, self.member) {
            (Some(detail), Some(_)) => write!(f, " ({detail})"),
            (Some(detail), None) => write!(f, " {detail}"),
            (None, _) => Ok(()),
        }
    }
}

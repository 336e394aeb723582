//! What is answered, as JSON has it.

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::net::SocketAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Who, timestamp};
use crate::{
    Cluster, Node, State,
    agent::{Accusation, MemberInfo, Metadata, Outcome, Probing, Status},
    metrics::Metrics,
};

/// A member, as this member sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Which one.
    #[serde(flatten)]
    pub member: Who,
    /// `alive`, `suspect`, `down` or `left`.
    pub state: String,
    /// How often it refuted a suspicion. None of ourselves.
    pub incarnation: Option<u16>,
    /// Since when it is in this state here; of ourselves, since when we run.
    pub since: String,
    /// Whether it is the member that was asked.
    pub is_ourselves: bool,
    /// What it says of itself, if anything.
    pub metadata: Option<Said>,
}

impl Entry {
    pub(super) fn ourselves(cluster: &Cluster<Node>, since: SystemTime) -> Self {
        let state = match cluster.status() {
            Status::Running => "alive",
            Status::Defunct | Status::Stopped => "down",
        };
        Self {
            member: Who::from(&cluster.identity()),
            state: state.to_owned(),
            incarnation: None,
            since: timestamp(since),
            is_ourselves: true,
            metadata: cluster.metadata().as_ref().map(Said::from),
        }
    }

    pub(super) fn other(member: &MemberInfo<Node>) -> Self {
        Self {
            member: Who::from(&member.id),
            state: name(member.state).to_owned(),
            incarnation: Some(member.incarnation.0),
            since: timestamp(member.since),
            is_ourselves: false,
            metadata: member.metadata.as_ref().map(Said::from),
        }
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Suspect => "suspect",
        State::Down => "down",
        State::Left => "left",
        _ => "unknown",
    }
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Said {
    /// A later one is higher.
    pub version: u64,
    /// How many bytes it is.
    pub len: usize,
    /// The bytes, if they are text.
    pub text: Option<String>,
}

impl From<&Metadata> for Said {
    fn from(metadata: &Metadata) -> Self {
        let bytes = metadata.bytes();
        Self {
            version: metadata.version(),
            len: bytes.len(),
            text: core::str::from_utf8(bytes).ok().map(str::to_owned),
        }
    }
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Info {
    /// Who it is.
    #[serde(flatten)]
    pub member: Who,
    /// `running`, `defunct` or `stopped`.
    pub status: String,
    /// Where it receives.
    pub local_addr: SocketAddr,
    /// The other members by state.
    pub members: Counts,
    /// How slow it thinks it is itself, from 0 (healthy) to 8.
    pub local_health: u64,
    /// Since when it runs.
    pub since: String,
    /// The process.
    pub pid: u32,
    /// selkie's version.
    pub version: String,
    /// What it says of itself, if anything.
    pub metadata: Option<Said>,
    /// When the certificate expires by which it proves itself, if that is known.
    pub certificate_expires: Option<String>,
    /// What else its program tells, such as the cluster's name.
    pub facts: BTreeMap<String, String>,
}

impl Info {
    pub(super) fn of(
        metrics: &Metrics<Node>,
        since: SystemTime,
        facts: &BTreeMap<String, String>,
    ) -> Self {
        let cluster = metrics.cluster();
        let status = match cluster.status() {
            Status::Running => "running",
            Status::Defunct => "defunct",
            Status::Stopped => "stopped",
        };
        let mut members = Counts::default();
        for member in cluster.members().iter() {
            match member.state {
                State::Alive => members.alive += 1,
                State::Suspect => members.suspect += 1,
                State::Left => members.left += 1,
                _ => members.down += 1,
            }
        }
        Self {
            member: Who::from(&cluster.identity()),
            status: status.to_owned(),
            local_addr: cluster.local_addr(),
            members,
            local_health: cluster.stats().local_health,
            since: timestamp(since),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            metadata: cluster.metadata().as_ref().map(Said::from),
            certificate_expires: metrics.not_after().map(timestamp),
            facts: facts.clone(),
        }
    }
}

/// How many members are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Those that take part.
    pub alive: usize,
    /// Those that are suspected, and take part nonetheless.
    pub suspect: usize,
    /// Those that were declared down, and are remembered.
    pub down: usize,
    /// Those that left, and are remembered.
    pub left: usize,
}

/// That a member was suspected, or declared down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accused {
    /// Who.
    pub member: Who,
    /// By whom, if that was told.
    pub by: Option<Who>,
    /// When we heard of it.
    pub at: String,
    /// Who confirmed it.
    pub confirmed: Vec<Confirmation>,
    /// Whom we had asked to probe it for us, if it is we who accuse it.
    pub asked: Vec<Asked>,
    /// How slow we thought we are ourselves then, from 0 (healthy) to 8.
    pub local_health: u8,
    /// `refuted`, `down`, `left`, `renamed`, or, while it stands, none.
    pub outcome: Option<String>,
    /// When that was.
    pub ended: Option<String>,
}

/// That somebody else accuses a suspect, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// Who.
    pub by: Who,
    /// When we heard of it.
    pub at: String,
}

/// Somebody who was asked to probe a suspect, and brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Asked {
    /// Who.
    pub by: Who,
    /// Whether it said so. If not, it, or we, may have been cut off.
    pub was_heard: bool,
}

impl From<&Accusation<Node>> for Accused {
    fn from(accusation: &Accusation<Node>) -> Self {
        let confirmed = accusation.confirmed.iter().map(|(by, at)| Confirmation {
            by: Who::from(by),
            at: timestamp(*at),
        });
        let asked = accusation.asked.iter().map(|(by, was_heard)| Asked {
            by: Who::from(by),
            was_heard: *was_heard,
        });
        let outcome = accusation.outcome.map(|(outcome, _)| match outcome {
            Outcome::Refuted => "refuted",
            Outcome::Down => "down",
            Outcome::Left => "left",
            Outcome::Renamed => "renamed",
        });
        Self {
            member: Who::from(&accusation.member),
            by: accusation.by.as_ref().map(Who::from),
            at: timestamp(accusation.at),
            confirmed: confirmed.collect(),
            asked: asked.collect(),
            local_health: accusation.local_health,
            outcome: outcome.map(str::to_owned),
            ended: accusation.outcome.map(|(_, at)| timestamp(at)),
        }
    }
}

/// Who probes whom, as this member knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probes {
    /// Whom it probes at this moment.
    pub target: Option<Who>,
    /// Whether that answered.
    pub is_answered: bool,
    /// Whom it asked to probe the target for it, since it did not answer.
    pub helpers: Vec<Who>,
    /// Who probed it last: `pings_heard` of the [statistics](super::Admin::stats) tells whether
    /// anybody did since.
    pub pinged_by: Option<Who>,
}

impl From<Probing<Node>> for Probes {
    fn from(probing: Probing<Node>) -> Self {
        Self {
            target: probing.target.as_ref().map(Who::from),
            is_answered: probing.is_answered,
            helpers: probing.helpers.iter().map(Who::from).collect(),
            pinged_by: probing.pinged_by.as_ref().map(Who::from),
        }
    }
}

/// Whom we announced ourselves to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Joined {
    /// Their addresses.
    pub announced: Vec<SocketAddr>,
}

/// How leaving went: see [`Departure`](crate::agent::Departure).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Left {
    /// How many members know.
    pub acked: usize,
    /// How many were waited for.
    pub wanted: usize,
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Broadcasted {
    /// Whether the agent took it for news. If not, nothing was sent.
    pub is_news: bool,
}

/// What became of declaring a member down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Declared {
    /// Whether it was active. If not, nothing was done.
    pub was_active: bool,
}

//! What other members have to be asked for.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;
use std::time::SystemTime;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    Admin, Refused, Who,
    comparing::{States, View, compare},
    timestamp,
};
use crate::{
    Name, Node, State,
    agent::{Clocks, QueryError, RoundTrips, Status},
    transport::Fingerprints,
};

/// How far one member is from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distance {
    /// Who asked.
    pub from: Name,
    /// Whose echoes were measured.
    pub to: Name,
    /// How many there were.
    pub echoes: usize,
    /// The shortest, there and back, in nanoseconds.
    pub min_ns: u64,
    /// The one in the middle.
    pub median_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// Why there is none, if so: the figures are 0 then.
    pub error: Option<String>,
}

impl Distance {
    fn new(from: Name, to: Name, measured: Result<RoundTrips, QueryError>) -> Self {
        let mut distance = Self {
            from,
            to,
            echoes: 0,
            min_ns: 0,
            median_ns: 0,
            max_ns: 0,
            error: None,
        };
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match measured {
            Ok(trips) => {
                distance.echoes = trips.iter().count();
                distance.min_ns = nanos(trips.min());
                distance.median_ns = nanos(trips.median());
                distance.max_ns = nanos(trips.max());
            }
            Err(error) => distance.error = Some(error.to_string()),
        }
        distance
    }
}

/// What all members see, compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reach {
    /// Whether all answered, and see the same members alive.
    pub agrees: bool,
    /// Those that were asked, this one first: all that it takes for active.
    pub members: Vec<Reached>,
    /// Who sees whom otherwise than alive, though somebody takes that one for active: the first
    /// 1024 of them.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differing: usize,
}

/// A member that was asked whom it sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reached {
    /// Which one.
    #[serde(flatten)]
    pub member: Who,
    /// Why it did not answer, if so.
    pub error: Option<String>,
    /// Those with the same number see the same: 1 is the most of them. None if it did not answer.
    pub group: Option<usize>,
    /// How many members it takes for active, itself included.
    pub active: usize,
    /// Whether it has more members than it told of: of those, nothing is known.
    pub is_partial: bool,
}

/// That a member sees another one otherwise than alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// Who sees it so.
    pub seen_by: Name,
    /// Whom.
    pub member: Name,
    /// `suspect`, `down`, `left`, `missing`, or `outdated`: alive, in an earlier life.
    pub state: String,
}

/// How far a member's clock is ahead of this one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClockOffset {
    /// Whose.
    pub member: Name,
    /// In milliseconds; behind, below 0. None if it did not answer.
    pub ahead_ms: Option<i64>,
    /// By how much that may be wrong, in milliseconds.
    pub uncertainty_ms: u64,
    /// Why it did not answer, if so.
    pub error: Option<String>,
}

/// What the keys and certificates of a member are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Credential {
    /// Whose.
    #[serde(flatten)]
    pub member: Who,
    /// Why it did not answer, if so: nothing else is known then.
    pub error: Option<String>,
    /// The names of its sealing keys, the one that seals first.
    pub keys: Vec<String>,
    /// When its certificate expires, if it has one.
    pub certificate_expires: Option<String>,
    /// In how many whole days that is; below 0 once it has expired.
    pub certificate_days: Option<i64>,
    /// SHA-256 of the certificates of the authorities that it trusts, in hexadecimal.
    pub authorities: Vec<String>,
    /// SHA-256 of its public key, in hexadecimal.
    pub public_key: Option<String>,
}

impl Credential {
    fn new(member: &Node, answer: Result<Fingerprints, QueryError>) -> Self {
        let error = answer.as_ref().err().map(ToString::to_string);
        let prints = answer.unwrap_or_default();
        Self {
            member: Who::from(member),
            error,
            keys: prints.keys.iter().map(|key| hex(key)).collect(),
            certificate_expires: prints.not_after.map(timestamp),
            certificate_days: prints.not_after.map(days_until),
            authorities: prints.authorities.iter().map(|it| hex(it)).collect(),
            public_key: prints.public_key.as_ref().map(|key| hex(key)),
        }
    }
}

/// Whole days from now, rounded down.
fn days_until(at: SystemTime) -> i64 {
    let seconds = match at.duration_since(SystemTime::now()) {
        Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        Err(ago) => i64::try_from(ago.duration().as_secs()).map_or(i64::MIN, |secs| -1 - secs),
    };
    seconds.div_euclid(86_400)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

impl Admin {
    /// How far the agent is from each other active member: see
    /// [`Cluster::rtt`](crate::Cluster::rtt).
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`]. Who does not answer has that in its [`Distance`].
    pub async fn distances(&self) -> Result<Vec<Distance>, Refused> {
        self.check_running()?;
        let from = *self.cluster().identity().name();
        let measured = stream::iter(self.active()).map(|to| async move {
            let measured = self.cluster().rtt(&to, ECHOES).await;
            Distance::new(from, *to.name(), measured)
        });
        Ok(in_order(measured).await)
    }

    /// How far the member called `to` is from the one called `from`, or from the agent: see
    /// [`Cluster::rtt_between`](crate::Cluster::rtt_between).
    ///
    /// # Errors
    ///
    /// [`Refused`]: no such member, or it did not answer.
    pub async fn distance(&self, from: Option<&str>, to: &str) -> Result<Distance, Refused> {
        self.check_running()?;
        let ourselves = self.cluster().identity();
        let find = |name: &str| match ourselves.name().as_str() == name {
            true => Ok(ourselves),
            false => self.member(name).map(|member| member.id),
        };
        let (from, to) = (find(from.unwrap_or(ourselves.name().as_str()))?, find(to)?);
        if from == to {
            let why = alloc::format!("{} is no distance from itself", to.name());
            return Err(Refused::Invalid(why));
        }
        let measured = match from == ourselves {
            true => self.cluster().rtt(&to, ECHOES).await,
            false => self.cluster().rtt_between(&from, &to, ECHOES).await,
        };
        Ok(Distance::new(*from.name(), *to.name(), Ok(measured?)))
    }

    /// Asks every active member whom it sees, and compares: see
    /// [`Cluster::view_of`](crate::Cluster::view_of). What is just being spread is a difference, too.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn reach(&self) -> Result<Reach, Refused> {
        self.check_running()?;
        let ourselves = self.cluster().identity();
        let usual = Arc::new(self.states());
        let asked = stream::iter(self.active()).map(|member| {
            let usual = usual.clone();
            async move {
                let view = self.cluster().view_of(&member).await;
                (member, view.map(|view| View::of(&view, usual)))
            }
        });
        let mut views = in_order(asked).await;
        // The others first: what they told us meanwhile is known here by now.
        let own = View::new(self.states(), false, usual);
        views.insert(0, (ourselves, Ok(own)));
        // Of many members, that takes its time.
        Ok(smol::unblock(move || compare(&views)).await)
    }

    /// How all members stand here, by name, ourselves included.
    fn states(&self) -> States {
        let ourselves = self.cluster().identity();
        let members = self.cluster().members();
        let held = members.iter().map(|it| (it.id, it.state));
        held.chain([(ourselves, State::Alive)])
            .map(|(id, state)| (*id.name(), (id.generation(), state)))
            .collect()
    }

    /// How far the clocks of all other active members are ahead of ours: see
    /// [`Cluster::clock_of`](crate::Cluster::clock_of).
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn clocks(&self) -> Result<Vec<ClockOffset>, Refused> {
        self.check_running()?;
        let asked = stream::iter(self.active()).map(|member| async move {
            let read = self.cluster().clock_of(&member).await;
            let clocks = read.as_ref().ok();
            let uncertainty = clocks.map_or(Duration::ZERO, |clocks| clocks.uncertainty);
            ClockOffset {
                member: *member.name(),
                ahead_ms: clocks.map(Clocks::ahead_millis),
                uncertainty_ms: u64::try_from(uncertainty.as_millis()).unwrap_or(u64::MAX),
                error: read.as_ref().err().map(ToString::to_string),
            }
        });
        Ok(in_order(asked).await)
    }

    /// What the keys and certificates of all active members are called, this one's first: see
    /// [`Cluster::fingerprints_of`](crate::Cluster::fingerprints_of).
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn credentials(&self) -> Result<Vec<Credential>, Refused> {
        self.check_running()?;
        let ourselves = self.cluster().identity();
        let own = Credential::new(&ourselves, Ok(self.cluster().fingerprints()));
        let asked = stream::iter(self.active()).map(|member| async move {
            Credential::new(&member, self.cluster().fingerprints_of(&member).await)
        });
        let mut all = in_order(asked).await;
        all.insert(0, own);
        Ok(all)
    }

    fn active(&self) -> Vec<Node> {
        let members = self.cluster().members();
        members.active().map(|member| member.id).collect()
    }

    fn check_running(&self) -> Result<(), Refused> {
        match self.cluster().status() {
            Status::Stopped => Err(Refused::Stopped),
            Status::Running | Status::Defunct => Ok(()),
        }
    }
}

/// A few at a time, in the order in which they were begun.
async fn in_order<F: Future>(asked: impl futures::Stream<Item = F>) -> Vec<F::Output> {
    asked.buffered(ASKED_MAX).collect().await
}

/// How many echoes are measured.
const ECHOES: usize = 5;
/// How many members are asked at a time.
const ASKED_MAX: usize = 8;

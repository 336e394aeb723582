//! What other members have to be asked for.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;
use std::time::SystemTime;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Admin, Refused, Who, timestamp};
use crate::{
    Name, Node, State,
    agent::{Clocks, MemberView, QueryError, RoundTrips, Status},
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
    /// Who sees whom otherwise than alive, though somebody takes that one for active.
    pub differences: Vec<Difference>,
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
        let asked = stream::iter(self.active()).map(|member| async move {
            let view = self.cluster().view_of(&member).await;
            (member, view.map(|view| View::of(&view)))
        });
        let mut views = in_order(asked).await;
        // The others first: what they told us meanwhile is known here by now.
        let members = self.cluster().members();
        let held = members.iter().map(|it| (it.id, it.state));
        let own = held.chain([(ourselves, State::Alive)]);
        let own = View {
            states: own
                .map(|(id, state)| (*id.name(), (id.generation(), state)))
                .collect(),
            is_partial: false,
        };
        views.insert(0, (ourselves, Ok(own)));
        Ok(compare(&views))
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

/// Whom a member sees, by name: in which life, and how it stands.
struct View {
    states: BTreeMap<Name, (u64, State)>,
    is_partial: bool,
}

impl View {
    fn of(view: &MemberView<Node>) -> Self {
        let state = |it: &crate::Member<Node>| (*it.id.name(), (it.id.generation(), it.state));
        Self {
            states: view.members.iter().map(state).collect(),
            is_partial: view.total > view.members.len(),
        }
    }

    fn active(&self) -> impl Iterator<Item = (Name, u64)> {
        let active = self
            .states
            .iter()
            .filter(|(_, (_, state))| state.is_active());
        active.map(|(name, (generation, _))| (*name, *generation))
    }

    /// How this one stands whose present life somebody knows; none if that is well.
    fn standing(&self, name: &Name, generation: u64) -> Option<&'static str> {
        match self.states.get(name) {
            Some((_, State::Down)) => Some("down"),
            Some((_, State::Left)) => Some("left"),
            Some((known, _)) if *known < generation => Some("outdated"),
            Some((_, State::Suspect)) => Some("suspect"),
            Some(_) => None,
            None => (!self.is_partial).then_some("missing"),
        }
    }
}

fn compare(views: &[(Node, Result<View, QueryError>)]) -> Reach {
    let answers = || {
        views
            .iter()
            .filter_map(|(id, view)| Some((id, view.as_ref().ok()?)))
    };
    // All that somebody takes for active, in their latest life.
    let mut present: BTreeMap<Name, u64> = BTreeMap::new();
    for (name, generation) in answers().flat_map(|(_, view)| view.active()) {
        let latest = present.entry(name).or_default();
        *latest = generation.max(*latest);
    }
    let mut differences = Vec::new();
    // What each sees, as a set of differences: the same ones are a group.
    let mut groups: BTreeMap<BTreeSet<(Name, &str)>, Vec<Name>> = BTreeMap::new();
    for (id, view) in answers() {
        let seen = present.iter().filter_map(|(name, generation)| {
            let state = view.standing(name, *generation)?;
            Some((*name, state))
        });
        let seen: BTreeSet<_> = seen.collect();
        differences.extend(seen.iter().map(|(member, state)| Difference {
            seen_by: *id.name(),
            member: *member,
            state: (*state).to_owned(),
        }));
        groups.entry(seen).or_default().push(*id.name());
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|names| core::cmp::Reverse(names.len()));
    let members: Vec<_> = views
        .iter()
        .map(|(id, view)| Reached {
            member: Who::from(id),
            error: view.as_ref().err().map(ToString::to_string),
            group: groups
                .iter()
                .position(|names| view.is_ok() && names.contains(id.name()))
                .map(|place| place + 1),
            active: view.as_ref().map_or(0, |view| view.active().count()),
            is_partial: view.as_ref().is_ok_and(|view| view.is_partial),
        })
        .collect();
    Reach {
        agrees: differences.is_empty() && members.iter().all(|it| it.error.is_none()),
        members,
        differences,
    }
}

/// How many echoes are measured.
const ECHOES: usize = 5;
/// How many members are asked at a time.
const ASKED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use alloc::{format, vec::Vec};
    use core::net::SocketAddr;

    use super::{Reach, View, compare};
    use crate::{Node, State, agent::QueryError};

    fn node(name: &str, generation: u64) -> Node {
        let addr = SocketAddr::from(([10, 0, 0, 1], 7946));
        Node::new(name.parse().expect("a name"), addr, generation)
    }

    fn view(states: &[(&str, u64, State)]) -> View {
        let states = states.iter().map(|(name, generation, state)| {
            let name = name.parse().expect("a name");
            (name, (*generation, *state))
        });
        View {
            states: states.collect(),
            is_partial: false,
        }
    }

    fn differences(reach: &Reach) -> Vec<alloc::string::String> {
        let all = reach.differences.iter();
        all.map(|it| format!("{}: {} {}", it.seen_by, it.member, it.state))
            .collect()
    }

    const ALL: [(&str, u64, State); 3] = [
        ("a", 1, State::Alive),
        ("b", 1, State::Alive),
        ("c", 1, State::Alive),
    ];

    #[test]
    fn those_that_see_the_same_agree_whatever_they_remember_of_the_dead() {
        let dead = [&ALL[..], &[("d", 1, State::Down)]].concat();
        let views = ["a", "b", "c"].map(|name| {
            let seen = if name == "a" { &dead } else { &ALL[..] };
            (node(name, 1), Ok(view(seen)))
        });
        let reach = compare(&views);
        assert!(reach.agrees, "{reach:?}");
        assert!(
            reach
                .members
                .iter()
                .all(|it| it.group == Some(1) && it.active == 3)
        );
    }

    #[test]
    fn who_sees_somebody_otherwise_is_named_and_the_most_are_the_first_group() {
        let mut suspects = ALL;
        suspects[2].2 = State::Suspect;
        let views = [
            (node("a", 1), Ok(view(&suspects))),
            (node("b", 1), Ok(view(&ALL))),
            (node("c", 1), Ok(view(&ALL))),
        ];
        let reach = compare(&views);
        assert!(!reach.agrees);
        assert_eq!(differences(&reach), ["a: c suspect"]);
        let groups: Vec<_> = reach.members.iter().map(|it| it.group).collect();
        assert_eq!(groups, [Some(2), Some(1), Some(1)]);
    }

    #[test]
    fn the_missing_the_dead_and_the_outdated_are_told_apart() {
        let views = [
            (
                node("a", 1),
                Ok(view(&[ALL[0], ("b", 2, State::Alive), ALL[2]])),
            ),
            (node("b", 2), Ok(view(&[ALL[0], ("b", 2, State::Alive)]))),
            (
                node("c", 1),
                Ok(view(&[("a", 1, State::Down), ALL[1], ALL[2]])),
            ),
        ];
        let reach = compare(&views);
        assert_eq!(
            differences(&reach),
            ["b: c missing", "c: a down", "c: b outdated"]
        );
    }

    #[test]
    fn who_does_not_answer_is_a_disagreement_and_of_no_group() {
        let views = [
            (node("a", 1), Ok(view(&ALL[..2]))),
            (node("b", 1), Err(QueryError::Busy)),
        ];
        let reach = compare(&views);
        assert!(!reach.agrees);
        assert_eq!((reach.members[1].group, reach.members[1].active), (None, 0));
        assert!(reach.members[1].error.is_some());
    }
}

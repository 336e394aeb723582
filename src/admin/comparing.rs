//! Whether members see the same, and who sees whom otherwise.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    sync::Arc,
    vec::Vec,
};
use core::hash::BuildHasher;
use std::{collections::HashMap, hash::RandomState};

use super::{Difference, Reach, Reached, Who};
use crate::{
    Name, Node, State,
    agent::{MemberView, QueryError},
};

/// How members stand: in which life, and state.
pub(super) type States = BTreeMap<Name, (u64, State)>;

/// Whom a member sees. Most see the same: kept is what differs from what is usual, so that many views
/// take little more room than one.
pub(super) struct View {
    usual: Arc<States>,
    /// None: it told of no such member.
    unusual: BTreeMap<Name, Option<(u64, State)>>,
    is_partial: bool,
}

impl View {
    pub(super) fn of(view: &MemberView<Node>, usual: Arc<States>) -> Self {
        let state = |it: &crate::Member<Node>| (*it.id.name(), (it.id.generation(), it.state));
        let states = view.members.iter().map(state).collect();
        Self::new(states, view.total > view.members.len(), usual)
    }

    pub(super) fn new(states: States, is_partial: bool, usual: Arc<States>) -> Self {
        let missing = usual.keys().filter(|name| !states.contains_key(name));
        let missing = missing.map(|name| (*name, None));
        let other = states
            .iter()
            .filter(|(name, state)| usual.get(name) != Some(state));
        let other = other.map(|(name, state)| (*name, Some(*state)));
        Self {
            unusual: missing.chain(other).collect(),
            usual,
            is_partial,
        }
    }

    fn get(&self, name: &Name) -> Option<(u64, State)> {
        match self.unusual.get(name) {
            Some(state) => *state,
            None => self.usual.get(name).copied(),
        }
    }

    /// How many it takes for active.
    fn count_active(&self) -> usize {
        let is_usual = |name: &Name| !self.unusual.contains_key(name);
        let usual = active(&self.usual).filter(|(name, _)| is_usual(name));
        let unusual = self.unusual.values().flatten();
        usual.count() + unusual.filter(|(_, state)| state.is_active()).count()
    }

    /// How this one stands whose present life somebody knows; none if that is well.
    fn standing(&self, name: &Name, generation: u64) -> Option<&'static str> {
        match self.get(name) {
            None if self.is_partial => None,
            state => standing(state, generation),
        }
    }
}

fn standing(state: Option<(u64, State)>, generation: u64) -> Option<&'static str> {
    match state {
        Some((_, State::Down)) => Some("down"),
        Some((_, State::Left)) => Some("left"),
        Some((known, _)) if known < generation => Some("outdated"),
        Some((_, State::Suspect)) => Some("suspect"),
        Some(_) => None,
        None => Some("missing"),
    }
}

fn active(states: &States) -> impl Iterator<Item = (Name, u64)> {
    let active = states.iter().filter(|(_, (_, state))| state.is_active());
    active.map(|(name, (generation, _))| (*name, *generation))
}

/// All that somebody takes for active, in their latest life.
fn present(views: &[&View]) -> BTreeMap<Name, u64> {
    let mut present: BTreeMap<Name, u64> = BTreeMap::new();
    let mut add = |name, generation: u64| {
        let latest = present.entry(name).or_default();
        *latest = generation.max(*latest);
    };
    let mut exceptions: BTreeMap<Name, usize> = BTreeMap::new();
    for (name, state) in views.iter().flat_map(|view| &view.unusual) {
        *exceptions.entry(*name).or_default() += 1;
        if let Some((generation, state)) = state
            && state.is_active()
        {
            add(*name, *generation);
        }
    }
    for (name, generation) in views.first().into_iter().flat_map(|it| active(&it.usual)) {
        let is_held = exceptions.get(&name).is_none_or(|it| *it < views.len());
        if is_held {
            add(name, generation);
        }
    }
    present
}

/// Compares views of which the same is usual.
pub(super) fn compare(views: &[(Node, Result<View, QueryError>)]) -> Reach {
    let answers: Vec<&View> = views
        .iter()
        .filter_map(|(_, it)| it.as_ref().ok())
        .collect();
    let present = present(&answers);
    // Those who do not stand well where all is as usual.
    let usual: BTreeMap<Name, &'static str> = present
        .iter()
        .filter_map(|(name, generation)| {
            let usual = answers.first()?.usual.get(name).copied();
            Some((*name, standing(usual, *generation)?))
        })
        .collect();
    let (mut differences, mut differing) = (Vec::new(), 0);
    // Those who see the same are a group. What they see is told apart by a hash that nobody can
    // foresee: there may be much of it.
    let hasher = RandomState::new();
    let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, (id, view)) in views.iter().enumerate() {
        let Ok(view) = view else {
            continue;
        };
        let names = usual.keys().chain(view.unusual.keys());
        let seen: BTreeSet<(Name, &str)> = names
            .filter_map(|name| Some((*name, view.standing(name, *present.get(name)?)?)))
            .collect();
        let room = DIFFERENCES_MAX.saturating_sub(differences.len());
        differences.extend(seen.iter().take(room).map(|(member, state)| Difference {
            seen_by: *id.name(),
            member: *member,
            state: (*state).to_owned(),
        }));
        differing += seen.len();
        groups
            .entry(hasher.hash_one(&seen))
            .or_default()
            .push(place);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|places| (core::cmp::Reverse(places.len()), places.first().copied()));
    let mut group_of = HashMap::new();
    for (number, places) in (1..).zip(&groups) {
        group_of.extend(places.iter().map(|place| (*place, number)));
    }
    let members: Vec<_> = views
        .iter()
        .enumerate()
        .map(|(place, (id, view))| Reached {
            member: Who::from(id),
            error: view.as_ref().err().map(ToString::to_string),
            group: group_of.get(&place).copied(),
            active: view.as_ref().map_or(0, View::count_active),
            is_partial: view.as_ref().is_ok_and(|view| view.is_partial),
        })
        .collect();
    Reach {
        agrees: differing == 0 && members.iter().all(|it| it.error.is_none()),
        members,
        differences,
        differing,
    }
}

/// How many differences are told: a member that makes others up makes as many as there are members
/// for each.
const DIFFERENCES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use alloc::{format, sync::Arc, vec::Vec};
    use core::net::SocketAddr;

    use super::{DIFFERENCES_MAX, Reach, States, View, compare};
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
        View::new(states.collect(), false, usual())
    }

    /// Not as anybody sees it.
    fn usual() -> Arc<States> {
        let other = [
            ("c", State::Suspect),
            ("d", State::Alive),
            ("e", State::Down),
        ];
        let other = other.map(|(name, state)| (name.parse().expect("a name"), (1, state)));
        Arc::new(other.into())
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

    #[test]
    fn who_makes_members_up_makes_no_more_differences_than_are_told() {
        let mut views: Vec<_> = (0..50)
            .map(|number| (node(&format!("n{number}"), 1), Ok(view(&ALL))))
            .collect();
        let made_up: Vec<_> = (0..1000).map(|number| format!("x{number}")).collect();
        let made_up: Vec<_> = made_up
            .iter()
            .map(|name| (name.as_str(), 1, State::Alive))
            .collect();
        let liar = [&ALL[..], &made_up].concat();
        views.push((node("liar", 1), Ok(view(&liar))));
        let reach = compare(&views);
        assert_eq!(reach.differences.len(), DIFFERENCES_MAX);
        assert_eq!(reach.differing, 50 * 1000);
        assert_eq!(reach.members[50].active, 1003);
        let groups: Vec<_> = reach.members.iter().map(|it| it.group).collect();
        assert_eq!(groups[..50], [Some(1); 50]);
        assert_eq!(groups[50], Some(2));
    }

    #[test]
    fn of_a_partial_view_nobody_is_missing() {
        let partial = View {
            is_partial: true,
            ..view(&ALL[..1])
        };
        let views = [(node("a", 1), Ok(view(&ALL))), (node("b", 1), Ok(partial))];
        assert!(compare(&views).agrees);
    }
}

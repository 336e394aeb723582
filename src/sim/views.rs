//! Who sees whom, and whether all agree.

use alloc::{format, string::String, vec::Vec};

use super::{Machine, Simulation};
use crate::{Identity, State};

/// How many pairs a text names; the rest it counts.
const PAIRS_NAMED: usize = 5;

impl<M: Machine> Simulation<M> {
    /// Whether a node is up, and has not left.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.crash(3);
    /// assert!(sim.is_live(2) && !sim.is_live(3));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_live(&self, node: usize) -> bool {
        self.check(node);
        self.world.places[node].is_live()
    }

    /// The nodes that are up, and have not left.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.crash(3);
    /// assert!(sim.live().eq([0, 1, 2, 4]));
    /// # }
    /// ```
    pub fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&node| self.is_live(node))
    }

    /// What a node believes about another: at which incarnation, in which state. `None` when it
    /// is not up, or knows nothing of the other one's present identity.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let belief = sim.belief(0, 3).expect("they met");
    /// assert_eq!(belief.state, selkie::State::Alive);
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn belief(&self, observer: usize, subject: usize) -> Option<crate::Member<&M::Id>> {
        self.check(observer);
        self.check(subject);
        let id = self.identity(subject);
        let belief = self.machine(observer)?.belief(&id.addr())?;
        (belief.id == id).then_some(belief)
    }

    /// Whether a node holds another one's present identity for an active member.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(sim.sees(0, 3));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn sees(&self, observer: usize, subject: usize) -> bool {
        self.check(observer);
        self.check(subject);
        self.belief(observer, subject)
            .is_some_and(|belief| belief.state.is_active())
    }

    /// Whether each live node sees all the others, and nobody else. So it is when nobody is live:
    /// where that can be, ask how many [are](Self::live) as well.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(sim.all_see_all());
    /// sim.crash(3);
    /// assert!(!sim.all_see_all(), "they do not know yet");
    /// # }
    /// ```
    #[must_use]
    pub fn all_see_all(&self) -> bool {
        let live: Vec<usize> = self.live().collect();
        // Counting is cheap, and wrong counts are the rule until the end.
        live.iter().all(|&observer| {
            self.machine(observer)
                .is_some_and(|machine| machine.num_active() + 1 == live.len())
        }) && live.iter().all(|&observer| {
            let mut others = live.iter().filter(|&&subject| subject != observer);
            others.all(|&subject| self.sees(observer, subject))
        })
    }

    /// Whether all live nodes see each other, alive rather than suspected, and agree on the
    /// incarnation of each. So it is when [nobody is live](Self::all_see_all).
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(sim.is_converged());
    /// # }
    /// ```
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.all_see_all() && self.first_disagreement().is_none()
    }

    /// The pairs of live nodes of which the first does not see the second.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let stranger = sim.add_peers(1).start;
    /// assert!(sim.unseen().any(|pair| pair == (0, stranger)));
    /// # }
    /// ```
    pub fn unseen(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.live().flat_map(move |observer| {
            self.live()
                .filter(move |&subject| subject != observer && !self.sees(observer, subject))
                .map(move |subject| (observer, subject))
        })
    }

    /// How many nodes see `subject`.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert_eq!(sim.seen_by(3), 4);
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn seen_by(&self, subject: usize) -> usize {
        self.check(subject);
        self.live()
            .filter(|&observer| observer != subject && self.sees(observer, subject))
            .count()
    }

    /// What keeps the live nodes from all seeing each other, in words.
    pub(super) fn blindness(&self) -> String {
        let mut unseen = self.unseen();
        let mut text = String::new();
        for (observer, subject) in unseen.by_ref().take(PAIRS_NAMED) {
            let belief = self.machine(observer).and_then(|machine| {
                let belief = machine.belief(&self.identity(subject).addr())?;
                Some(format!("{} {:?}", belief.state, belief.id))
            });
            let belief = belief.unwrap_or_else(|| "nothing".into());
            text += &format!("node {observer} of node {subject}: {belief}; ");
        }
        text += &format!("{} more such pairs; ", unseen.count());
        let num_live = self.live().count();
        for observer in self.live() {
            let active = self.machine(observer).map_or(0, Machine::num_active);
            if active + 1 > num_live {
                text += &format!("node {observer} sees {active} members; ");
            }
        }
        text + &format!("{num_live} nodes are live")
    }

    /// Two live nodes that believe different things about a third, in words.
    pub(super) fn first_disagreement(&self) -> Option<String> {
        for subject in self.live() {
            let mut first = None;
            for observer in self.live().filter(|&observer| observer != subject) {
                let Some(belief) = self.belief(observer, subject) else {
                    return Some(format!("node {observer} does not know node {subject}"));
                };
                if belief.state != State::Alive {
                    return Some(format!(
                        "node {observer} holds node {subject} {}",
                        belief.state
                    ));
                }
                let known = *first.get_or_insert(belief.incarnation);
                if known != belief.incarnation {
                    return Some(format!(
                        "node {subject} is at incarnation {known} and, to node {observer}, {}",
                        belief.incarnation
                    ));
                }
            }
        }
        None
    }
}

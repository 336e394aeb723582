//! What can be done to the network.

use alloc::{boxed::Box, vec};

use super::{Link, Machine, Simulation, network::Group};

/// A cut in the network, to be [healed](Simulation::heal).
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// let cut: Cut = sim.partition(0..2, 2..5);
/// sim.after(Duration::from_secs(60), move |sim| sim.heal(cut));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut(u32);

impl<M: Machine> Simulation<M> {
    /// What all links are like, from now on.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_links(Link::wan().loss(0.01));
    /// sim.run_for(Duration::from_secs(60));
    /// assert!(sim.faults().lost > 0);
    /// # }
    /// ```
    pub fn set_links(&mut self, link: Link) {
        self.world.network.set_all(link);
        self.world.done(None, "links");
    }

    /// What each link is like, from now on, by sender and receiver.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{Config, codecs::PostcardCodec, sim::{Link, Simulation}};
    ///
    /// let mut sim = Simulation::new(1, Config::wan(), PostcardCodec);
    /// sim.add_peers(30);
    /// // Three sites of ten.
    /// sim.set_topology(|from, to| match from / 10 == to / 10 {
    ///     true => Link::lan(),
    ///     false => Link::wan(),
    /// });
    /// # }
    /// ```
    pub fn set_topology(&mut self, link: impl Fn(usize, usize) -> Link + 'static) {
        self.world.network.set_topology(Box::new(link));
        self.world.done(None, "topology");
    }

    /// What one link is like, in one direction, until [`set_links`](Self::set_links) or
    /// [`set_topology`](Self::set_topology) say otherwise.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_link(1, 2, Link::lan().loss(1.0));
    /// sim.run_for(Duration::from_secs(60));
    /// assert!(sim.sees(2, 1) && sim.sees(1, 2), "others help");
    /// # }
    /// ```
    #[track_caller]
    pub fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.check(from);
        self.check(to);
        self.world.network.set_link(from, to, link);
        self.world.done(Some(from), "link");
    }

    /// Keeps back what some nodes send to others: a one-way partition.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(4);
    /// sim.join_all(0);
    /// sim.run_for(Duration::from_secs(5));
    /// let cut = sim.cut([0, 1], [2, 3]);
    /// sim.run_for(Duration::from_secs(5));
    /// sim.heal(cut);
    /// assert!(sim.faults().cut > 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn cut(
        &mut self,
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
    ) -> Cut {
        let (from, to) = (self.group(from), self.group(to));
        self.cut_ways(from, to, false)
    }

    /// Keeps back what two groups of nodes send to each other: a partition.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let cut = sim.partition([0, 1], [2, 3, 4]);
    /// sim.run_for(Duration::from_secs(60));
    /// assert!(!sim.sees(0, 2) && !sim.sees(2, 0) && sim.sees(0, 1));
    /// sim.heal(cut);
    /// sim.run_for(Duration::from_secs(130));
    /// assert!(sim.all_see_all());
    /// # }
    /// ```
    #[track_caller]
    pub fn partition(
        &mut self,
        one: impl IntoIterator<Item = usize>,
        other: impl IntoIterator<Item = usize>,
    ) -> Cut {
        let (one, other) = (self.group(one), self.group(other));
        self.cut_ways(one, other, true)
    }

    /// Cuts nodes off from all others, those that are added later included, and from each other.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.isolate(0..5);
    /// sim.run_for(Duration::from_secs(120));
    /// assert_eq!(sim.unseen().count(), 20);
    /// # }
    /// ```
    #[track_caller]
    pub fn isolate(&mut self, nodes: impl IntoIterator<Item = usize>) -> Cut {
        let nodes = self.group(nodes);
        self.cut_ways(nodes, Group::Everybody, true)
    }

    /// Ends a cut.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let cut = sim.cut([0], [1]);
    /// sim.heal(cut);
    /// assert!(!sim.is_cut(0, 1));
    /// # }
    /// ```
    pub fn heal(&mut self, cut: Cut) {
        self.world.network.heal(cut.0);
        self.world.done(None, "heal");
    }

    /// Ends every cut.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.cut([0], [1]);
    /// sim.partition([2], [3]);
    /// sim.heal_all();
    /// assert!(!sim.is_cut(0, 1) && !sim.is_cut(3, 2));
    /// # }
    /// ```
    pub fn heal_all(&mut self) {
        self.world.network.heal_all();
        self.world.done(None, "heal all");
    }

    /// Whether a cut keeps packets of one node from another.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.cut([0], [1]);
    /// assert!(sim.is_cut(0, 1) && !sim.is_cut(1, 0));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.check(from);
        self.check(to);
        self.world.network.is_cut(from, to)
    }

    #[track_caller]
    fn group(&self, nodes: impl IntoIterator<Item = usize>) -> Group {
        let mut members = vec![false; self.len()];
        for node in nodes {
            self.check(node);
            members[node] = true;
        }
        Group::Of(members)
    }

    fn cut_ways(&mut self, from: Group, to: Group, is_both_ways: bool) -> Cut {
        self.world.counts.cuts += 1;
        self.world.done(None, "cut");
        Cut(self.world.network.cut(from, to, is_both_ways))
    }
}

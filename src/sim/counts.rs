//! Proof that what was to happen did.

macro_rules! fault_counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often which fault happened in a simulation, since it began.
        ///
        /// A test of behaviour under a fault proves little if the fault never came about: check
        /// these as well.
        ///
        /// ```
        /// # #[cfg(feature = "postcard")] {
        /// use core::time::Duration;
        /// use selkie::{Config, codecs::PostcardCodec, sim::{Link, Simulation}};
        ///
        /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
        /// sim.set_links(Link::lan().loss(0.2));
        /// sim.add_peers(5);
        /// sim.join_all(0);
        /// sim.run_for(Duration::from_secs(60));
        /// let faults = sim.faults();
        /// assert!(faults.lost > 0 && faults.lost < faults.sent);
        /// # }
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct FaultCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl FaultCounts {
            /// The counts with their names, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Adds those of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

fault_counts! {
    /// Packets that members sent: all, whatever became of them.
    sent,
    /// Packets that were handed to members, the second copies of duplicated ones included.
    delivered,
    /// Packets lost, each for itself.
    lost,
    /// Packets lost in bursts.
    lost_in_bursts,
    /// Of both: those lost on the way into or out of a node that loses.
    lost_at_nodes,
    /// Packets that a partition kept back.
    cut,
    /// Packets too large for their link.
    too_big,
    /// Packets that arrived twice.
    duplicated,
    /// Packets that took a detour, so that later ones overtook them.
    detoured,
    /// Packets that waited at a node that was paused or frozen, before it took them in.
    held_in,
    /// Packets that a paused node sent and that waited until it was resumed.
    held_out,
    /// Packets that found an inbox full.
    overflowed,
    /// Packets that waited for a slow node.
    slowed,
    /// Packets to an address at which there never was a node.
    to_nobody,
    /// Packets to a node that was not up, or that ended before it came to them.
    to_down,
    /// Timers that fired late since the node was frozen or its clock stood still.
    timers_late,
    /// Nodes that crashed.
    crashes,
    /// Nodes that started again.
    restarts,
    /// Nodes that left.
    leaves,
    /// Nodes that were paused.
    pauses,
    /// Nodes that were frozen.
    freezes,
    /// Clocks that were stopped.
    stalls,
    /// Nodes that were made slow.
    slowdowns,
    /// Cuts, partitions and isolations.
    cuts,
}

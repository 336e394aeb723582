//! What can be done to nodes and to the network.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{Latency, Link, Loss, Machine, Simulation};
use crate::Identity;

/// A cut in the network, to be [healed](Simulation::heal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut(u32);

/// Faults of nodes.
impl<M: Machine> Simulation<M> {
    /// Ends a node without a word. Returns when: now. Does nothing to one that is not up.
    pub fn crash(&mut self, node: usize) -> Duration {
        if self.stop(node) {
            self.world.counts.crashes += 1;
            self.world.done(Some(node), "crash");
        }
        self.now()
    }

    /// Starts a node again, under a renewed identity if there is one, and lets it
    /// [join at any other](Self::join_any). One that is up crashes first.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(10);
    /// sim.join_all(0);
    /// sim.run_for(Duration::from_secs(10));
    /// sim.crash(4);
    /// sim.run_for(Duration::from_secs(1));
    /// sim.restart(4);
    /// sim.run_for(Duration::from_secs(10));
    /// assert!(sim.all_see_all(), "the new life takes over at once");
    /// # }
    /// ```
    pub fn restart(&mut self, node: usize) {
        let last = self.identity(node);
        let identity = last.renew().unwrap_or_else(|| last.clone());
        self.restart_as(node, identity);
    }

    /// The same, under this identity.
    pub fn restart_as(&mut self, node: usize, identity: M::Id) {
        self.crash(node);
        self.world.counts.restarts += 1;
        self.world.done(Some(node), "restart");
        self.world.places[node].start_again();
        self.world.route(identity.addr(), node);
        self.start(node, identity);
        self.join_any(node);
    }

    /// Lets a node leave. It stays up to hand the news over, and is not live any more.
    pub fn leave(&mut self, node: usize) {
        if self.is_live(node) {
            self.world.counts.leaves += 1;
            self.world.places[node].has_left = true;
            self.world.done(Some(node), "leave");
            self.input(node, |machine, port| machine.leave(port));
        }
    }

    /// Holds what a node sends and what is sent to it, while its timers fire: a process that is
    /// blocked on its sockets (Lifeguard, section V). Nothing is lost, unless an
    /// [inbox](Self::set_inbox_max) overflows.
    ///
    /// Pauses may overlap; each is ended by a [`resume`](Self::resume) of its own.
    pub fn pause(&mut self, node: usize) {
        if self.world.places[node].is_up {
            self.world.counts.pauses += 1;
            self.world.places[node].pauses += 1;
            self.world.done(Some(node), "pause");
        }
    }

    /// Ends a pause: what was held is sent, and handed in, in its order, now.
    pub fn resume(&mut self, node: usize) {
        let place = &mut self.world.places[node];
        if place.pauses > 0 {
            place.pauses -= 1;
            self.world.done(Some(node), "resume");
            self.release(node);
        }
    }

    /// Pauses a node for this long.
    pub fn pause_for(&mut self, node: usize, time: Duration) {
        self.pause(node);
        self.later_in_this_life(node, time, Self::resume);
    }

    /// Stops a node's process (SIGSTOP, a machine that swaps): neither packets nor timers are
    /// handled. Both wait; its clock goes on.
    ///
    /// Freezes may overlap; each is ended by a [`thaw`](Self::thaw) of its own.
    pub fn freeze(&mut self, node: usize) {
        if self.world.places[node].is_up {
            self.world.counts.freezes += 1;
            self.world.places[node].freezes += 1;
            self.world.done(Some(node), "freeze");
        }
    }

    /// Ends a freeze: first the packets that waited are handed in, then the timers that were due
    /// meanwhile fire, as in an agent's loop.
    pub fn thaw(&mut self, node: usize) {
        let place = &mut self.world.places[node];
        if place.freezes > 0 {
            place.freezes -= 1;
            self.world.done(Some(node), "thaw");
            self.release(node);
        }
    }

    /// Freezes a node for this long.
    pub fn freeze_for(&mut self, node: usize, time: Duration) {
        self.freeze(node);
        self.later_in_this_life(node, time, Self::thaw);
    }

    /// Lets a node's clock stand still for this long, as that of a virtual machine that is moved:
    /// every timer fires so much later. Packets are handled meanwhile.
    pub fn stall_clock(&mut self, node: usize, time: Duration) {
        if self.world.places[node].is_up {
            self.world.counts.stalls += 1;
            let now = self.now();
            self.world.places[node].stall(now, time);
            self.world.done(Some(node), "stall");
        }
    }

    /// Lets a node take so long for each packet, one after another, until
    /// [`speed_up`](Self::speed_up). Timers fire in time.
    pub fn slow_down(&mut self, node: usize, per_packet: impl Into<Latency>) {
        if self.world.places[node].is_up {
            self.world.counts.slowdowns += 1;
            self.world.places[node].processing = Some(per_packet.into());
            self.world.done(Some(node), "slow-down");
        }
    }

    /// Lets a node take no time for packets, but for those that wait already.
    pub fn speed_up(&mut self, node: usize) {
        self.world.places[node].processing = None;
        self.world.done(Some(node), "speed-up");
    }

    /// Loses packets on their way into a node, beside what links lose.
    pub fn set_ingress_loss(&mut self, node: usize, loss: impl Into<Loss>) {
        self.world.network.set_ingress(node, loss.into());
        self.world.done(Some(node), "ingress loss");
    }

    /// Loses packets on their way out of a node, beside what links lose.
    pub fn set_egress_loss(&mut self, node: usize, loss: impl Into<Loss>) {
        self.world.network.set_egress(node, loss.into());
        self.world.done(Some(node), "egress loss");
    }

    /// Whether a node is under a fault of its own now: paused, frozen, slow, its clock stopped, or
    /// with losses at its door.
    #[must_use]
    pub fn is_troubled(&self, node: usize) -> bool {
        self.world.is_troubled(node)
    }

    fn stop(&mut self, node: usize) -> bool {
        let Some(machine) = self.machines[node].take() else {
            return false;
        };
        self.identities[node] = machine.identity().clone();
        self.world.places[node].stop();
        true
    }

    fn later_in_this_life(
        &mut self,
        node: usize,
        time: Duration,
        act: impl FnOnce(&mut Self, usize) + 'static,
    ) {
        let life = self.world.places[node].life;
        self.after(time, move |sim| {
            if sim.world.places[node].life == life {
                act(sim, node);
            }
        });
    }

    /// Lets go of what was held at a node, as far as nothing holds it any more.
    fn release(&mut self, node: usize) {
        if self.world.places[node].is_held() {
            return;
        }
        self.world.release_out(node);
        for parcel in core::mem::take(&mut self.world.places[node].held_in) {
            if let Some(parcel) = self.world.arrive(parcel) {
                self.hand_in(parcel);
            }
        }
        for alarm in core::mem::take(&mut self.world.places[node].held_timers) {
            if let Some(alarm) = self.world.due(alarm) {
                self.fire(node, alarm.timer);
            }
        }
    }
}

/// Faults of the network.
impl<M: Machine> Simulation<M> {
    /// What all links are like, from now on.
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
    pub fn set_link(&mut self, from: usize, to: usize, link: Link) {
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
    pub fn cut(
        &mut self,
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
    ) -> Cut {
        self.cut_ways(from, to, false)
    }

    /// Keeps back what two groups of nodes send to each other: a partition.
    pub fn partition(
        &mut self,
        one: impl IntoIterator<Item = usize>,
        other: impl IntoIterator<Item = usize>,
    ) -> Cut {
        self.cut_ways(one, other, true)
    }

    /// Cuts nodes off from all others, and from each other.
    pub fn isolate(&mut self, nodes: impl IntoIterator<Item = usize>) -> Cut {
        let nodes: Vec<usize> = nodes.into_iter().collect();
        let all = 0..self.len();
        self.cut_ways(nodes, all, true)
    }

    /// Ends a cut.
    pub fn heal(&mut self, cut: Cut) {
        self.world.network.heal(cut.0);
        self.world.done(None, "heal");
    }

    /// Ends every cut.
    pub fn heal_all(&mut self) {
        self.world.network.heal_all();
        self.world.done(None, "heal all");
    }

    /// Whether a cut keeps packets of one node from another.
    #[must_use]
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.world.network.is_cut(from, to)
    }

    fn cut_ways(
        &mut self,
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
        is_both_ways: bool,
    ) -> Cut {
        let from: Vec<usize> = from.into_iter().collect();
        let to: Vec<usize> = to.into_iter().collect();
        self.world.counts.cuts += 1;
        self.world.done(None, "cut");
        Cut(self.world.network.cut(&from, &to, is_both_ways))
    }
}

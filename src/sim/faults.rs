//! What can be done to nodes.

use core::time::Duration;

use super::{Latency, Loss, Machine, Simulation};
use crate::Identity;

impl<M: Machine> Simulation<M> {
    /// Ends a node without a word. Returns when: now. Does nothing to one that is not up.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let crash = sim.crash(3);
    /// assert_eq!(crash, sim.now());
    /// assert!(sim.machine(3).is_none());
    /// # }
    /// ```
    #[track_caller]
    pub fn crash(&mut self, node: usize) -> Duration {
        self.check(node);
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
    #[track_caller]
    pub fn restart(&mut self, node: usize) {
        self.check(node);
        let last = self.identity(node);
        let identity = last.renew().unwrap_or_else(|| last.clone());
        self.restart_as(node, identity);
    }

    /// The same, under this identity.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let next = Peer { life: 7, ..*sim.identity(3) };
    /// sim.restart_as(3, next);
    /// sim.run_for(Duration::from_secs(10));
    /// assert!(sim.sees(0, 3));
    /// # }
    /// ```
    #[track_caller]
    pub fn restart_as(&mut self, node: usize, identity: M::Id) {
        self.check(node);
        self.crash(node);
        self.world.counts.restarts += 1;
        self.world.done(Some(node), "restart");
        self.world.places[node].start_again();
        self.world.route(identity.addr(), node);
        self.start(node, identity);
        self.join_any(node);
    }

    /// Lets a node leave. It stays up to hand the news over, and is not live any more.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.leave(3);
    /// sim.run_for(Duration::from_secs(30));
    /// assert!(sim.all_see_all(), "the four that remain");
    /// # }
    /// ```
    #[track_caller]
    pub fn leave(&mut self, node: usize) {
        self.check(node);
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
    /// Pauses may overlap; each is ended by a [`resume`](Self::resume) of its own, those of
    /// [`pause_for`](Self::pause_for) by their time at the latest.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.pause(3);
    /// sim.run_for(Duration::from_secs(20));
    /// sim.resume(3);
    /// assert!(sim.faults().held_in > 0 && sim.faults().held_out > 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn pause(&mut self, node: usize) {
        self.check(node);
        if self.world.places[node].is_up {
            self.world.places[node].pauses.begin();
            self.count_pause(node);
        }
    }

    /// Ends a pause: what was held is sent, and handed in, in its order, now.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.pause(3);
    /// assert!(sim.is_troubled(3));
    /// sim.resume(3);
    /// assert!(!sim.is_troubled(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn resume(&mut self, node: usize) {
        self.check(node);
        if self.world.places[node].pauses.end() {
            self.after_pause(node);
        }
    }

    /// Pauses a node for this long.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// // Lifeguard's experiment: blocked for eight seconds, fine for one, and so on.
    /// sim.pause_for(3, Duration::from_secs(8));
    /// sim.every(Duration::from_secs(9), |sim| {
    ///     sim.pause_for(3, Duration::from_secs(8));
    ///     true
    /// });
    /// sim.run_for(Duration::from_secs(120));
    /// assert_eq!(sim.faults().pauses, 14);
    /// # }
    /// ```
    #[track_caller]
    pub fn pause_for(&mut self, node: usize, time: Duration) {
        self.check(node);
        if self.world.places[node].is_up {
            let pause = self.world.places[node].pauses.begin_timed();
            self.count_pause(node);
            self.later_in_this_life(node, time, move |sim, node| {
                if sim.world.places[node].pauses.end_timed(pause) {
                    sim.after_pause(node);
                }
            });
        }
    }

    /// Stops a node's process (SIGSTOP, a machine that swaps): neither packets nor timers are
    /// handled. Both wait; its clock goes on.
    ///
    /// Freezes may overlap; each is ended by a [`thaw`](Self::thaw) of its own, those of
    /// [`freeze_for`](Self::freeze_for) by their time at the latest.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.freeze(3);
    /// sim.run_for(Duration::from_secs(2));
    /// sim.thaw(3);
    /// assert!(sim.faults().timers_late > 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn freeze(&mut self, node: usize) {
        self.check(node);
        if self.world.places[node].is_up {
            self.world.places[node].freezes.begin();
            self.count_freeze(node);
        }
    }

    /// Ends a freeze: first the packets that waited are handed in, then the timers that were due
    /// meanwhile fire, as in an agent's loop.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.freeze(3);
    /// sim.thaw(3);
    /// assert!(!sim.is_troubled(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn thaw(&mut self, node: usize) {
        self.check(node);
        if self.world.places[node].freezes.end() {
            self.after_freeze(node);
        }
    }

    /// Freezes a node for this long.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.freeze_for(3, Duration::from_secs(2));
    /// sim.run_for(Duration::from_secs(3));
    /// assert!(!sim.is_troubled(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn freeze_for(&mut self, node: usize, time: Duration) {
        self.check(node);
        if self.world.places[node].is_up {
            let freeze = self.world.places[node].freezes.begin_timed();
            self.count_freeze(node);
            self.later_in_this_life(node, time, move |sim, node| {
                if sim.world.places[node].freezes.end_timed(freeze) {
                    sim.after_freeze(node);
                }
            });
        }
    }

    /// Lets a node's clock stand still for this long, as that of a virtual machine that is moved:
    /// every timer fires so much later. Packets are handled meanwhile.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let before = *sim.traffic_of(3);
    /// sim.stall_clock(3, Duration::from_secs(60));
    /// sim.run_for(Duration::from_secs(59));
    /// let since = sim.traffic_of(3).since(&before);
    /// assert_eq!(since.sent_of("ping").packets, 0);
    /// assert!(since.sent_of("ack").packets > 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn stall_clock(&mut self, node: usize, time: Duration) {
        self.check(node);
        if self.world.places[node].is_up {
            self.world.counts.stalls += 1;
            let now = self.now();
            self.world.places[node].stall(now, time);
            self.world.done(Some(node), "stall");
        }
    }

    /// Lets a node take so long for each packet, one after another, until
    /// [`speed_up`](Self::speed_up). Timers fire in time.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.slow_down(3, Duration::from_millis(300));
    /// sim.run_for(Duration::from_secs(30));
    /// assert!(sim.faults().slowed > 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn slow_down(&mut self, node: usize, per_packet: impl Into<Latency>) {
        self.check(node);
        if self.world.places[node].is_up {
            self.world.counts.slowdowns += 1;
            self.world.places[node].processing = Some(per_packet.into());
            self.world.done(Some(node), "slow-down");
        }
    }

    /// Lets a node take no time for packets, but for those that wait already.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.slow_down(3, Duration::from_millis(300));
    /// sim.after(Duration::from_secs(10), |sim| sim.speed_up(3));
    /// sim.run_for(Duration::from_secs(20));
    /// assert!(!sim.is_troubled(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn speed_up(&mut self, node: usize) {
        self.check(node);
        self.world.places[node].processing = None;
        self.world.done(Some(node), "speed-up");
    }

    /// Loses packets on their way into a node, beside what links lose.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_ingress_loss(3, 0.8);
    /// sim.run_for(Duration::from_secs(20));
    /// assert!(sim.faults().lost_at_nodes > 0);
    /// sim.set_ingress_loss(3, Loss::None);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the probability is not from 0 to 1.
    #[track_caller]
    pub fn set_ingress_loss(&mut self, node: usize, loss: impl Into<Loss>) {
        self.check(node);
        self.world.network.set_ingress(node, loss.into().checked());
        self.world.done(Some(node), "ingress loss");
    }

    /// Loses packets on their way out of a node, beside what links lose.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_egress_loss(3, 0.8);
    /// sim.run_for(Duration::from_secs(20));
    /// assert!(sim.faults().lost_at_nodes > 0);
    /// sim.set_egress_loss(3, Loss::None);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the probability is not from 0 to 1.
    #[track_caller]
    pub fn set_egress_loss(&mut self, node: usize, loss: impl Into<Loss>) {
        self.check(node);
        self.world.network.set_egress(node, loss.into().checked());
        self.world.done(Some(node), "egress loss");
    }

    /// Whether a node is under a fault of its own now: paused, frozen, slow, its clock stopped, or
    /// with losses at its door.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(!sim.is_troubled(3));
    /// sim.set_egress_loss(3, 0.1);
    /// assert!(sim.is_troubled(3));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn is_troubled(&self, node: usize) -> bool {
        self.check(node);
        self.world.is_troubled(node)
    }

    fn count_pause(&mut self, node: usize) {
        self.world.counts.pauses += 1;
        self.world.done(Some(node), "pause");
    }

    fn after_pause(&mut self, node: usize) {
        self.world.done(Some(node), "resume");
        self.release(node);
    }

    fn count_freeze(&mut self, node: usize) {
        self.world.counts.freezes += 1;
        self.world.done(Some(node), "freeze");
    }

    fn after_freeze(&mut self, node: usize) {
        self.world.done(Some(node), "thaw");
        self.release(node);
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

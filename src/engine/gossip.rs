//! Spreading what waits to be sent: updates, and the user's broadcasts.

use alloc::boxed::Box;
use core::{error, iter, time::Duration};

use super::{Connection, Engine, Result, Undead, backlog::Framing, packet::Frames};
use crate::{
    BroadcastHandler, Codec, Error, Identity, Invalidates, Message, Periodic, Runtime, Timer,
    TimerToken,
};

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Gossips now, to [`num_indirect_probes`](crate::Config::num_indirect_probes) random
    /// members, even if there is nothing to say.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`] after leaving or being declared down.
    pub fn gossip<R: Runtime<I>>(&mut self, runtime: &mut R) -> Result<(), I, C> {
        self.refuse_if_undead()?;
        self.gossip_to(self.config.num_indirect_probes, runtime);
        Ok(())
    }

    /// Sends waiting custom broadcasts now, and no updates, to
    /// [`num_indirect_probes`](crate::Config::num_indirect_probes) random members. Does nothing
    /// when none waits.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`] after leaving or being declared down.
    pub fn broadcast<R: Runtime<I>>(&mut self, runtime: &mut R) -> Result<(), I, C> {
        self.refuse_if_undead()?;
        let count = self.config.num_indirect_probes;
        self.send_to_random(&Message::Broadcast, count, Empty::Skip, runtime);
        Ok(())
    }

    /// Offers data of our own to the handler and, if that calls it news, spreads it. Returns
    /// whether it did.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`] after leaving or being declared down; [`Error::EmptyBroadcast`];
    /// [`Error::TooBigToSend`] when no packet would ever hold it; [`Error::CustomBroadcast`] when
    /// the handler refuses it.
    pub fn add_broadcast<R: Runtime<I>>(
        &mut self,
        data: &[u8],
        runtime: &mut R,
    ) -> Result<bool, I, C> {
        self.refuse_if_undead()?;
        if data.is_empty() {
            return Err(Error::EmptyBroadcast);
        }
        let room = self.item_max(Framing::Length);
        if data.len() > room {
            return Err(Error::TooBigToSend {
                len: data.len(),
                room,
            });
        }
        let key = self
            .handler
            .receive_item(data, None)
            .map_err(Error::CustomBroadcast)?;
        let is_news = key.is_some();
        if let Some(key) = key {
            self.drop_obsolete(&key);
            self.spread_broadcast(key, data);
            self.arm_gossip(runtime);
        }
        Ok(is_news)
    }

    /// Hands received broadcasts to the handler. Returns its first error, after all of them.
    pub(super) fn receive_broadcasts(
        &mut self,
        broadcasts: Frames<'_>,
        sender: &I,
    ) -> core::result::Result<(), Box<dyn error::Error + Send + Sync>> {
        let mut outcome = Ok(());
        // One is compared with all that wait, however many the user allows.
        let mut comparisons = self.broadcasts.len().max(COMPARISONS_MAX);
        for data in broadcasts {
            match self.handler.receive_item(data, Some(sender)) {
                Ok(Some(key)) => {
                    self.counters.broadcasts_applied += 1;
                    let waiting = self.broadcasts.len();
                    if waiting <= comparisons {
                        comparisons -= waiting;
                        self.drop_obsolete(&key);
                    }
                    self.spread_broadcast(key, data);
                }
                Ok(None) => self.counters.broadcasts_stale += 1,
                Err(refusal) => {
                    self.counters.broadcasts_refused += 1;
                    outcome = outcome.and(Err(refusal));
                }
            }
        }
        outcome
    }

    fn drop_obsolete(&mut self, key: &H::Key) {
        self.broadcasts
            .remove_where(|waiting| key.invalidates(waiting));
    }

    fn spread_broadcast(&mut self, key: H::Key, data: &[u8]) {
        if data.len() > self.item_max(Framing::Length) {
            // Others have shorter identities, and room for it.
            self.counters.broadcasts_evicted += 1;
            return;
        }
        if self.broadcasts.len() >= self.config.max_broadcasts {
            self.counters.broadcasts_evicted += 1;
            self.broadcasts.evict();
        }
        self.broadcasts.add(key, data);
    }

    /// Submits the gossip timer if there is something to say and it does not run yet. Nothing was
    /// gossiped for a while then: news need not wait for long, only for what comes with it.
    pub(super) fn arm_gossip<R: Runtime<I>>(&mut self, runtime: &mut R) {
        if let Some(task) = self.gossip_task() {
            self.submit_gossip(task.every / FIRST_OF, runtime);
        }
    }

    fn submit_gossip<R: Runtime<I>>(&mut self, after: Duration, runtime: &mut R) {
        if let Some(token) = self.tasks.gossip.set() {
            runtime.submit_after(Timer::Gossip { token }, after);
        }
    }

    pub(super) fn on_gossip_timer<R: Runtime<I>>(&mut self, token: TimerToken, runtime: &mut R) {
        if !self.tasks.gossip.goes_off(token) {
            return;
        }
        let Some(task) = self.gossip_task() else {
            return;
        };
        if self.is_undead() {
            self.hand_over(task.members, runtime);
        } else {
            self.send_to_random(&Message::Gossip, task.members, Empty::Skip, runtime);
        }
        // Also if nothing is left to say: what comes next waits for its turn.
        self.submit_gossip(task.every, runtime);
    }

    /// How to gossip now; `None` while there is nothing to say, or nobody to say it to.
    fn gossip_task(&self) -> Option<Periodic> {
        match self.connection {
            Connection::Connected if self.updates.is_empty() && self.broadcasts.is_empty() => None,
            Connection::Connected => self.config.periodic_gossip,
            // Our departure is handed over even where nothing else is gossiped.
            Connection::Undead(Undead::Left) if self.has_departure_to_hand_over() => {
                Some(self.config.periodic_gossip.unwrap_or(Periodic {
                    every: self.config.probe_rtt,
                    members: self.config.num_indirect_probes,
                }))
            }
            Connection::Disconnected | Connection::Undead(_) => None,
        }
    }

    fn has_departure_to_hand_over(&self) -> bool {
        self.own_item.is_some() && (self.table.num_active() > 0 || !self.announced.is_empty())
    }

    pub(super) fn gossip_to<R: Runtime<I>>(&mut self, count: usize, runtime: &mut R) {
        self.send_to_random(&Message::Gossip, count, Empty::Send, runtime);
    }

    fn send_to_random<R: Runtime<I>>(
        &mut self,
        message: &Message<I>,
        count: usize,
        empty: Empty,
        runtime: &mut R,
    ) {
        let successor = self.find_successor(message);
        let mut draw = self.table.preferring(&mut self.rng);
        for left in (0..count).rev() {
            let due = successor.filter(|_| self.is_successor_due(left == 0));
            let mut others =
                iter::from_fn(|| self.table.prefer(&mut draw, |id| runtime.is_near(id)));
            let chosen = due.or_else(|| others.find(|&slot| Some(slot) != successor));
            let Some(slot) = chosen.or(successor) else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            let composed = self.compose(&to, message.clone(), runtime);
            if Some(slot) == successor && composed.is_err() {
                self.pass_over_successor();
            }
            if composed.is_ok_and(|items| items > 0 || empty == Empty::Send) {
                self.transmit(&to, runtime);
            }
            if chosen.is_none() {
                // There are no others.
                break;
            }
        }
    }

    pub(super) fn refuse_if_undead(&self) -> Result<(), I, C> {
        if self.is_undead() {
            Err(Error::Undead)
        } else {
            Ok(())
        }
    }
}

/// News after a silence goes out after this part of what passes from one gossip to the next.
const FIRST_OF: u32 = 4;

/// How many comparisons of received broadcasts with those that wait one datagram may cost: it may
/// hold hundreds, and over a thousand wait.
const COMPARISONS_MAX: usize = 1 << 14;

/// What to do with a packet that carries nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Send,
    Skip,
}

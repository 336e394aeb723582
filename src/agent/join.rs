//! Joining: ask the seeds, for as long as there is nobody else.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::net::SocketAddr;

use super::{CommandError, Event, driver::Agent, leave::Phase, seeds::Found};
use crate::{
    BroadcastHandler, Codec, Locate, Transport,
    trace::{debug, warn},
};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Whether to look for somebody to join.
    pub(super) fn is_alone(&self) -> bool {
        self.engine.num_members() == 0 && matches!(self.phase, Phase::Running)
    }

    /// Asks the seeds, while there is nobody else.
    pub(super) fn seek(&mut self) {
        let alone = self.is_alone();
        let found = self.inputs.seeds.ask_if_due(self.inputs.now(), alone);
        self.try_seeds(found);
    }

    /// Asks those whose addresses were looked up meanwhile.
    pub(super) fn handle_found(&mut self) {
        let found = core::mem::take(&mut self.inputs.found);
        self.try_seeds(found);
    }

    fn try_seeds(&mut self, found: Vec<Found>) {
        for (seed, addrs) in found {
            match addrs {
                Ok(addrs) if !addrs.is_empty() => self.try_addrs(&addrs),
                result => {
                    let none = || String::from("no address");
                    let reason = result.map_or_else(|error| error.to_string(), |_| none());
                    self.stats.seeds_unresolved += 1;
                    warn!(%seed, reason, "seed cannot be resolved");
                    let event = Event::SeedUnresolved { seed, reason };
                    self.news.events.push(event);
                }
            }
        }
    }

    fn try_addrs(&mut self, addrs: &[SocketAddr]) {
        for &addr in addrs {
            // Somebody may have answered while this was looked up.
            if !self.is_alone() {
                return;
            }
            if self.is_our_own(addr) || self.lifeline.0.local_addr.is_ipv4() && addr.is_ipv6() {
                self.stats.seeds_passed_over += 1;
                continue;
            }
            match self.announce(addr) {
                Ok(()) => {
                    self.stats.seeds_announced += 1;
                    debug!(%addr, "seed asked to let us in");
                }
                Err(error) => {
                    self.stats.seeds_passed_over += 1;
                    debug!(%addr, %error, "seed passed over");
                }
            }
        }
    }

    fn is_our_own(&self, addr: SocketAddr) -> bool {
        let local = self.lifeline.0.local_addr;
        let is_loopback =
            local.ip().is_unspecified() && addr.ip().is_loopback() && addr.port() == local.port();
        addr == local || addr == self.engine.identity().socket_addr() || is_loopback
    }

    /// Asks whoever lives there.
    pub(super) fn announce(&mut self, to: SocketAddr) -> Result<(), CommandError> {
        let dst = I::from_seed(to).ok_or(CommandError::WrongAddr(to))?;
        Ok(self.engine.announce(dst, &mut self.outputs)?)
    }
}

//! Joining: ask the seeds, often while there is nobody else, and now and then afterwards.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::net::SocketAddr;

use super::{
    CommandError, Event,
    driver::Agent,
    leave::Phase,
    seeds::{Company, Found},
};
use crate::{
    BroadcastHandler, Codec, Locate, Transport,
    trace::{debug, warn},
};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Whom we know, as far as seeds are concerned.
    pub(super) fn company(&self) -> Company {
        if !matches!(self.phase, Phase::Running) || self.news.is_defunct {
            Company::Unwanted
        } else if self.engine.num_members() == 0 {
            Company::Nobody
        } else {
            Company::Others
        }
    }

    /// Asks the seeds that it is time to ask.
    pub(super) fn seek(&mut self) {
        let company = self.company();
        let found = self.inputs.seeds.ask_if_due(self.inputs.now(), company);
        self.try_seeds(found);
    }

    /// Asks those whose addresses were looked up meanwhile.
    pub(super) fn handle_found(&mut self) {
        let found = core::mem::take(&mut self.inputs.found);
        self.try_seeds(found);
    }

    fn try_seeds(&mut self, found: Vec<Found>) {
        for Found {
            seed,
            company,
            addrs,
        } in found
        {
            match addrs {
                // Somebody may have answered while this was looked up, or we may be leaving.
                Ok(addrs) if !addrs.is_empty() => match (company, self.company()) {
                    (Company::Nobody, Company::Others) | (_, Company::Unwanted) => {}
                    (_, company) => self.try_addrs(&addrs, company),
                },
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

    fn try_addrs(&mut self, addrs: &[SocketAddr], company: Company) {
        for &addr in addrs {
            if self.is_our_own(addr) || self.lifeline.0.local_addr.is_ipv4() && addr.is_ipv6() {
                self.stats.seeds_passed_over += 1;
                continue;
            }
            let mut members = self.engine.members();
            if members.any(|member| member.id.socket_addr() == addr) {
                self.stats.seeds_known += 1;
                continue;
            }
            drop(members);
            match self.announce(addr) {
                Ok(()) => {
                    self.stats.seeds_announced += 1;
                    self.stats.seeds_revisited += u64::from(company == Company::Others);
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

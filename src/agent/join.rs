//! Joining: ask the seeds, often while there is nobody else, and now and then afterwards.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::net::SocketAddr;
use std::collections::HashSet;

use super::{
    CommandError, Event,
    cluster::Tuning,
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
        if self.inputs.seeds.is_due(self.inputs.now(), company) {
            let found = self.inputs.seeds.ask(company);
            self.try_seeds(found);
            self.try_remembered(company);
        }
    }

    /// Asks some of those that we knew when we ran before. As seeds, they are whoever lives where
    /// they did only if they still have their name.
    fn try_remembered(&mut self, company: Company) {
        let has_expired = |after| self.outputs.now >= after;
        if self
            .engine
            .config()
            .remove_down_after
            .is_some_and(has_expired)
        {
            self.remembered.clear();
        }
        let most = match company {
            Company::Nobody => REMEMBERED_ALONE_MAX,
            Company::Others => REMEMBERED_MAX,
            Company::Unwanted => 0,
        };
        let engine = &self.engine;
        let is_known = |id: &I| {
            let addr = id.addr();
            addr == engine.identity().addr() || engine.member(&addr).is_some()
        };
        for id in self.remembered.next(most, is_known) {
            match self.engine.announce(id, &mut self.outputs) {
                Ok(()) => self.stats.remembered_announced += 1,
                Err(error) => debug!(%error, "remembered member passed over"),
            }
        }
    }

    /// Changes a setting of the agent's own.
    pub(super) fn tune(&mut self, tuning: Tuning) {
        match tuning {
            Tuning::Seeds(seeds) => self.inputs.seeds.replace(seeds),
            Tuning::SeedPeriod(period) => self.inputs.seeds.set_period(period),
            Tuning::SnapshotPeriod(period) => {
                if let Some(saver) = &mut self.inputs.saver {
                    saver.set_period(period);
                }
            }
            Tuning::SyncPeriod(period) => self.sync.set_period(period),
            Tuning::Limits(limits) => self.set_limits(&limits),
        }
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
        // Once, as there may be many of both.
        let members = self.engine.members();
        let known: HashSet<_> = members.map(|member| member.id.socket_addr()).collect();
        let mut asked = 0;
        for &addr in addrs {
            if asked >= ADDRS_ASKED_MAX {
                break;
            }
            if self.is_our_own(addr) || self.lifeline.0.local_addr.is_ipv4() && addr.is_ipv6() {
                self.stats.seeds_passed_over += 1;
                continue;
            }
            if known.contains(&addr) {
                self.stats.seeds_known += 1;
                continue;
            }
            match self.announce(addr) {
                Ok(()) => {
                    asked += 1;
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

/// The most addresses of one seed announced to at once.
const ADDRS_ASKED_MAX: usize = 16;
/// The most remembered members asked at once, while there is nobody else.
const REMEMBERED_ALONE_MAX: usize = 16;
/// The most of them asked at once among others.
const REMEMBERED_MAX: usize = 4;

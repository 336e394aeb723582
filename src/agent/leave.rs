//! Leaving: tell the others, wait until enough of them know, or not much longer than they need.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Departure, driver::Agent};
use crate::{BroadcastHandler, Codec, Config, Locate, Transport, trace::debug};

/// Where the driver is in its life.
pub(super) enum Phase<I> {
    Running,
    /// The cluster was told that we go; members are to acknowledge that.
    Leaving(Leave<I>),
    /// To stop after this turn.
    Ending,
}

/// A departure on its way.
pub(super) struct Leave<I> {
    /// Who acknowledged it, each once.
    acked: Vec<I>,
    wanted: usize,
    pub(super) deadline: Duration,
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Begins to leave, unless that began before.
    pub(super) fn leave(&mut self) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let config: &Config = self.engine.config();
        let wanted = config.num_indirect_probes.min(self.engine.num_members());
        let patience = config.probe_period.saturating_mul(LEAVE_PERIODS);
        if let Err(error) = self.engine.leave_cluster(&mut self.outputs) {
            debug!(%error, "nobody to take leave from");
            return self.end_leave(Departure::default());
        }
        debug!(wanted, "leaving");
        self.phase = Phase::Leaving(Leave {
            acked: Vec::new(),
            wanted,
            deadline: self.outputs.now.saturating_add(patience),
        });
        self.check_leave();
    }

    pub(super) fn on_leave_acked(&mut self, member: I) {
        if let Phase::Leaving(leave) = &mut self.phase
            && !leave.acked.contains(&member)
        {
            leave.acked.push(member);
        }
    }

    /// Ends the departure if enough members know, or the time is up.
    pub(super) fn check_leave(&mut self) {
        if let Phase::Leaving(leave) = &mut self.phase {
            let departure = Departure {
                acked: leave.acked.len(),
                wanted: leave.wanted,
            };
            if departure.is_acknowledged() || self.outputs.now >= leave.deadline {
                self.end_leave(departure);
            }
        }
    }

    fn end_leave(&mut self, departure: Departure) {
        debug!(?departure, "left");
        self.lifeline.0.published().departure = Some(departure);
        self.phase = Phase::Ending;
    }
}

/// How many probe periods members have to acknowledge that we leave.
const LEAVE_PERIODS: u32 = 2;

//! The failure detector: one member probed per period, directly, then through others
//! (SWIM, section 3.1), each once per round, in random order (section 4.3).
//!
//! ```text
//!  period begins          probe_rtt later           period ends
//!       | Ping ->  target     | PingReq -> k others      | no answer: suspect
//!       |          target ->  |  -> target -> others ->  |
//!       |   Ack               |      ForwardedAck        |
//! ```

use smallvec::SmallVec;

use super::{Connection, Engine, recent::Recent, table::Draw};
use crate::{
    BroadcastHandler, Codec, Identity, Incarnation, Message, Notice, ProbeNumber, Runtime, Timer,
};

/// The probes that we make, and those that we pass on for others.
pub(super) struct Prober<I> {
    /// The last number given to a ping of any sort.
    number: ProbeNumber,
    /// The present period. Timers of another one are void.
    cycle: u32,
    probe: Option<Probe<I>>,
    relays: Recent<Relay<I>, RELAYS_MAX>,
}

/// How many requests to probe for others are remembered.
const RELAYS_MAX: usize = 64;

struct Probe<I> {
    target: I,
    /// Known when the probe started: what a failure accuses.
    incarnation: Incarnation,
    number: ProbeNumber,
    stage: Stage,
    helpers: SmallVec<[I; 3]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The target was pinged.
    Direct,
    /// Others were asked, as far as there are any.
    Indirect,
    Answered,
}

/// Somebody asked us to probe a member for it.
struct Relay<I> {
    asker: I,
    target: I,
    number: ProbeNumber,
    cycle: u32,
}

impl<I: Identity> Prober<I> {
    pub(super) fn new() -> Self {
        Self {
            number: ProbeNumber(0),
            cycle: 0,
            probe: None,
            relays: Recent::new(),
        }
    }

    /// The last number given out.
    pub(super) fn number(&self) -> ProbeNumber {
        self.number
    }

    /// A number for a ping.
    pub(super) fn next_number(&mut self) -> ProbeNumber {
        self.number = self.number.next();
        self.number
    }

    /// Makes the probe and its timers void.
    pub(super) fn drop_probe(&mut self) {
        self.probe = None;
        self.cycle = self.cycle.wrapping_add(1);
    }

    /// The running probe, if it has this number and an answer would still count.
    fn pending(&mut self, number: ProbeNumber) -> Option<&mut Probe<I>> {
        self.probe
            .as_mut()
            .filter(|probe| probe.number == number && probe.stage != Stage::Answered)
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Submits the first probe's timer: at a random moment within a period, so that members that
    /// started together do not probe together.
    pub(super) fn start_probing<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let period = self.config.probe_period;
        let after = period.mul_f64(self.rng.f64().clamp(0.0, 1.0));
        let timer = Timer::Probe {
            token: self.token,
            cycle: self.prober.cycle,
        };
        runtime.submit_after(timer, after);
    }

    pub(super) fn on_probe_timer<R: Runtime<I>>(&mut self, cycle: u32, runtime: &mut R) {
        if cycle != self.prober.cycle || self.connection != Connection::Connected {
            return;
        }
        let ended = self.prober.probe.take();
        self.prober.cycle = cycle.wrapping_add(1);
        let next = Timer::Probe {
            token: self.token,
            cycle: self.prober.cycle,
        };
        runtime.submit_after(next, self.config.probe_period);
        let present = self.prober.cycle;
        // An answer to somebody who asked us is of use for one period.
        self.prober
            .relays
            .retain(|relay| present.wrapping_sub(relay.cycle) <= 1);
        if let Some(probe) = ended {
            self.judge(probe, runtime);
        }
        self.start_probe(runtime);
    }

    fn judge<R: Runtime<I>>(&mut self, probe: Probe<I>, runtime: &mut R) {
        match probe.stage {
            Stage::Answered => {}
            Stage::Indirect => {
                self.counters.probes_failed += 1;
                self.accuse(&probe.target, probe.incarnation, runtime);
            }
            Stage::Direct => {
                self.counters.probes_restarted += 1;
                runtime.notify(Notice::ProbeRestarted);
            }
        }
    }

    fn start_probe<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let Some(slot) = self.table.next_to_probe(&mut self.rng) else {
            return;
        };
        let entry = self.table.get(slot);
        let (target, incarnation) = (entry.id.clone(), entry.incarnation);
        let number = self.prober.next_number();
        self.counters.probes += 1;
        self.prober.probe = Some(Probe {
            target: target.clone(),
            incarnation,
            number,
            stage: Stage::Direct,
            helpers: SmallVec::new(),
        });
        if !self.send(&target, Message::Ping(number), runtime) {
            // Its silence is ours.
            self.prober.probe = None;
        }
        let timer = Timer::IndirectProbe {
            token: self.token,
            cycle: self.prober.cycle,
        };
        runtime.submit_after(timer, self.config.probe_rtt);
    }

    pub(super) fn on_indirect_probe_timer<R: Runtime<I>>(&mut self, cycle: u32, runtime: &mut R) {
        if cycle != self.prober.cycle {
            return;
        }
        let Some(mut probe) = self.prober.probe.take() else {
            return;
        };
        if probe.stage == Stage::Direct {
            probe.stage = Stage::Indirect;
            self.counters.probes_indirect += 1;
            self.ask_helpers(&mut probe, runtime);
        }
        self.prober.probe = Some(probe);
    }

    fn ask_helpers<R: Runtime<I>>(&mut self, probe: &mut Probe<I>, runtime: &mut R) {
        let target_addr = probe.target.addr();
        let mut draw = Draw::default();
        while probe.helpers.len() < self.config.num_indirect_probes {
            let Some(slot) = self.table.draw(&mut draw, &mut self.rng) else {
                break;
            };
            let helper = self.table.get(slot).id.clone();
            if helper.addr() == target_addr {
                continue;
            }
            let request = Message::PingReq {
                target: probe.target.clone(),
                number: probe.number,
            };
            self.send(&helper, request, runtime);
            probe.helpers.push(helper);
        }
    }

    pub(super) fn on_ack<R: Runtime<I>>(
        &mut self,
        sender: &I,
        number: ProbeNumber,
        runtime: &mut R,
    ) {
        let pending = self
            .prober
            .pending(number)
            .filter(|probe| probe.target == *sender);
        if let Some(probe) = pending {
            probe.stage = Stage::Answered;
        } else if !self.ends_undead_check(sender, number)
            && !self.ends_challenge(sender, number, runtime)
        {
            self.counters.acks_unmatched += 1;
        }
    }

    pub(super) fn on_forwarded_ack(&mut self, helper: &I, origin: &I, number: ProbeNumber) {
        match self.prober.pending(number) {
            Some(probe) if probe.target == *origin && probe.helpers.contains(helper) => {
                probe.stage = Stage::Answered;
            }
            _ => self.counters.acks_unmatched += 1,
        }
    }

    /// Probes for somebody; only members that we know as active, so as not to be a reflector.
    pub(super) fn on_ping_req<R: Runtime<I>>(
        &mut self,
        asker: I,
        target: I,
        number: ProbeNumber,
        runtime: &mut R,
    ) {
        let known = self
            .table
            .find(&target.addr())
            .map(|slot| self.table.get(slot));
        if !known.is_some_and(|entry| entry.held().is_active() && entry.id == target) {
            self.counters.relays_refused += 1;
            return;
        }
        let request = Message::IndirectPing {
            origin: asker.clone(),
            number,
        };
        if self.send(&target, request, runtime) {
            let cycle = self.prober.cycle;
            self.prober.relays.push(Relay {
                asker,
                target,
                number,
                cycle,
            });
        }
    }

    /// Passes on an answer, if it was asked for.
    pub(super) fn on_indirect_ack<R: Runtime<I>>(
        &mut self,
        answerer: I,
        asker: I,
        number: ProbeNumber,
        runtime: &mut R,
    ) {
        let asked = self.prober.relays.take(|relay| {
            relay.number == number && relay.target == answerer && relay.asker == asker
        });
        if asked.is_none() {
            self.counters.relays_refused += 1;
            return;
        }
        let answer = Message::ForwardedAck {
            origin: answerer,
            number,
        };
        self.send(&asker, answer, runtime);
    }
}

//! The failure detector: one member probed per period, directly, then through others
//! (SWIM, section 3.1), each once per round, in random order (section 4.3).
//!
//! ```text
//!  period begins          probe_rtt later           period ends
//!       | Ping ->  target     | PingReq -> k others      | no answer: suspect
//!       |          target ->  |  -> target -> others ->  |
//!       |   Ack               |      ForwardedAck        |
//! ```
//!
//! Where there is a reliable way beside datagrams, the target is pinged by that as well when the
//! helpers are asked: a network that swallows datagrams is not a member that failed.
//!
//! One timer is under way at a time: what ends the direct stage submits what ends the period. So
//! a late one stretches the period, and after a stall nobody is accused who had no time to answer.
//!
//! With Lifeguard's local health (section IV-A), who has reason to think itself slow takes longer
//! for both stages. A helper without an answer says that it is there (a nack), so that the asker
//! can tell a silent target from being cut off itself.

use core::time::Duration;

use smallvec::SmallVec;

use super::{
    Connection, Engine, readers::Probing, recent::Recent, suspicion::Suspected, tasks::Alarm,
};
use crate::{
    BroadcastHandler, Codec, Identity, Incarnation, Message, Notice, ProbeNumber, Runtime, Timer,
    TimerToken,
};

/// The probes that we make, and those that we pass on for others.
pub(super) struct Prober<I> {
    /// The last number given to a ping of any sort.
    number: ProbeNumber,
    /// Ends the period, or its direct stage.
    alarm: Alarm,
    /// Counts the periods.
    period: u32,
    probe: Option<Probe<I>>,
    /// Who pinged us last, for itself.
    pinged_by: Option<I>,
    relays: Recent<Relay<I>, RELAYS_MAX>,
    /// The last nack's timer, and how many are under way.
    nack: TimerToken,
    nacks_under_way: usize,
}

/// How many requests to probe for others are remembered.
const RELAYS_MAX: usize = 64;

struct Probe<I> {
    target: I,
    /// Known when the probe started: what a failure accuses.
    incarnation: Incarnation,
    number: ProbeNumber,
    is_answered: bool,
    helpers: SmallVec<[Helper<I>; 3]>,
    last_resort: Option<LastResort>,
}

/// A probe's second ping, by the reliable way. It has a number of its own, to know by which way
/// an answer was asked for.
struct LastResort {
    number: ProbeNumber,
    is_answered: bool,
}

struct Helper<I> {
    id: I,
    /// Whether it let us hear that it is there.
    was_heard: bool,
}

/// Somebody asked us to probe a member for it.
struct Relay<I> {
    asker: I,
    target: I,
    number: ProbeNumber,
    period: u32,
    /// When this timer is due, the asker gets a nack.
    nack: Option<TimerToken>,
}

impl<I: Identity> Prober<I> {
    pub(super) fn new() -> Self {
        Self {
            number: ProbeNumber(0),
            alarm: Alarm::default(),
            period: 0,
            probe: None,
            pinged_by: None,
            relays: Recent::new(),
            nack: TimerToken::default(),
            nacks_under_way: 0,
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

    /// Makes the probe void.
    pub(super) fn drop_probe(&mut self) {
        self.probe = None;
    }

    /// Somebody probed us.
    pub(super) fn was_pinged(&mut self, by: I) {
        self.pinged_by = Some(by);
    }

    /// What can be told of all that.
    pub(super) fn probing(&self) -> Probing<I> {
        let probe = self.probe.as_ref();
        let helpers = probe.into_iter().flat_map(|probe| &probe.helpers);
        Probing {
            target: probe.map(|probe| probe.target.clone()),
            is_answered: probe.is_some_and(|it| it.is_answered || it.is_answered_reliably()),
            helpers: helpers.map(|helper| helper.id.clone()).collect(),
            pinged_by: self.pinged_by.clone(),
        }
    }

    /// Makes the timer under way void.
    pub(super) fn cancel(&mut self) {
        self.alarm.cancel();
    }

    /// The running probe, if it has this number and an answer would still count.
    fn pending(&mut self, number: ProbeNumber) -> Option<&mut Probe<I>> {
        self.probe
            .as_mut()
            .filter(|probe| probe.number == number && !probe.is_answered)
    }

    /// The running probe's second ping, if it is this one.
    fn last_resort(&mut self, sender: &I, number: ProbeNumber) -> Option<&mut LastResort> {
        let probe = self
            .probe
            .as_mut()
            .filter(|probe| probe.target == *sender)?;
        let last_resort = probe.last_resort.as_mut()?;
        (last_resort.number == number).then_some(last_resort)
    }
}

impl<I> Probe<I> {
    fn is_answered_reliably(&self) -> bool {
        let last_resort = self.last_resort.as_ref();
        last_resort.is_some_and(|last_resort| last_resort.is_answered)
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Submits the first probe's timer: at a random moment within a period, so that members that
    /// started together do not probe together.
    pub(super) fn start_probing<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let period = self.config.probe_period;
        let after = period.mul_f64(self.rng.f64().clamp(0.0, 1.0));
        self.submit_period_end(after, runtime);
    }

    fn submit_period_end<R: Runtime<I>>(&mut self, after: Duration, runtime: &mut R) {
        if let Some(token) = self.prober.alarm.set() {
            runtime.submit_after(Timer::Probe { token }, after);
        }
    }

    pub(super) fn on_probe_timer<R: Runtime<I>>(&mut self, token: TimerToken, runtime: &mut R) {
        if !self.prober.alarm.goes_off(token) || self.connection != Connection::Connected {
            return;
        }
        self.prober.period = self.prober.period.wrapping_add(1);
        let present = self.prober.period;
        // An answer to somebody who asked us is of use for one period.
        self.prober
            .relays
            .retain(|relay| present.wrapping_sub(relay.period) <= 1);
        match self.prober.probe.take() {
            Some(probe) if probe.is_answered => self.health.improve(),
            Some(probe) if probe.is_answered_reliably() => {
                self.counters.probes_answered_reliably += 1;
                runtime.notify(Notice::DatagramsBlocked(&probe.target));
            }
            Some(probe) => {
                self.counters.probes_failed += 1;
                self.examine_ourselves(&probe);
                if self.accuse(&probe.target, probe.incarnation, runtime) {
                    for helper in &probe.helpers {
                        runtime.notify(Notice::ProbedThrough {
                            target: &probe.target,
                            helper: &helper.id,
                            was_heard: helper.was_heard,
                        });
                    }
                }
            }
            None => {}
        }
        self.start_probe(runtime);
        if let Some(token) = self.prober.alarm.set() {
            let rtt = self.stretched(self.config.probe_rtt);
            runtime.submit_after(Timer::IndirectProbe { token }, rtt);
        }
    }

    /// A probe failed: perhaps it is us. Not if another member accuses the target, too.
    fn examine_ourselves(&mut self, probe: &Probe<I>) {
        let known = self.table.find(&probe.target.addr());
        let suspected = known.and_then(|slot| self.table.suspected(slot));
        if suspected.is_some_and(Suspected::is_shared) {
            return;
        }
        self.health.worsen();
        if self.config.nacks && probe.helpers.iter().any(|helper| !helper.was_heard) {
            self.health.worsen();
        }
    }

    /// How long something takes that takes so long while we are healthy.
    fn stretched(&self, time: Duration) -> Duration {
        match self.config.local_health {
            true => time.saturating_mul(u32::from(self.health.score()) + 1),
            false => time,
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
            is_answered: false,
            helpers: SmallVec::new(),
            last_resort: None,
        });
        if !self.send(&target, Message::Ping(number), runtime) {
            // Its silence is ours.
            self.prober.probe = None;
        }
        self.compare_with_probed(&target, runtime);
    }

    pub(super) fn on_indirect_probe_timer<R: Runtime<I>>(
        &mut self,
        token: TimerToken,
        runtime: &mut R,
    ) {
        if !self.prober.alarm.goes_off(token) || self.connection != Connection::Connected {
            return;
        }
        if let Some(mut probe) = self.prober.probe.take() {
            if !probe.is_answered {
                self.counters.probes_indirect += 1;
                self.ask_helpers(&mut probe, runtime);
                self.ask_reliably(&mut probe, runtime);
            }
            self.prober.probe = Some(probe);
        }
        let rest = self
            .config
            .probe_period
            .saturating_sub(self.config.probe_rtt);
        self.submit_period_end(self.stretched(rest), runtime);
    }

    fn ask_helpers<R: Runtime<I>>(&mut self, probe: &mut Probe<I>, runtime: &mut R) {
        let target_addr = probe.target.addr();
        let mut draw = self.table.preferring(&mut self.rng);
        while probe.helpers.len() < self.config.num_indirect_probes {
            let slot = self.table.prefer(&mut draw, |id| runtime.is_near(id));
            let Some(slot) = slot else {
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
            probe.helpers.push(Helper {
                id: helper,
                was_heard: false,
            });
        }
    }

    /// Pings the target by the reliable way, if there is one.
    fn ask_reliably<R: Runtime<I>>(&mut self, probe: &mut Probe<I>, runtime: &mut R) {
        if !runtime.has_reliable_way(&probe.target) {
            return;
        }
        let number = self.prober.next_number();
        if self
            .compose(&probe.target, Message::Ping(number), runtime)
            .is_ok()
        {
            runtime.send_reliably(&probe.target, &self.buf);
            self.counters.probes_last_resort += 1;
            probe.last_resort = Some(LastResort {
                number,
                is_answered: false,
            });
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
            probe.is_answered = true;
            self.counters.probes_answered += 1;
        } else if let Some(last_resort) = self.prober.last_resort(sender, number) {
            last_resort.is_answered = true;
        } else if !self.ends_undead_check(sender, number)
            && !self.ends_challenge(sender, number, runtime)
        {
            self.counters.acks_unmatched += 1;
        }
    }

    pub(super) fn on_forwarded_ack(&mut self, helper: &I, origin: &I, number: ProbeNumber) {
        match self.prober.pending(number) {
            Some(probe)
                if probe.target == *origin && probe.helpers.iter().any(|it| it.id == *helper) =>
            {
                probe.is_answered = true;
                self.counters.probes_answered += 1;
            }
            _ => self.counters.acks_unmatched += 1,
        }
    }

    /// A helper has no answer either, but it is there, and so are we.
    pub(super) fn on_nack(&mut self, helper: &I, target: &I, number: ProbeNumber) {
        let asked = self
            .prober
            .pending(number)
            .filter(|probe| probe.target == *target)
            .and_then(|probe| probe.helpers.iter_mut().find(|it| it.id == *helper));
        match asked {
            Some(helper) => {
                helper.was_heard = true;
                self.counters.nacks_heard += 1;
            }
            None => self.counters.acks_unmatched += 1,
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
            self.send_nack(&asker, target, number, runtime);
            return;
        }
        let request = Message::IndirectPing {
            origin: asker.clone(),
            number,
        };
        if self.send(&target, request, runtime) {
            let period = self.prober.period;
            let nack = self.submit_nack(runtime);
            self.prober.relays.push(Relay {
                asker,
                target,
                number,
                period,
                nack,
            });
        }
    }

    /// Submits the timer of a nack that leaves it a fifth of the time to arrive, whatever the
    /// asker's health: ours says nothing about it.
    fn submit_nack<R: Runtime<I>>(&mut self, runtime: &mut R) -> Option<TimerToken> {
        if !self.config.nacks || self.prober.nacks_under_way >= RELAYS_MAX {
            return None;
        }
        self.prober.nacks_under_way += 1;
        self.prober.nack = self.prober.nack.next();
        let token = self.prober.nack;
        let patience = self
            .config
            .probe_period
            .saturating_sub(self.config.probe_rtt);
        runtime.submit_after(Timer::Nack { token }, patience / 5 * 4);
        Some(token)
    }

    pub(super) fn on_nack_timer<R: Runtime<I>>(&mut self, token: TimerToken, runtime: &mut R) {
        self.prober.nacks_under_way = self.prober.nacks_under_way.saturating_sub(1);
        let relays = &mut self.prober.relays;
        let Some(relay) = relays.find_mut(|relay| relay.nack == Some(token)) else {
            return;
        };
        relay.nack = None;
        let (asker, target, number) = (relay.asker.clone(), relay.target.clone(), relay.number);
        if !self.is_undead() {
            self.send_nack(&asker, target, number, runtime);
        }
    }

    fn send_nack<R: Runtime<I>>(
        &mut self,
        asker: &I,
        target: I,
        number: ProbeNumber,
        runtime: &mut R,
    ) {
        if self.config.nacks && self.send(asker, Message::Nack { target, number }, runtime) {
            self.counters.nacks_sent += 1;
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

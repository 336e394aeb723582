//! Being held down by others: by mistake, or since we left.

use super::{Connection, Engine, ItemId, Recent, Result, Undead, tasks::Alarm};
use crate::{
    BroadcastHandler, Codec, Header, Identity, Message, Notice, ProbeNumber, Runtime, State, Timer,
    TimerToken,
};

/// Whether somebody who says that we are down to it means it.
pub(super) struct UndeadCheck<I> {
    asked: Option<Asked<I>>,
    /// Who else said so meanwhile.
    others: Recent<I, OTHERS_MAX>,
    alarm: Alarm,
}

/// How many that say so while another is asked are remembered.
const OTHERS_MAX: usize = 16;

/// Who said so, and was pinged.
struct Asked<I> {
    teller: I,
    number: ProbeNumber,
    /// It said so again.
    insists: bool,
    /// Whether the timer under way is for this one, and not for the one before.
    is_timed: bool,
}

impl<I: Identity> UndeadCheck<I> {
    pub(super) fn new() -> Self {
        Self {
            asked: None,
            others: Recent::new(),
            alarm: Alarm::default(),
        }
    }

    /// Who we were is what it was about.
    pub(super) fn clear(&mut self) {
        self.asked = None;
        self.others.clear();
    }
}

/// The pings that carry our departure and were not acknowledged yet.
pub(super) struct Departure<I>(Recent<(I, ProbeNumber), DEPARTURE_PINGS_MAX>);

const DEPARTURE_PINGS_MAX: usize = 32;

impl<I: Identity> Departure<I> {
    pub(super) fn new() -> Self {
        Self(Recent::new())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Tells the cluster that we go: at once to some members, and on with the gossip timer until
    /// it was said often enough; if none is known yet, those that we lately
    /// [announced](Self::announce) ourselves to by name. Each member that acknowledges is
    /// [notified](Notice::LeaveAcked).
    ///
    /// Nothing that is said about ourselves is acted on any more, until
    /// [`change_identity`](Self::change_identity) or
    /// [`reuse_down_identity`](Self::reuse_down_identity). Leaving twice does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`](crate::Error::Undead) when we were declared down.
    pub fn leave_cluster<R: Runtime<I>>(&mut self, runtime: &mut R) -> Result<(), I, C> {
        if self.connection == Connection::Undead(Undead::Left) {
            return Ok(());
        }
        self.refuse_if_undead()?;
        self.prober.drop_probe();
        self.undead_check.clear();
        self.connection = Connection::Undead(Undead::Left);
        self.spread_ourselves(match self.config.departures {
            true => State::Left,
            false => State::Down,
        });
        self.hand_over(self.config.num_indirect_probes, runtime);
        self.arm_gossip(runtime);
        Ok(())
    }

    /// Pings random members, or those that may hold us for one: the pings carry our departure,
    /// their Acks show that it arrived.
    pub(super) fn hand_over<R: Runtime<I>>(&mut self, count: usize, runtime: &mut R) {
        let mut draw = self.table.drawing(&mut self.rng);
        for turn in 0..count {
            let Some(item) = self.own_item else {
                break;
            };
            let to = match self.table.draw(&mut draw) {
                Some(slot) => self.table.get(slot).id.clone(),
                None if self.table.num_active() > 0 => break,
                None => match self.announced.latest(turn) {
                    Some(announced_to) => announced_to.clone(),
                    None => break,
                },
            };
            let number = self.prober.next_number();
            let sent_before = self.updates.times_sent(item);
            let sent = self.send(&to, Message::Ping(number), runtime);
            let is_aboard = self.own_item.is_none() || self.updates.times_sent(item) > sent_before;
            if sent && is_aboard {
                self.departure.0.push((to, number));
            }
            if !is_aboard {
                self.give_up_once(item);
            }
        }
    }

    /// Counts our departure as sent though there was no room for it, or it would be for ever.
    fn give_up_once(&mut self, item: ItemId) {
        let transmissions = self.transmissions();
        let own_item = &mut self.own_item;
        self.updates
            .count_as_sent(item, transmissions, |_| *own_item = None);
    }

    /// All that is heard after leaving is who took note of it.
    pub(super) fn hear_while_undead<R: Runtime<I>>(
        &mut self,
        state: Undead,
        header: &Header<I>,
        runtime: &mut R,
    ) {
        let acked = match header.message {
            Message::Ack(number) if state == Undead::Left => self
                .departure
                .0
                .take(|(to, sent)| *to == header.src && *sent == number),
            _ => None,
        };
        match acked {
            Some((member, _)) => runtime.notify(Notice::LeaveAcked(&member)),
            None => self.counters.dropped_while_undead += 1,
        }
    }

    /// Somebody says that it holds us down. Anybody can: it is asked whether it means it, and has
    /// until the probe timeout to acknowledge, or to say so again. It is judged only then: the
    /// network may deliver what it said twice.
    pub(super) fn on_turn_undead<R: Runtime<I>>(
        &mut self,
        teller: &I,
        is_known: bool,
        runtime: &mut R,
    ) {
        if !is_known {
            self.counters.claims_ignored += 1;
            return;
        }
        match &mut self.undead_check.asked {
            Some(asked) if asked.teller == *teller => asked.insists = true,
            Some(_) => {
                let others = &mut self.undead_check.others;
                if !others.any(|other| other == teller) {
                    others.push(teller.clone());
                }
            }
            None => {
                let number = self.prober.next_number();
                self.undead_check.asked = Some(Asked {
                    teller: teller.clone(),
                    number,
                    insists: false,
                    is_timed: false,
                });
                self.time_undead_check(runtime);
                self.send_bare(teller, Message::Ping(number), runtime);
            }
        }
    }

    fn time_undead_check<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let UndeadCheck { asked, alarm, .. } = &mut self.undead_check;
        if let Some(asked) = asked
            && let Some(token) = alarm.set()
        {
            asked.is_timed = true;
            runtime.submit_after(Timer::UndeadCheck { token }, self.config.probe_rtt);
        }
    }

    /// Whether this Ack shows that the one we asked does not hold us down.
    pub(super) fn ends_undead_check(&mut self, sender: &I, number: ProbeNumber) -> bool {
        let ends = self
            .undead_check
            .asked
            .as_ref()
            .is_some_and(|asked| asked.teller == *sender && asked.number == number);
        if ends {
            self.undead_check.clear();
        }
        ends
    }

    pub(super) fn on_undead_check_timer<R: Runtime<I>>(
        &mut self,
        token: TimerToken,
        runtime: &mut R,
    ) {
        if !self.undead_check.alarm.goes_off(token) {
            return;
        }
        let Some(asked) = self.undead_check.asked.take_if(|asked| asked.is_timed) else {
            self.time_undead_check(runtime);
            return;
        };
        let others = self.undead_check.others.take_all();
        if !asked.insists {
            return;
        }
        self.declared_down(&asked.teller, runtime);
        if !self.is_undead() {
            for other in others {
                self.introduce_renewed(&other, runtime);
            }
            self.gossip_to(self.config.num_indirect_probes, runtime);
        }
    }
}

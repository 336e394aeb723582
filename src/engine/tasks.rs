//! What is done again and again, and the connection state that decides whether.

use super::{Connection, Engine};
use crate::{BroadcastHandler, Codec, Identity, Notice, Runtime, Timer, TimerToken};

/// A timer of which at most one is under way, whatever happens meanwhile: it is not submitted
/// again before it came back, lest somebody who makes us start over and over fill the queue.
#[derive(Default)]
pub(super) struct Alarm {
    last: TimerToken,
    is_set: bool,
}

impl Alarm {
    /// The token of the timer to submit; `None` if one is under way.
    pub(super) fn set(&mut self) -> Option<TimerToken> {
        if self.is_set {
            return None;
        }
        self.is_set = true;
        self.last = self.last.next();
        Some(self.last)
    }

    /// Whether this timer is the one under way. It is not any more.
    pub(super) fn goes_off(&mut self, token: TimerToken) -> bool {
        let goes_off = self.is_set && token == self.last;
        self.is_set &= !goes_off;
        goes_off
    }

    /// Makes the timer under way void.
    pub(super) fn cancel(&mut self) {
        self.is_set = false;
    }
}

/// The timers of the periodic tasks. They outlive the connection state: a task that is not called
/// for when its timer goes off ends, and one that is called for before that goes on.
#[derive(Default)]
pub(super) struct Tasks {
    /// Not set while there is nothing to say.
    pub(super) gossip: Alarm,
    announce: Alarm,
    announce_down: Alarm,
    pub(super) digest: Alarm,
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Brings the connection state in line with the number of active members.
    pub(super) fn refresh_connection<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let anybody = self.table.num_active() > 0;
        let (next, notice) = match self.connection {
            Connection::Disconnected if anybody => (Connection::Connected, Notice::Active),
            Connection::Connected if !anybody => (Connection::Disconnected, Notice::Idle),
            _ => return,
        };
        self.prober.drop_probe();
        self.connection = next;
        runtime.notify(notice);
        self.restart_tasks(runtime);
    }

    /// Makes every task start afresh, and not with the timer under way: for new settings.
    pub(super) fn cancel_tasks(&mut self) {
        let Tasks {
            gossip,
            announce,
            announce_down,
            digest,
        } = &mut self.tasks;
        for alarm in [gossip, announce, announce_down, digest] {
            alarm.cancel();
        }
        self.prober.cancel();
    }

    /// Submits the timer of each task that the connection state calls for and that does not run.
    pub(super) fn restart_tasks<R: Runtime<I>>(&mut self, runtime: &mut R) {
        match self.connection {
            Connection::Connected => {
                self.start_probing(runtime);
                self.start_digests(runtime);
                self.submit_announce(runtime);
                self.submit_announce_down(runtime);
            }
            Connection::Disconnected => self.submit_announce_down(runtime),
            Connection::Undead(_) => {}
        }
        self.arm_gossip(runtime);
    }

    pub(super) fn on_announce_timer<R: Runtime<I>>(&mut self, token: TimerToken, runtime: &mut R) {
        if !self.tasks.announce.goes_off(token) || self.connection != Connection::Connected {
            return;
        }
        let task = self.config.periodic_announce;
        let mut draw = self.table.drawing(&mut self.rng);
        for _ in 0..task.map_or(0, |task| task.members) {
            let Some(slot) = self.table.draw(&mut draw) else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            self.send(&to, crate::Message::Announce, runtime);
        }
        self.submit_announce(runtime);
    }

    pub(super) fn on_announce_down_timer<R: Runtime<I>>(
        &mut self,
        token: TimerToken,
        runtime: &mut R,
    ) {
        if !self.tasks.announce_down.goes_off(token) || self.is_undead() {
            return;
        }
        let task = self.config.periodic_announce_to_down_members;
        let mut round = super::table::DownRound::default();
        for _ in 0..task.map_or(0, |task| task.members) {
            let Some(slot) = self.table.next_down(&mut round) else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            self.announce_to(to, runtime).ok();
        }
        self.submit_announce_down(runtime);
    }

    fn submit_announce<R: Runtime<I>>(&mut self, runtime: &mut R) {
        if let Some(task) = self.config.periodic_announce
            && let Some(token) = self.tasks.announce.set()
        {
            runtime.submit_after(Timer::Announce { token }, task.every);
        }
    }

    fn submit_announce_down<R: Runtime<I>>(&mut self, runtime: &mut R) {
        if let Some(task) = self.config.periodic_announce_to_down_members
            && let Some(token) = self.tasks.announce_down.set()
        {
            runtime.submit_after(Timer::AnnounceDown { token }, task.every);
        }
    }
}

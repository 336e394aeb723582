//! What is done again and again, and the connection state that decides whether.

use super::{Connection, Engine};
use crate::{BroadcastHandler, Codec, Identity, Notice, Periodic, Runtime, Timer, TimerToken};

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

/// The periodic tasks that are under way.
#[derive(Default)]
pub(super) struct Tasks {
    /// Whether the gossip timer runs. It does not while there is nothing to say.
    pub(super) gossips: bool,
    /// Which turn of each comes next: a timer delivered twice must not run twice as often.
    pub(super) gossip: u32,
    announce: u32,
    announce_down: u32,
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
        self.leave_connection();
        self.connection = next;
        runtime.notify(notice);
        self.restart_tasks(runtime);
    }

    /// Makes every timer of the present connection state void, and drops the probe.
    pub(super) fn leave_connection(&mut self) {
        self.token = self.token.next();
        self.tasks = Tasks::default();
        self.prober.drop_probe();
    }

    /// Submits the first timer of each task that the connection state calls for.
    pub(super) fn restart_tasks<R: Runtime<I>>(&mut self, runtime: &mut R) {
        match self.connection {
            Connection::Connected => {
                self.start_probing(runtime);
                self.submit_announce(runtime);
                self.submit_announce_down(runtime);
            }
            Connection::Disconnected => self.submit_announce_down(runtime),
            Connection::Undead(_) => {}
        }
        self.arm_gossip(runtime);
    }

    pub(super) fn on_announce_timer<R: Runtime<I>>(&mut self, turn: u32, runtime: &mut R) {
        let Some(task) = self.config.periodic_announce else {
            return;
        };
        if turn != self.tasks.announce {
            return;
        }
        let mut draw = super::table::Draw::default();
        for _ in 0..task.members {
            let Some(slot) = self.table.draw(&mut draw, &mut self.rng) else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            self.send(&to, crate::Message::Announce, runtime);
        }
        self.submit_announce(runtime);
    }

    pub(super) fn on_announce_down_timer<R: Runtime<I>>(&mut self, turn: u32, runtime: &mut R) {
        let Some(task) = self.config.periodic_announce_to_down_members else {
            return;
        };
        if turn != self.tasks.announce_down {
            return;
        }
        let mut round = super::table::DownRound::default();
        for _ in 0..task.members {
            let Some(slot) = self.table.next_down(&mut round) else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            self.announce_to(to, runtime).ok();
        }
        self.submit_announce_down(runtime);
    }

    fn submit_announce<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let Self {
            config,
            tasks,
            token,
            ..
        } = self;
        submit(
            config.periodic_announce,
            &mut tasks.announce,
            *token,
            runtime,
            |token, turn| Timer::Announce { token, turn },
        );
    }

    fn submit_announce_down<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let Self {
            config,
            tasks,
            token,
            ..
        } = self;
        let task = config.periodic_announce_to_down_members;
        submit(
            task,
            &mut tasks.announce_down,
            *token,
            runtime,
            |token, turn| Timer::AnnounceDown { token, turn },
        );
    }
}

fn submit<I: Identity, R: Runtime<I>>(
    task: Option<Periodic>,
    turn: &mut u32,
    token: TimerToken,
    runtime: &mut R,
    timer: impl FnOnce(TimerToken, u32) -> Timer<I>,
) {
    if let Some(task) = task {
        *turn = turn.wrapping_add(1);
        runtime.submit_after(timer(token, *turn), task.every);
    }
}

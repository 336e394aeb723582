//! What a turn changed, and how the handles learn of it.

use alloc::vec::Vec;
use core::time::Duration;
use std::{collections::HashSet, time::SystemTime};

use super::{Event, driver::Agent, snapshot::Saver};
use crate::{
    BroadcastHandler, Codec, Identity, Locate, Member, OwnedNotification, Transport,
    trace::{debug, warn},
};

/// What happened in this turn, to be published.
pub(super) struct News<I: Identity> {
    pub(super) events: Vec<Event<I>>,
    /// Members that say something else of themselves: told after what the engine noticed, above
    /// all that they are there.
    say_anew: Vec<I>,
    /// Members that changed: see [`touch`](Self::touch).
    touched: HashSet<I::Addr>,
    pub(super) has_transport_failed: bool,
    /// Whether we were declared down, for good.
    pub(super) is_defunct: bool,
    /// The last conflict about our address that was told, and when.
    conflict: Option<(I, Duration)>,
}

impl<I: Identity> News<I> {
    /// What is shown of a member has changed.
    pub(super) fn touch(&mut self, addr: I::Addr) {
        self.touched.insert(addr);
    }

    /// A member has other metadata.
    pub(super) fn say_anew(&mut self, id: I) {
        self.say_anew.push(id);
    }
}

impl<I: Identity> Default for News<I> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            say_anew: Vec::new(),
            touched: HashSet::new(),
            has_transport_failed: false,
            is_defunct: false,
            conflict: None,
        }
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Shows the handles what changed.
    pub(super) fn publish(&mut self) {
        let mut notices = core::mem::take(&mut self.outputs.notices);
        if !notices.is_empty() {
            let health = self.engine.local_health();
            let mut accusations = self.lifeline.0.accusations();
            for notice in &notices {
                accusations.take(notice, health);
            }
        }
        for notice in notices.drain(..) {
            match notice {
                OwnedNotification::LeaveAcked(member) => self.on_leave_acked(member),
                OwnedNotification::IncarnationRaised(member)
                | OwnedNotification::MemberForgotten(member) => {
                    self.news.touched.insert(member.addr());
                }
                notice => {
                    self.on_notice(&notice);
                    if let Some(event) = Event::from_notice(notice) {
                        self.note(event);
                    }
                }
            }
        }
        notices.shrink_to(KEPT_MAX);
        self.outputs.notices = notices;
        self.tell_of_metadata();
        self.check_leave();

        let members: Vec<_> = self
            .news
            .touched
            .drain()
            .map(|addr| {
                let member = self.engine.member(&addr);
                let member = member.map(|m| Member::new(m.id.clone(), m.incarnation, m.state));
                if member.is_none() {
                    self.metadata.forget(&addr);
                }
                let metadata = self.metadata.of(&addr).cloned();
                (addr, member, metadata)
            })
            .collect();
        if let Some(saver) = &mut self.inputs.saver {
            if self.lifeline.0.is_renewed(self.engine.identity()) {
                saver.note_urgent();
            } else if !members.is_empty() {
                saver.note();
            }
        }
        // The figures first: whoever sees a change finds it counted.
        self.measure();
        let shared = &self.lifeline.0;
        if !members.is_empty() || !self.news.events.is_empty() {
            shared.publish(
                self.engine.identity(),
                members,
                &self.news.events,
                SystemTime::now(),
            );
            self.news.events.clear();
            self.news.events.shrink_to(KEPT_MAX);
            self.news.touched.shrink_to(KEPT_MAX);
        }
    }

    fn on_notice(&mut self, notice: &OwnedNotification<I>) {
        match notice {
            OwnedNotification::MemberUp(member) => self.on_member_up(member),
            OwnedNotification::MemberDown(gone) | OwnedNotification::MemberLeft(gone) => {
                self.lanes.part_with(gone);
                let addr = gone.addr();
                // Another one may have come meanwhile.
                let now = self.engine.member(&addr);
                if now.is_none_or(|member| !member.state.is_active()) {
                    self.lanes.stop_hearing(&addr);
                }
            }
            OwnedNotification::Rename { before: gone, .. } => self.lanes.part_with(gone),
            _ => {}
        }
    }

    /// Who says something else of itself, after all that says that it is there.
    fn tell_of_metadata(&mut self) {
        let say_anew = self.news.say_anew.drain(..).filter_map(|id| {
            let member = self.engine.member(&id.addr())?;
            Some(Event::MetadataChanged(member.id.clone()))
        });
        self.news.events.extend(say_anew);
        self.news.say_anew.shrink_to(KEPT_MAX);
    }

    fn measure(&mut self) {
        self.stats.engine = *self.engine.counters();
        self.stats.traffic = *self.engine.traffic();
        self.stats.refusals.clone_from(self.outputs.door.refusals());
        self.stats.metadata_bytes = self.metadata.bytes() as u64;
        self.stats.aside_bytes = self.outputs.aside.bytes() as u64;
        self.stats.asides_dropped = self.outputs.aside.dropped();
        self.stats.local_health = self.engine.local_health().into();
        self.stats.members_active = self.engine.num_members() as u64;
        self.stats.updates_waiting = self.engine.updates_backlog() as u64;
        self.stats.broadcasts_waiting = self.engine.broadcasts_backlog() as u64;
        self.stats.updates_waiting_bytes = self.engine.updates_backlog_bytes() as u64;
        self.stats.broadcasts_waiting_bytes = self.engine.broadcasts_backlog_bytes() as u64;
        self.stats.timers_waiting = self.outputs.timers.len() as u64;
        let saver = self.inputs.saver.as_ref();
        self.stats.snapshots_waiting = saver.is_some_and(Saver::is_waiting).into();
        self.lifeline.0.set_stats(&self.stats);
    }

    fn note(&mut self, event: Event<I>) {
        if let Some(member) = event.member() {
            self.news.touched.insert(member.addr());
        }
        match &event {
            Event::AddrConflict { theirs, .. } if !self.is_new_conflict(theirs) => return,
            Event::AddrConflict { ours, theirs } => {
                warn!(?ours, ?theirs, "somebody else uses our address");
            }
            Event::Defunct => {
                self.news.is_defunct = true;
                warn!("declared down, and cannot come back under this identity");
            }
            event => debug!(?event, "changed"),
        }
        let count = match &event {
            Event::Joined(_) => Some(&mut self.stats.members_joined),
            Event::Suspected { .. } => Some(&mut self.stats.members_suspected),
            Event::Refuted(_) => Some(&mut self.stats.members_refuted),
            Event::Failed(_) => Some(&mut self.stats.members_failed),
            Event::Left(_) => Some(&mut self.stats.members_left),
            _ => None,
        };
        if let Some(count) = count {
            *count += 1;
        }
        self.news.events.push(event);
    }

    /// Whether it is worth telling: every packet of the other one is a conflict.
    fn is_new_conflict(&mut self, theirs: &I) -> bool {
        let now = self.outputs.now;
        let told = self.news.conflict.as_ref();
        if told.is_some_and(|(id, at)| id == theirs && now < at.saturating_add(CONFLICT_PAUSE)) {
            return false;
        }
        self.news.conflict = Some((theirs.clone(), now));
        true
    }
}

/// How long one conflict about our address is not told again.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);
/// For how much of it there is room in quiet times: joining is news by the hundred, once.
const KEPT_MAX: usize = 2;

//! Who accused whom of not answering, and what became of it: the last ones, for people who ask why
//! a member is held down.

use alloc::{collections::VecDeque, vec::Vec};
use std::time::SystemTime;

use super::Cluster;
use crate::{Identity, OwnedNotification};

/// That a member was suspected: see [`Cluster::accusations`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accusation<I> {
    /// Who was suspected.
    pub member: I,
    /// Who accused it first, as far as was told: neither those on foca's wire say so, nor is there
    /// anybody when a member was declared down that had not been suspected here.
    pub by: Option<I>,
    /// When we heard of it, by the wall clock.
    pub at: SystemTime,
    /// Who else accused it, and when we heard of that. At most
    /// [`CONFIRMATIONS_MAX`](Self::CONFIRMATIONS_MAX) are kept.
    pub confirmed: Vec<(I, SystemTime)>,
    /// Whom we had asked to probe it for us, if it is we who accuse it, and whether they said that
    /// they have no answer, either: as of the last time, if there were several. At most
    /// [`CONFIRMATIONS_MAX`](Self::CONFIRMATIONS_MAX) are kept.
    pub asked: Vec<(I, bool)>,
    /// How slow we thought we are ourselves at the time, from 0 (healthy) to 8: see
    /// [`Engine::local_health`](crate::Engine::local_health).
    pub local_health: u8,
    /// What became of it, and when, once that is known.
    pub outcome: Option<(Outcome, SystemTime)>,
}

impl<I> Accusation<I> {
    /// How many confirmations are kept, and how many of those that were asked.
    pub const CONFIRMATIONS_MAX: usize = 8;
}

/// What became of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The member showed that it is alive.
    Refuted,
    /// The member was declared down.
    Down,
    /// The member left.
    Left,
    /// The member took another identity: it moved, or started again.
    Renamed,
}

impl<I: Identity> Cluster<I> {
    /// Who was suspected, or declared down, of late, the oldest first: the last 256 times.
    #[must_use]
    pub fn accusations(&self) -> Vec<Accusation<I>> {
        self.shared.accusations().all.iter().cloned().collect()
    }
}

/// The last accusations.
pub(super) struct Accusations<I> {
    all: VecDeque<Accusation<I>>,
}

impl<I: Identity> Accusations<I> {
    pub(super) fn new() -> Self {
        Self {
            all: VecDeque::new(),
        }
    }

    /// Notes what happened, if it is about this.
    pub(super) fn take(&mut self, notice: &OwnedNotification<I>, local_health: u8) {
        match notice {
            OwnedNotification::MemberSuspect { id, by } => self.begin(id, by.clone(), local_health),
            OwnedNotification::SuspicionConfirmed { id, by, .. } => {
                if let Some(open) = self.open(id)
                    && open.confirmed.len() < Accusation::<I>::CONFIRMATIONS_MAX
                {
                    open.confirmed.push((by.clone(), SystemTime::now()));
                }
            }
            OwnedNotification::ProbedThrough {
                target,
                helper,
                was_heard,
            } => {
                if let Some(open) = self.open(target) {
                    open.asked.retain(|(asked, _)| asked != helper);
                    if open.asked.len() < Accusation::<I>::CONFIRMATIONS_MAX {
                        open.asked.push((helper.clone(), *was_heard));
                    }
                }
            }
            OwnedNotification::MemberRefuted(id) => self.end(id, Outcome::Refuted),
            OwnedNotification::MemberLeft(id) => self.end(id, Outcome::Left),
            OwnedNotification::Rename { before, .. } => self.end(before, Outcome::Renamed),
            OwnedNotification::MemberDown(id) => {
                if self.open(id).is_none() {
                    self.begin(id, None, local_health);
                }
                self.end(id, Outcome::Down);
            }
            _ => {}
        }
    }

    fn begin(&mut self, member: &I, by: Option<I>, local_health: u8) {
        if self.all.len() >= KEPT_MAX {
            self.all.pop_front();
        }
        self.all.push_back(Accusation {
            member: member.clone(),
            by,
            at: SystemTime::now(),
            confirmed: Vec::new(),
            asked: Vec::new(),
            local_health,
            outcome: None,
        });
    }

    fn end(&mut self, member: &I, outcome: Outcome) {
        if let Some(open) = self.open(member) {
            open.outcome = Some((outcome, SystemTime::now()));
        }
    }

    fn open(&mut self, member: &I) -> Option<&mut Accusation<I>> {
        let mut latest_first = self.all.iter_mut().rev();
        latest_first.find(|accusation| accusation.outcome.is_none() && accusation.member == *member)
    }
}

/// How many are kept: some hundred bytes each.
const KEPT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::{Accusations, KEPT_MAX, Outcome};
    use crate::{Notice, OwnedNotification};

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn suspect(id: SocketAddr, by: SocketAddr) -> OwnedNotification<SocketAddr> {
        Notice::MemberSuspect { id, by: Some(by) }
    }

    #[test]
    fn a_suspicion_is_kept_with_who_confirmed_it_and_how_it_ended() {
        let mut log = Accusations::new();
        log.take(&suspect(addr(1), addr(2)), 3);
        let (id, by) = (addr(1), addr(3));
        let confirmations = 1;
        let confirmed = Notice::SuspicionConfirmed {
            id,
            by,
            confirmations,
        };
        log.take(&confirmed, 0);
        for was_heard in [false, true] {
            let (target, helper) = (addr(1), addr(4));
            let through = Notice::ProbedThrough {
                target,
                helper,
                was_heard,
            };
            log.take(&through, 0);
        }
        log.take(&Notice::MemberDown(addr(1)), 0);
        log.take(&Notice::MemberRefuted(addr(1)), 0);
        let kept = &log.all[0];
        assert_eq!((kept.by, kept.local_health), (Some(addr(2)), 3));
        assert_eq!(kept.confirmed[0].0, addr(3));
        assert_eq!(kept.asked, [(addr(4), true)]);
        assert_eq!(
            kept.outcome.map(|(outcome, _)| outcome),
            Some(Outcome::Down)
        );
        assert_eq!(log.all.len(), 1);
    }

    #[test]
    fn a_member_down_out_of_the_blue_has_no_accuser() {
        let mut log = Accusations::new();
        log.take(&Notice::MemberDown(addr(1)), 0);
        assert_eq!(log.all[0].by, None);
    }

    #[test]
    fn the_oldest_give_way() {
        let mut log = Accusations::new();
        for port in 0..=1000 {
            log.take(&suspect(addr(port), addr(2)), 0);
        }
        assert_eq!(log.all.len(), KEPT_MAX);
        assert_eq!(log.all[KEPT_MAX - 1].member, addr(1000));
    }
}

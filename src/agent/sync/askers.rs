//! How much each of those who compare with us may have us say, and hear.

use alloc::vec::Vec;
use core::{hash::Hash, time::Duration};
use std::collections::HashMap;

use crate::{Identity, agent::admission::Source};

/// Somebody who asks: by its key, whatever it calls itself, where it proved to hold one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::agent) enum Asker<A> {
    Key(Vec<u8>),
    Member(A),
}

impl<A> Asker<A> {
    pub(super) fn of<I: Identity<Addr = A>>(peer: &I, source: &Source) -> Self {
        match &source.peer {
            Some(proven) => Self::Key(proven.public_key().to_vec()),
            None => Self::Member(peer.addr()),
        }
    }
}

/// The bytes that each caused of late. They are forgotten at a constant pace.
pub(super) struct Askers<A>(HashMap<Asker<A>, Caused>);

struct Caused {
    bytes: usize,
    at: Duration,
}

impl Caused {
    fn by(&self, now: Duration) -> usize {
        let since = now.saturating_sub(self.at).as_millis();
        let forgotten = since.saturating_mul(BYTES_PER_SECOND as u128) / 1000;
        let forgotten = usize::try_from(forgotten).unwrap_or(usize::MAX);
        self.bytes.saturating_sub(forgotten)
    }
}

impl<A: Eq + Hash + Clone> Askers<A> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether this one caused less than it may.
    pub(super) fn may_ask(&self, asker: &Asker<A>, now: Duration) -> bool {
        let caused = self.0.get(asker).map(|caused| caused.by(now));
        caused.unwrap_or_default() < BYTES_MAX
    }

    /// Whoever asked caused so much, and what asking itself costs.
    pub(super) fn caused(&mut self, asker: Asker<A>, bytes: usize, now: Duration) {
        if self.0.len() >= ASKERS_MAX && !self.0.contains_key(&asker) {
            self.forget(now);
        }
        let caused = self.0.entry(asker);
        let caused = caused.or_insert(Caused { bytes: 0, at: now });
        let before = caused.by(now);
        caused.bytes = before.saturating_add(bytes);
        caused.at = now;
    }

    /// Forgets those of whom nothing is left, or else the one of whom least is.
    fn forget(&mut self, now: Duration) {
        self.0.retain(|_, caused| caused.by(now) > 0);
        if self.0.len() < ASKERS_MAX {
            return;
        }
        let least = self.0.iter().min_by_key(|(_, caused)| caused.by(now));
        if let Some(least) = least.map(|(asker, _)| asker.clone()) {
            self.0.remove(&least);
        }
    }
}

/// What it costs to be asked at all, in bytes said.
pub(super) const ASKING: usize = 16 << 10;
/// The bytes, said and heard, beyond which an asker is not answered any more: two answers at their
/// largest.
const BYTES_MAX: usize = 16 << 20;
/// How many of them are forgotten in a second.
const BYTES_PER_SECOND: usize = 1 << 20;
/// Of how many askers we know what they caused.
const ASKERS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::{net::SocketAddr, time::Duration};

    use super::{ASKERS_MAX, ASKING, Asker, Askers, BYTES_MAX, BYTES_PER_SECOND};
    use crate::{agent::admission::Source, transport::ProvenPeer};

    fn source(key: Option<u8>) -> Source {
        let proven = |key| ProvenPeer::new(["any"], [], vec![key]);
        Source {
            from: SocketAddr::from(([10, 0, 0, 1], 7946)),
            peer: key.map(proven),
        }
    }

    fn member(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    const START: Duration = Duration::from_secs(5);

    #[test]
    fn who_caused_all_it_may_is_answered_again_once_that_is_forgotten() {
        let mut askers = Askers::new();
        let asker = Asker::of(&member(1), &source(None));
        let mut answers = 0;
        while askers.may_ask(&asker, START) {
            askers.caused(asker.clone(), ASKING, START);
            answers += 1;
        }
        assert_eq!(answers, BYTES_MAX / ASKING);
        let soon = START + Duration::from_millis(1);
        assert!(askers.may_ask(&asker, soon));
        // One answer may go beyond.
        askers.caused(asker.clone(), BYTES_MAX, soon);
        let seconds = u32::try_from(BYTES_MAX / BYTES_PER_SECOND).unwrap();
        let later = soon + Duration::from_secs(1) * seconds;
        assert!(!askers.may_ask(&asker, later - Duration::from_secs(1)));
        assert!(askers.may_ask(&asker, later + Duration::from_secs(1)));
        // Others may ask all the time.
        assert!(askers.may_ask(&Asker::of(&member(2), &source(None)), soon));
    }

    #[test]
    fn many_names_of_one_key_are_one_asker() {
        let mut askers = Askers::new();
        let first = Asker::of(&member(1), &source(Some(1)));
        askers.caused(first, BYTES_MAX, START);
        assert!(!askers.may_ask(&Asker::of(&member(2), &source(Some(1))), START));
        assert!(askers.may_ask(&Asker::of(&member(2), &source(Some(2))), START));
        assert!(askers.may_ask(&Asker::of(&member(1), &source(None)), START));
    }

    #[test]
    fn of_too_many_askers_who_caused_least_is_forgotten() {
        let mut askers = Askers::new();
        let asker = |port| Asker::of(&member(port), &source(None));
        let most = u16::try_from(ASKERS_MAX).unwrap();
        for port in 0..most {
            askers.caused(asker(port), BYTES_MAX, START);
        }
        askers.caused(asker(most), ASKING, START);
        askers.caused(asker(most + 1), BYTES_MAX, START);
        assert_eq!(askers.0.len(), ASKERS_MAX);
        assert!(!askers.may_ask(&asker(most + 1), START));
        // Nothing is left of any of them.
        let later = START + Duration::from_secs(60);
        askers.caused(asker(most + 2), ASKING, later);
        assert_eq!(askers.0.len(), 1);
    }
}

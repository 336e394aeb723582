//! The handshakes that peers began: how many may be under way, and from where.
//!
//! A place is held for as long as its peer takes, and a stranger takes as long as it may. So no
//! source gets more than a share of them, and whichever has most gives one up for another that has
//! fewer; and since a source can be made up, a peer has to prove its address once there is anything
//! to be gained by that.

use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{
    convert::Infallible,
    mem,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use smol::channel::{self, Receiver, RecvError, Sender};

/// The most handshakes under way.
pub(super) const GREETINGS_MAX: usize = 64;

/// The most of them from one source: members behind one address, and those that run on one
/// machine, need some.
const PER_SOURCE_MAX: usize = 16;

/// As many are under way before everybody has to prove its address.
const UNPROVEN_MAX: usize = 8;

/// The most handshakes from one source that wait for others from there to end.
const WAITING_PER_SOURCE_MAX: usize = 64;

/// The most handshakes that wait.
const WAITING_MAX: usize = 192;

/// For how long they wait at most. Who dials gives up before long.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The sources of all handshakes under way.
#[derive(Clone, Debug)]
pub(super) struct Greetings {
    under_way: Arc<Mutex<Vec<Place>>>,
    ended: Sender<()>,
    end: Receiver<()>,
}

impl Default for Greetings {
    fn default() -> Self {
        let (ended, end) = channel::bounded(1);
        Self {
            under_way: Arc::default(),
            ended,
            end,
        }
    }
}

/// One that is taken.
#[derive(Debug)]
struct Place {
    source: Source,
    /// The other end is at whoever has it, and closed once the place is another's.
    taken: Arc<Sender<Infallible>>,
}

/// Why a handshake must not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Not before the peer has proven its address.
    Unproven,
    /// Too many from that source.
    Source,
    /// Too many altogether.
    Busy,
}

impl Greetings {
    /// Takes a place for a peer, which has proven its address or not.
    pub(super) fn enter(&self, peer: SocketAddr, is_proven: bool) -> Result<Greeting, Denied> {
        let source = Source::of(peer);
        let mut under_way = self.under_way();
        let from_there = count(&under_way, source);
        if !is_proven && (from_there > 0 || under_way.len() >= UNPROVEN_MAX) {
            return Err(Denied::Unproven);
        }
        if from_there >= PER_SOURCE_MAX {
            return Err(Denied::Source);
        }
        if under_way.len() >= GREETINGS_MAX && !displace(&mut under_way, from_there) {
            return Err(Denied::Busy);
        }
        let (taken, displaced) = channel::bounded(1);
        let taken = Arc::new(taken);
        under_way.push(Place {
            source,
            taken: taken.clone(),
        });
        Ok(Greeting {
            greetings: self.clone(),
            taken: Arc::downgrade(&taken),
            displaced,
        })
    }

    /// Waits for a handshake to end.
    pub(super) async fn ended(&self) {
        let _ = self.end.recv().await;
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Place>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many places this source has.
fn count(under_way: &[Place], source: Source) -> usize {
    let from_there = under_way.iter().filter(|place| place.source == source);
    from_there.count()
}

/// Frees the place that the source with the most of them has had for the longest time, if it still
/// has no fewer than one that has so many by now, and gets it.
fn displace(under_way: &mut Vec<Place>, has: usize) -> bool {
    let counts = under_way.iter().map(|place| count(under_way, place.source));
    let most = counts
        .enumerate()
        .reduce(|most, next| match next.1 > most.1 {
            true => next,
            false => most,
        });
    match most {
        Some((oldest, most)) if most > has.saturating_add(1) => {
            under_way.remove(oldest);
            true
        }
        _ => false,
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Greeting {
    greetings: Greetings,
    taken: Weak<Sender<Infallible>>,
    displaced: Receiver<Infallible>,
}

impl Greeting {
    /// Waits until the place is another's.
    pub(super) async fn displaced(&self) {
        let Err(RecvError) = self.displaced.recv().await;
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut under_way = self.greetings.under_way();
        let ours = |place: &Place| core::ptr::eq(Arc::as_ptr(&place.taken), self.taken.as_ptr());
        if let Some(ours) = under_way.iter().position(ours) {
            // The order is that in which they came.
            under_way.remove(ours);
        }
        // If that was not seen yet, this need not be, either.
        let _ = self.greetings.ended.try_send(());
    }
}

/// Handshakes of peers that proved their address, which wait for others from the same source to
/// end.
pub(super) struct Waiting<T>(VecDeque<Waits<T>>);

struct Waits<T> {
    peer: SocketAddr,
    since: Instant,
    incoming: T,
}

/// What becomes of one that waited.
pub(super) enum Turn<T> {
    /// It may begin.
    Now(T, Greeting),
    /// It has waited for too long.
    Never(T),
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Has one wait, or gives it back if too many do.
    pub(super) fn push(&mut self, peer: SocketAddr, incoming: T) -> Result<(), T> {
        let source = Source::of(peer);
        let waiting = self.0.iter().map(|waits| Source::of(waits.peer));
        let from_there = waiting.filter(|other| *other == source).count();
        if self.0.len() >= WAITING_MAX || from_there >= WAITING_PER_SOURCE_MAX {
            return Err(incoming);
        }
        let since = Instant::now();
        self.0.push_back(Waits {
            peer,
            since,
            incoming,
        });
        Ok(())
    }

    /// Those whose turn it is, in the order in which they came.
    pub(super) fn turns(&mut self, greetings: &Greetings) -> Vec<Turn<T>> {
        let mut turns = Vec::new();
        for waits in mem::take(&mut self.0) {
            if waits.since.elapsed() > WAIT_MAX {
                turns.push(Turn::Never(waits.incoming));
                continue;
            }
            match greetings.enter(waits.peer, true) {
                Ok(greeting) => turns.push(Turn::Now(waits.incoming, greeting)),
                Err(_) => self.0.push_back(waits),
            }
        }
        turns
    }
}

/// Whom to blame: an IPv4 address, or an IPv6 network of the size that one site is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source(IpAddr);

impl Source {
    fn of(peer: SocketAddr) -> Self {
        Self(match peer.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

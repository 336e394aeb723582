//! The handshakes that peers began: how many may be under way, and from where.
//!
//! A place is held for as long as its peer takes, and a stranger takes as long as it may. So no
//! source gets more than a share of them; and since a source can be made up, a peer has to prove
//! its address once there is anything to be gained by that.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    mem,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use smol::channel::{self, Receiver, Sender};

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
    under_way: Arc<Mutex<Vec<Source>>>,
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
        let from_there = under_way.iter().filter(|other| **other == source).count();
        if under_way.len() >= GREETINGS_MAX {
            return Err(Denied::Busy);
        }
        if !is_proven && (from_there > 0 || under_way.len() >= UNPROVEN_MAX) {
            return Err(Denied::Unproven);
        }
        if from_there >= PER_SOURCE_MAX {
            return Err(Denied::Source);
        }
        under_way.push(source);
        Ok(Greeting {
            greetings: self.clone(),
            source,
        })
    }

    /// Waits for a handshake to end.
    pub(super) async fn ended(&self) {
        let _ = self.end.recv().await;
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Source>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Greeting {
    greetings: Greetings,
    source: Source,
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut under_way = self.greetings.under_way();
        if let Some(ours) = under_way.iter().position(|other| *other == self.source) {
            under_way.swap_remove(ours);
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

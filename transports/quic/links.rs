//! How we stand with all peers.

use core::{net::SocketAddr, time::Duration};
use std::{collections::HashMap, time::Instant};

use quinn::{Connection, VarInt};

use super::{
    counters::Tally,
    link::{Dialling, Held, Link, Up},
};

/// The code by which a connection is closed to make room for others.
const EVICTED: VarInt = VarInt::from_u32(1);

/// The code by which one of two connections with the same peer is closed.
pub(super) const SUPERSEDED: VarInt = VarInt::from_u32(2);

/// The code by which a connection is closed that is not trusted any more.
pub(super) const CUT: VarInt = VarInt::from_u32(3);

/// The code by which a connection is closed of a peer that has too many.
pub(super) const CROWDED: VarInt = VarInt::from_u32(4);

/// With fewer peers, all others are as good as connected. Gossip goes to those that are, by
/// preference: among so many, chosen at random by whoever dialled first, it spreads as among all.
const NEAR_MIN: usize = 4;

/// Two that dialled each other within this time did so at once.
const AT_ONCE: Duration = Duration::from_secs(5);

struct Entry {
    link: Link,
    used: Instant,
}

/// All links, by the peer's address.
pub(super) struct Links {
    links: HashMap<SocketAddr, Entry>,
    /// Every connection that is received from, by its number, whether it is in a link or not.
    served: HashMap<usize, Held>,
    max: usize,
    dials: u64,
}

/// Two connections with the same peer.
pub(super) struct Pair {
    pub(super) keeper: Held,
    /// To be closed once it is quiet.
    pub(super) loser: Held,
}

impl Pair {
    /// Whether that is the one that both ends would keep if they had dialled at once.
    pub(super) fn is_lower_kept(&self) -> bool {
        self.keeper.mark() < self.loser.mark()
    }

    pub(super) fn swapped(self) -> Self {
        Self {
            keeper: self.loser,
            loser: self.keeper,
        }
    }
}

impl Links {
    pub(super) fn new(max: usize) -> Self {
        Self {
            links: HashMap::new(),
            served: HashMap::new(),
            max,
            dials: 0,
        }
    }

    pub(super) fn get(&self, peer: SocketAddr) -> Option<&Link> {
        self.links.get(&peer).map(|entry| &entry.link)
    }

    /// Whether a packet to this peer needs no further connection, or there are so few that one more
    /// is welcome.
    pub(super) fn is_near(&self, peer: SocketAddr) -> bool {
        match self.get(peer) {
            Some(Link::Dialling(_) | Link::Up(_)) => true,
            Some(Link::Failed(_)) => false,
            None => self.links.len() < NEAR_MIN,
        }
    }

    /// The link to a peer, as one that was used now.
    pub(super) fn used(&mut self, peer: SocketAddr, now: Instant) -> Option<&mut Link> {
        let entry = self.links.get_mut(&peer)?;
        entry.used = now;
        Some(&mut entry.link)
    }

    /// Puts a link in place of the one that is there. If there are too many, another one goes: one
    /// that failed, or else the one that was not used for the longest time.
    pub(super) fn put(&mut self, peer: SocketAddr, link: Link, now: Instant, tally: &Tally) {
        if !self.links.contains_key(&peer) && self.links.len() >= self.max {
            self.evict(tally);
        }
        let entry = Entry { link, used: now };
        // What no link has, nobody would count or close.
        if let Some(replaced) = self.links.insert(peer, entry) {
            let (current, previous) = replaced.link.into_held();
            close(current, tally);
            close(previous, tally);
        }
    }

    /// From now on a dial to `peer` is under way, instead of whatever there is. Returns its number.
    pub(super) fn dial(
        &mut self,
        peer: SocketAddr,
        now: Instant,
        tally: &Tally,
        wait: impl FnOnce(&mut Dialling),
    ) -> u64 {
        self.dials = self.dials.wrapping_add(1);
        let replaced = self.links.remove(&peer).map(|entry| entry.link);
        let pause = replaced.as_ref().map_or(Duration::ZERO, Link::pause);
        let previous = match replaced {
            Some(Link::Up(up)) => {
                close(up.previous, tally);
                Some(up.held)
            }
            Some(Link::Dialling(dialling)) => dialling.previous,
            Some(Link::Failed(_)) | None => None,
        };
        let mut dialling = Dialling::new(self.dials, previous, pause);
        wait(&mut dialling);
        self.put(peer, Link::Dialling(dialling), now, tally);
        self.dials
    }

    /// Sends over the other connection from now on, if there is one.
    pub(super) fn fall_back(&mut self, peer: SocketAddr) -> bool {
        let Some(Link::Up(up)) = self.links.get_mut(&peer).map(|entry| &mut entry.link) else {
            return false;
        };
        let Some(other) = up.previous.take().filter(|other| !other.is_closed()) else {
            return false;
        };
        let silent = up.held.clone();
        *up = Up::new(other, Some(silent), up.pause);
        true
    }

    /// Takes a new connection in, over which packets to `peer` go from now on: the newest is the
    /// one that is most likely alive at the other end.
    ///
    /// Unless two have dialled each other at once. Then both ends keep the same one of the two, to
    /// which end either came first: the one whose keys give the lower mark.
    pub(super) fn adopt(
        &mut self,
        peer: SocketAddr,
        new: Held,
        now: Instant,
        tally: &Tally,
    ) -> Option<Pair> {
        self.served.insert(new.conn.stable_id(), new.clone());
        let replaced = self.links.remove(&peer).map(|entry| entry.link);
        let pause = replaced.as_ref().map_or(Duration::ZERO, Link::pause);
        let mut waiting = Default::default();
        let current = match replaced {
            Some(Link::Up(up)) if up.held.is_closed() => up.previous,
            Some(Link::Up(mut up)) => {
                close(up.previous.take(), tally);
                if is_at_once(&up.held, &new) && up.held.mark() < new.mark() {
                    up.previous = Some(new.clone());
                    let keeper = up.held.clone();
                    self.put(peer, Link::Up(up), now, tally);
                    return Some(Pair { keeper, loser: new });
                }
                Some(up.held)
            }
            Some(Link::Dialling(mut dialling)) => {
                waiting = dialling.take_waiting();
                dialling.previous
            }
            Some(Link::Failed(_)) | None => None,
        };
        let current = current.filter(|held| !held.is_closed());
        let mut up = Up::new(new.clone(), current.clone(), pause);
        let (packets, streams) = waiting;
        for packet in packets {
            if up.send(&packet, tally).is_err() {
                tally.dropped_queue_full.one();
            }
        }
        for stream in streams {
            let _ = stream.send(new.clone());
        }
        self.put(peer, Link::Up(up), now, tally);
        current.map(|loser| Pair { keeper: new, loser })
    }

    /// Sends over the loser of two connections from now on. Returns whether these are still the two.
    pub(super) fn come_round(&mut self, peer: SocketAddr, pair: &Pair) -> bool {
        let Some(Link::Up(up)) = self.links.get_mut(&peer).map(|entry| &mut entry.link) else {
            return false;
        };
        let are_the_two = up.are(pair);
        if are_the_two {
            *up = Up::new(pair.loser.clone(), Some(pair.keeper.clone()), up.pause);
        }
        are_the_two
    }

    /// Closes the loser of two connections, unless it has become the one for sending. If nothing
    /// came in over the other one since `heard`, but something over the loser, that is the one
    /// that is alive.
    pub(super) fn settle(
        &mut self,
        peer: SocketAddr,
        pair: &Pair,
        heard: u64,
        alive: bool,
        tally: &Tally,
    ) {
        let Some(Link::Up(up)) = self.links.get_mut(&peer).map(|entry| &mut entry.link) else {
            return;
        };
        if !up.are(pair) {
            return;
        }
        let mut dead = up.previous.take();
        if alive && pair.keeper.heard() == heard {
            dead = Some(pair.keeper.clone());
            *up = Up::new(pair.loser.clone(), None, up.pause);
        }
        close(dead, tally);
    }

    /// Forgets a connection that ended. Returns whether it was the one for sending, and there is
    /// none now.
    pub(super) fn forget(&mut self, peer: SocketAddr, conn: &Connection) -> bool {
        self.served.remove(&conn.stable_id());
        let previous = match self.links.get_mut(&peer).map(|entry| &mut entry.link) {
            Some(Link::Up(up)) if up.held.is(conn) => {
                let other = up.previous.take().filter(|other| !other.is_closed());
                let Some(other) = other else {
                    self.links.remove(&peer);
                    return true;
                };
                *up = Up::new(other, None, up.pause);
                return false;
            }
            Some(Link::Up(up)) => &mut up.previous,
            Some(Link::Dialling(dialling)) => &mut dialling.previous,
            Some(Link::Failed(_)) | None => return false,
        };
        let _ended = previous.take_if(|it| it.is(conn));
        false
    }

    /// Closes the connections that are chosen. Returns how many.
    pub(super) fn cut(&mut self, mut choose: impl FnMut(&Held) -> bool) -> usize {
        let open = self.served.values().filter(|held| !held.is_closed());
        open.filter(|held| choose(held))
            .map(|held| held.conn.close(CUT, b"not trusted any more"))
            .count()
    }

    /// How many connections are open.
    pub(super) fn connections(&self) -> usize {
        let open = self.served.values().filter(|held| !held.is_closed());
        open.count()
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_flushed(&mut self) -> bool {
        self.links.values_mut().all(|entry| match &mut entry.link {
            Link::Dialling(_) => false,
            Link::Up(up) => up.is_flushed(),
            Link::Failed(_) => true,
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.served.clear();
    }

    fn evict(&mut self, tally: &Tally) {
        let victim = self
            .links
            .iter()
            .filter(|(_, entry)| !matches!(entry.link, Link::Dialling(_)))
            .min_by_key(|(_, entry)| (matches!(entry.link, Link::Up(_)), entry.used))
            .map(|(peer, _)| *peer);
        let Some(entry) = victim.and_then(|peer| self.links.remove(&peer)) else {
            return;
        };
        if let Link::Up(up) = &entry.link {
            up.held.conn.close(EVICTED, b"evicted");
            tally.evicted.one();
        }
        if let Link::Up(up) = entry.link {
            close(up.previous, tally);
        }
    }
}

impl Up {
    /// Whether these are its two connections.
    fn are(&self, pair: &Pair) -> bool {
        let is_loser = |held: &Held| held.is(&pair.loser.conn);
        self.held.is(&pair.keeper.conn) && self.previous.as_ref().is_some_and(is_loser)
    }
}

/// Whether two ends dialled each other before either knew of the other's dial.
fn is_at_once(one: &Held, other: &Held) -> bool {
    one.conn.side() != other.conn.side()
        && other.made.saturating_duration_since(one.made) <= AT_ONCE
}

fn close(superseded: Option<Held>, tally: &Tally) {
    if let Some(held) = superseded.filter(|held| !held.is_closed()) {
        held.conn.close(SUPERSEDED, b"superseded");
        tally.superseded.one();
    }
}

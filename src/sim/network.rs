//! What becomes of a packet on its way.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use fastrand::Rng;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{
    Fate, FaultCounts, Hasher, Link, Loss,
    loss::{BurstState, Lost},
};

/// Everything between the nodes: links, cuts, and what single nodes lose.
pub(super) struct Network {
    link: Link,
    topology: Option<Topology>,
    pairs: HashMap<(usize, usize), Link, Hasher>,
    /// Of links that lose in bursts.
    bursts: HashMap<(usize, usize), Option<BurstState>, Hasher>,
    ends: Vec<Ends>,
    cuts: Vec<(u32, Sides)>,
    cuts_made: u32,
}

/// Says which link a packet from one node to another takes.
pub(super) type Topology = Box<dyn Fn(usize, usize) -> Link>;

/// What one node loses of what comes in and goes out.
#[derive(Default)]
struct Ends {
    ingress: (Loss, Option<BurstState>),
    egress: (Loss, Option<BurstState>),
}

/// Which nodes do not reach which.
struct Sides {
    from: Group,
    to: Group,
    is_both_ways: bool,
}

/// Some nodes.
pub(super) enum Group {
    /// Those whose places hold `true`.
    Of(Vec<bool>),
    /// All, now and later.
    Everybody,
}

impl Group {
    fn has(&self, node: usize) -> bool {
        match self {
            Self::Of(members) => members.get(node).copied().unwrap_or(false),
            Self::Everybody => true,
        }
    }
}

/// What becomes of a packet.
pub(super) enum Carried {
    /// It arrives after these times, more than once if duplicated.
    Arrives(SmallVec<[Duration; 2]>),
    Lost(Fate),
}

impl Network {
    pub(super) fn new() -> Self {
        Self {
            link: Link::default(),
            topology: None,
            pairs: HashMap::default(),
            bursts: HashMap::default(),
            ends: Vec::new(),
            cuts: Vec::new(),
            cuts_made: 0,
        }
    }

    pub(super) fn add_node(&mut self) {
        self.ends.push(Ends::default());
    }

    pub(super) fn set_all(&mut self, link: Link) {
        self.link = link;
        self.topology = None;
        self.pairs.clear();
    }

    pub(super) fn set_topology(&mut self, topology: Topology) {
        self.topology = Some(topology);
        self.pairs.clear();
    }

    pub(super) fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.pairs.insert((from, to), link);
    }

    pub(super) fn set_ingress(&mut self, node: usize, loss: Loss) {
        self.ends[node].ingress = (loss, None);
    }

    pub(super) fn set_egress(&mut self, node: usize, loss: Loss) {
        self.ends[node].egress = (loss, None);
    }

    /// Whether a node loses what others do not.
    pub(super) fn loses_at(&self, node: usize) -> bool {
        let ends = &self.ends[node];
        ends.ingress.0.can_lose() || ends.egress.0.can_lose()
    }

    pub(super) fn cut(&mut self, from: Group, to: Group, is_both_ways: bool) -> u32 {
        self.cuts_made += 1;
        let sides = Sides {
            from,
            to,
            is_both_ways,
        };
        self.cuts.push((self.cuts_made, sides));
        self.cuts_made
    }

    pub(super) fn heal(&mut self, cut: u32) {
        self.cuts.retain(|(number, _)| *number != cut);
    }

    pub(super) fn heal_all(&mut self) {
        self.cuts.clear();
    }

    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.iter().any(|(_, sides)| {
            sides.from.has(from) && sides.to.has(to)
                || sides.is_both_ways && sides.from.has(to) && sides.to.has(from)
        })
    }

    pub(super) fn link(&self, from: usize, to: usize) -> Link {
        let pair = match self.pairs.is_empty() {
            true => None,
            false => self.pairs.get(&(from, to)).copied(),
        };
        pair.unwrap_or_else(|| match &self.topology {
            Some(topology) => topology(from, to),
            None => self.link,
        })
    }

    /// Decides what becomes of a packet that is sent now.
    pub(super) fn carry(
        &mut self,
        (from, to): (usize, usize),
        size: usize,
        now: Duration,
        rng: &mut Rng,
        counts: &mut FaultCounts,
    ) -> Carried {
        let link = self.link(from, to);
        if self.is_cut(from, to) {
            counts.cut += 1;
            return Carried::Lost(Fate::Cut);
        }
        if link.size_limit.drops(size) {
            counts.too_big += 1;
            return Carried::Lost(Fate::TooBig);
        }
        if let Some(lost) = self.lose((from, to), &link, now, rng, counts) {
            match lost {
                Lost::Alone => counts.lost += 1,
                Lost::InBurst => counts.lost_in_bursts += 1,
            }
            return Carried::Lost(Fate::Lost);
        }
        let mut arrivals = SmallVec::new();
        arrivals.push(travel(&link, rng, counts));
        if link.duplicates > 0.0 && rng.f64() < link.duplicates {
            counts.duplicated += 1;
            arrivals.push(travel(&link, rng, counts));
        }
        Carried::Arrives(arrivals)
    }

    fn lose(
        &mut self,
        (from, to): (usize, usize),
        link: &Link,
        now: Duration,
        rng: &mut Rng,
        counts: &mut FaultCounts,
    ) -> Option<Lost> {
        let (loss, state) = &mut self.ends[from].egress;
        let at_sender = loss.draw(state, now, rng);
        let (loss, state) = &mut self.ends[to].ingress;
        let at_end = at_sender.or_else(|| loss.draw(state, now, rng));
        if at_end.is_some() {
            counts.lost_at_nodes += 1;
            return at_end;
        }
        match link.loss {
            Loss::Bursts(_) => {
                let state = self.bursts.entry((from, to)).or_insert(None);
                link.loss.draw(state, now, rng)
            }
            loss => loss.draw(&mut None, now, rng),
        }
    }
}

fn travel(link: &Link, rng: &mut Rng, counts: &mut FaultCounts) -> Duration {
    let mut time = link.latency.sample(rng);
    if link.reorders > 0.0 && rng.f64() < link.reorders {
        counts.detoured += 1;
        time = time.saturating_add(link.detour.sample(rng));
    }
    time
}

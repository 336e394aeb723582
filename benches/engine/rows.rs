//! What is measured: one function per row, each unlike the others, so that a profiler can tell
//! them apart.

use core::hint::black_box;

use selkie::{Incarnation, Member, Message, ProbeNumber, State};

use crate::{
    contender::Contender,
    member::{self, Id},
};

/// An engine that knows all members, and what the rows keep beside it.
pub struct Site<E> {
    pub engine: E,
    /// The datagrams of the present row, in turn.
    pub pool: Vec<Vec<u8>>,
    turn: usize,
    /// Every member's incarnation.
    incarnations: Vec<u16>,
    /// All members in random order, and how far fresh updates about them have come.
    order: Vec<u32>,
    ordered: usize,
    fresh: Vec<u8>,
    /// Whom the engine probes now.
    target: Option<Id>,
}

/// A row of the table.
pub struct Row<E> {
    pub name: &'static str,
    pub backlog: Backlog,
    /// The datagrams that it takes, if it does not make its own.
    pub pool: Option<MakeDatagram>,
    pub timed: Step<E>,
    /// What comes before and after each, not timed.
    pub upkeep: Option<[Step<E>; 2]>,
}

/// Something done with an engine.
pub type Step<E> = fn(&mut Site<E>);

/// Makes a datagram from one of so many members.
pub type MakeDatagram = fn(usize, &mut fastrand::Rng) -> Vec<u8>;

/// What waits to be sent when a row begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    Empty,
    /// An update about every member.
    Full,
}

pub const GOSSIP_FROM_FULL: &str = "gossip to 3, full backlog";

pub fn rows<E: Contender>() -> [Row<E>; 11] {
    let row = |name, timed| Row {
        name,
        backlog: Backlog::Empty,
        pool: None,
        timed,
        upkeep: None,
    };
    [
        Row {
            pool: Some(|n, rng| member::bare(random(n, rng), 0, Message::Gossip)),
            ..row("gossip without updates", gossip_without_updates)
        },
        Row {
            pool: Some(|n, rng| member::bare(random(n, rng), 0, Message::Ping(ProbeNumber(7)))),
            ..row("ping and its ack", ping_and_its_ack)
        },
        Row {
            pool: Some(stale_packet),
            ..row("full gossip, all stale", full_gossip_all_stale)
        },
        Row {
            upkeep: Some([make_fresh, drain]),
            ..row(
                "full gossip, all fresh, empty backlog",
                fresh_to_empty_backlog,
            )
        },
        Row {
            pool: Some(|n, rng| member::bare(random(n, rng), 0, Message::Announce)),
            ..row("announce and its feed", announce_and_its_feed)
        },
        Row {
            upkeep: Some([nothing, answer_probe]),
            ..row("probe timer", probe_timer)
        },
        Row {
            upkeep: Some([begin_probe, answer_probe_late]),
            ..row("unanswered probe", unanswered_probe)
        },
        Row {
            upkeep: Some([let_probe_fail, refute]),
            ..row("failed probe", failed_probe)
        },
        row("gossip to 3, empty backlog", gossip_to_3_empty_backlog),
        Row {
            backlog: Backlog::Full,
            upkeep: Some([make_fresh, nothing]),
            ..row(
                "full gossip, all fresh, full backlog",
                fresh_to_full_backlog,
            )
        },
        Row {
            backlog: Backlog::Full,
            upkeep: Some([nothing, fill]),
            ..row(GOSSIP_FROM_FULL, gossip_to_3_full_backlog)
        },
    ]
}

#[inline(never)]
fn gossip_without_updates<E: Contender>(site: &mut Site<E>) {
    black_box(0);
    site.take_in_next();
}

#[inline(never)]
fn ping_and_its_ack<E: Contender>(site: &mut Site<E>) {
    black_box(1);
    site.take_in_next();
}

#[inline(never)]
fn full_gossip_all_stale<E: Contender>(site: &mut Site<E>) {
    black_box(2);
    site.take_in_next();
}

#[inline(never)]
fn fresh_to_empty_backlog<E: Contender>(site: &mut Site<E>) {
    black_box(3);
    site.engine.handle_data(&site.fresh);
}

#[inline(never)]
fn announce_and_its_feed<E: Contender>(site: &mut Site<E>) {
    black_box(4);
    site.take_in_next();
}

#[inline(never)]
fn probe_timer<E: Contender>(site: &mut Site<E>) {
    black_box(5);
    site.engine.probe_timer();
}

#[inline(never)]
fn unanswered_probe<E: Contender>(site: &mut Site<E>) {
    black_box(6);
    site.engine.indirect_probe_timer();
}

#[inline(never)]
fn failed_probe<E: Contender>(site: &mut Site<E>) {
    black_box(7);
    site.engine.probe_timer();
}

#[inline(never)]
fn gossip_to_3_empty_backlog<E: Contender>(site: &mut Site<E>) {
    black_box(8);
    site.engine.gossip();
}

#[inline(never)]
fn fresh_to_full_backlog<E: Contender>(site: &mut Site<E>) {
    black_box(9);
    site.engine.handle_data(&site.fresh);
}

#[inline(never)]
fn gossip_to_3_full_backlog<E: Contender>(site: &mut Site<E>) {
    black_box(10);
    site.engine.gossip();
}

fn nothing<E>(_site: &mut Site<E>) {}

fn random(n: usize, rng: &mut fastrand::Rng) -> Id {
    member::member(rng.usize(..n))
}

fn stale_packet(n: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let src = random(n, rng);
    let mut updates = core::iter::repeat_with(|| Member::alive(random(n, rng)));
    member::full(src, &mut updates)
}

fn make_fresh<E: Contender>(site: &mut Site<E>) {
    site.make_fresh();
}

/// Sends what waits until nothing does.
pub fn drain<E: Contender>(site: &mut Site<E>) {
    while site.engine.backlog() > 0 {
        site.engine.gossip();
    }
}

/// Lets an update about every member wait to be sent, if any does not.
pub fn fill<E: Contender>(site: &mut Site<E>) {
    let n = site.order.len();
    if site.engine.backlog() == n {
        return;
    }
    let mut left = n;
    while left > 0 {
        left = left.saturating_sub(site.make_fresh());
        site.engine.handle_data(&site.fresh);
    }
    assert_eq!(site.engine.backlog(), n);
}

fn begin_probe<E: Contender>(site: &mut Site<E>) {
    site.engine.probe_timer();
    site.target = Some(site.engine.last_sent().to);
}

fn answer_probe<E: Contender>(site: &mut Site<E>) {
    let (target, number) = (site.engine.last_sent().to, site.engine.last_sent().probe());
    site.engine
        .handle_data(&member::bare(target, 0, Message::Ack(number)));
    site.engine.indirect_probe_timer();
}

fn answer_probe_late<E: Contender>(site: &mut Site<E>) {
    let number = site.engine.last_sent().probe();
    let target = site.target.take().expect("a probe runs");
    site.engine
        .handle_data(&member::bare(target, 0, Message::Ack(number)));
}

fn let_probe_fail<E: Contender>(site: &mut Site<E>) {
    if site.target.is_none() {
        begin_probe(site);
    }
    site.engine.indirect_probe_timer();
}

fn refute<E: Contender>(site: &mut Site<E>) {
    let suspect = site.target.replace(site.engine.last_sent().to);
    let suspect = suspect.expect("its probe failed");
    let [_, a, b, c] = suspect.addr.ip().octets();
    let incarnation = &mut site.incarnations[u32::from_be_bytes([0, a, b, c]) as usize];
    *incarnation += 1;
    let refutation = member::bare(suspect, *incarnation, Message::Gossip);
    site.engine.handle_data(&refutation);
}

impl<E: Contender> Site<E> {
    pub fn new(engine: E, rng: &mut fastrand::Rng) -> Self {
        let n = engine.num_members();
        let mut order: Vec<u32> = (0..n as u32).collect();
        rng.shuffle(&mut order);
        Self {
            engine,
            pool: Vec::new(),
            turn: 0,
            incarnations: vec![0; n],
            order,
            ordered: 0,
            fresh: Vec::new(),
            target: None,
        }
    }

    fn take_in_next(&mut self) {
        self.engine.handle_data(&self.pool[self.turn]);
        self.turn = (self.turn + 1) % self.pool.len();
    }

    /// Puts together a packet of news about members, each once. Returns how many.
    fn make_fresh(&mut self) -> usize {
        let n = self.order.len();
        let mut count = 0;
        let Self {
            incarnations,
            order,
            ordered,
            ..
        } = self;
        let src = member::member(order[(*ordered + n / 2) % n] as usize);
        let mut news = core::iter::from_fn(|| {
            if count == n {
                return None;
            }
            let number = order[*ordered] as usize;
            *ordered = (*ordered + 1) % n;
            incarnations[number] += 1;
            count += 1;
            let incarnation = Incarnation(incarnations[number]);
            Some(Member::new(
                member::member(number),
                incarnation,
                State::Alive,
            ))
        });
        self.fresh = member::full(src, &mut news);
        count
    }
}

//! The same datagrams into a selkie and into foca 2.0: both must come to believe the same.
//!
//! The sequences are random, of valid datagrams.

use std::{
    fmt::{self, Debug},
    time::Duration,
};

use fastrand::Rng;
use selkie::{
    Codec, Header, Incarnation, Member, Message, ProbeNumber, State, TimerQueue,
    codecs::PostcardCodec,
};

use crate::{
    peer::{Peer, peer},
    site::{Kind, Outbox, Pace, Site, Timer},
    world::seed,
};

/// An engine and its timers.
struct Believer {
    site: Box<dyn Site>,
    timers: TimerQueue<Timer>,
}

impl Believer {
    fn new(kind: Kind) -> Self {
        Self {
            site: kind.site(peer(0), Pace::Simple, 1),
            timers: TimerQueue::new(),
        }
    }

    fn input(&mut self, now: Duration, act: impl FnOnce(&mut dyn Site, &mut Outbox)) -> Vec<Said> {
        let mut out = Outbox::default();
        act(&mut *self.site, &mut out);
        for (timer, after) in out.timers {
            self.timers.push(now + after, timer);
        }
        out.sent
            .iter()
            .map(|(to, data)| (*to, Kind::SelkiePostcard.header(data)))
            .collect()
    }

    fn hears(&mut self, now: Duration, data: &[u8]) -> Vec<Said> {
        self.input(now, |site, out| {
            site.handle_data(data, out);
        })
    }

    /// Time passes, and of the timers that are due those fire that are `meant`. Nothing arrives.
    fn passes(&mut self, now: Duration, meant: fn(&Timer) -> bool) {
        while let Some(due) = self.timers.next_deadline().filter(|&due| due <= now) {
            let timer = self.timers.pop_due(due).unwrap();
            if meant(&timer) {
                self.input(due, |site, out| site.handle_timer(timer, out));
            }
        }
    }

    fn view(&self) -> Vec<Member<Peer>> {
        let mut view = self.site.members();
        for member in view.iter_mut().filter(|member| member.state == State::Down) {
            member.incarnation = Incarnation(0);
        }
        view.sort_unstable_by_key(|member| member.id);
        view
    }
}

type Said = (Peer, Header<Peer>);

#[derive(Clone, Debug)]
struct Datagram {
    header: Header<Peer>,
    updates: Vec<Member<Peer>>,
}

impl Datagram {
    fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        PostcardCodec
            .encode_header(&self.header, &mut data)
            .unwrap();
        if self.header.message != Message::Announce {
            data.extend((self.updates.len() as u16).to_be_bytes());
            for update in &self.updates {
                PostcardCodec.encode_member(update, &mut data).unwrap();
            }
        }
        data
    }
}

fn datagram(rng: &mut Rng) -> Datagram {
    let message = match rng.u8(..6) {
        0 => Message::Ping(ProbeNumber(rng.u8(..))),
        1 => Message::Announce,
        2 => Message::Feed,
        _ => Message::Gossip,
    };
    let header = to_us(somebody(rng), rng.u16(..3), message);
    let updates = (0..rng.usize(..4))
        .map(|_| {
            let state = [State::Alive, State::Alive, State::Suspect, State::Down][rng.usize(..4)];
            Member::new(somebody(rng), Incarnation(rng.u16(..4)), state)
        })
        .collect();
    Datagram { header, updates }
}

fn to_us(src: Peer, incarnation: u16, message: Message<Peer>) -> Header<Peer> {
    let src_incarnation = Incarnation(incarnation);
    Header {
        src,
        src_incarnation,
        dst: peer(0),
        message,
    }
}

fn somebody(rng: &mut Rng) -> Peer {
    let bump = [0, 0, 0, 1, 2][rng.usize(..5)];
    Peer {
        bump,
        ..peer(rng.u16(1..7))
    }
}

/// A selkie and a foca that heard the same, and know a member that the sequences do not touch.
struct Pair {
    selkie: Believer,
    foca: Believer,
    now: Duration,
    heard: Vec<Datagram>,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            selkie: Believer::new(Kind::SelkiePostcard),
            foca: Believer::new(Kind::Foca2Postcard),
            now: Duration::ZERO,
            heard: Vec::new(),
        };
        pair.hear(Datagram {
            header: to_us(peer(9), 0, Message::Gossip),
            updates: Vec::new(),
        });
        pair
    }

    /// Both hear it, and say the same to it.
    #[track_caller]
    fn hear(&mut self, datagram: Datagram) {
        let (by_selkie, by_foca) = self.take_in(datagram);
        assert_eq!(by_selkie, by_foca, "said differently: {self:#?}");
        self.check();
    }

    /// Both hear it, about themselves, and are the same after it. To whom they tell that is up to
    /// them: selkie answers what is stale to its teller alone.
    #[track_caller]
    fn become_of(&mut self, datagram: Datagram) {
        self.take_in(datagram);
        self.check();
        let identity = self.foca.site.identity();
        let ping = Message::Ping(ProbeNumber(1));
        let header = Header {
            dst: identity,
            ..to_us(peer(9), 0, ping)
        };
        self.hear(Datagram {
            header,
            updates: Vec::new(),
        });
    }

    fn take_in(&mut self, datagram: Datagram) -> (Vec<Said>, Vec<Said>) {
        let data = datagram.encode();
        self.heard.push(datagram);
        (
            self.selkie.hears(self.now, &data),
            self.foca.hears(self.now, &data),
        )
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(
            self.selkie.view(),
            self.foca.view(),
            "believed differently: {self:#?}"
        );
        assert_eq!(
            self.selkie.site.identity(),
            self.foca.site.identity(),
            "{self:#?}"
        );
    }
}

impl Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("now", &self.now)
            .field("heard", &self.heard)
            .finish()
    }
}

/// Others for each seed of the environment.
fn seeds() -> impl Iterator<Item = u64> {
    (0..1000).map(|sequence| (seed() << 32) + sequence)
}

#[test]
fn both_believe_the_same_of_others() {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let mut pair = Pair::new();
        for _ in 0..30 {
            pair.hear(datagram(&mut rng));
        }
    }
}

#[test]
fn both_refute_the_same_suspicions() {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let mut pair = Pair::new();
        for _ in 0..30 {
            let mut heard = datagram(&mut rng);
            heard.header.dst = pair.foca.site.identity();
            let incarnation = Incarnation(rng.u16(..6));
            heard
                .updates
                .push(Member::suspect(heard.header.dst, incarnation));
            pair.become_of(heard);
        }
    }
}

#[test]
fn both_take_a_new_identity_when_a_member_holds_them_down() {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let mut pair = Pair::new();
        for _ in 0..10 {
            let mut heard = datagram(&mut rng);
            heard.header.src = peer(9);
            heard.header.dst = pair.foca.site.identity();
            let state = [State::Alive, State::Down][rng.usize(..2)];
            let incarnation = Incarnation(rng.u16(..6));
            heard
                .updates
                .push(Member::new(heard.header.dst, incarnation, state));
            pair.become_of(heard);
        }
    }
}

#[test]
fn both_suspect_a_silent_member_then_declare_it_down() {
    let mut pair = Pair::new();
    let state = |believer: &Believer| believer.view()[0].state;
    let mut seen = [Vec::new(), Vec::new()];
    for _ in 0..120 {
        pair.now += Duration::from_millis(100);
        for (believer, seen) in [&mut pair.selkie, &mut pair.foca]
            .into_iter()
            .zip(&mut seen)
        {
            believer.passes(pair.now, |_| true);
            seen.push(state(believer));
        }
    }
    for mut seen in seen {
        seen.dedup();
        assert_eq!(seen, [State::Alive, State::Suspect, State::Down]);
    }
}

/// Every selkie runs the timer of a suspicion that it was told of: who raised it may die first.
#[test]
fn a_suspicion_from_hearsay_expires_in_selkie_and_foca_waits_to_be_told() {
    let mut pair = Pair::new();
    let updates = vec![Member::suspect(peer(1), Incarnation(2))];
    pair.hear(Datagram {
        header: to_us(peer(1), 1, Message::Gossip),
        updates: Vec::new(),
    });
    pair.hear(Datagram {
        header: to_us(peer(9), 0, Message::Gossip),
        updates,
    });
    pair.now += Duration::from_secs(60);
    let no_probes: fn(&Timer) -> bool = |timer| {
        matches!(
            timer,
            Timer::Selkie(selkie::Timer::Suspicion { .. })
                | Timer::Foca2(foca::Timer::ChangeSuspectToDown { .. })
        )
    };
    pair.selkie.passes(pair.now, no_probes);
    pair.foca.passes(pair.now, no_probes);
    let state = |view: Vec<Member<Peer>>| view[0].state;
    assert_eq!(state(pair.selkie.view()), State::Down);
    assert_eq!(state(pair.foca.view()), State::Suspect);
}

/// A joiner may know where its seed lives, but not which life of it this is.
#[test]
fn both_answer_an_announce_to_another_life_of_theirs() {
    let mut pair = Pair::new();
    let dst = Peer { bump: 7, ..peer(0) };
    let header = Header {
        dst,
        ..to_us(peer(1), 0, Message::Announce)
    };
    let updates = Vec::new();
    let (by_selkie, by_foca) = pair.take_in(Datagram { header, updates });
    assert_eq!(by_selkie, by_foca);
    assert_eq!(by_selkie[0].1.message, Message::Feed);
}

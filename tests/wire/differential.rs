//! The same datagrams into a selkie and into foca 2.0: both must come to believe the same.
//!
//! The sequences are random, of valid datagrams.

use std::time::Duration;

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

/// An engine with the timers that change what it believes; the others never fire.
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
            let changes_belief = matches!(
                timer,
                Timer::Selkie(selkie::Timer::Suspicion { .. } | selkie::Timer::Forget { .. })
                    | Timer::Foca2(
                        foca::Timer::ChangeSuspectToDown { .. } | foca::Timer::RemoveDown(_)
                    )
            );
            if changes_belief {
                self.timers.push(now + after, timer);
            }
        }
        out.sent.iter().map(|(to, data)| (*to, Kind::SelkiePostcard.message(data))).collect()
    }

    fn hears(&mut self, now: Duration, data: &[u8]) -> Vec<Said> {
        self.input(now, |site, out| {
            site.handle_data(data, out);
        })
    }

    fn passes(&mut self, now: Duration) {
        while let Some(due) = self.timers.next_deadline().filter(|&due| due <= now) {
            let timer = self.timers.pop_due(due).unwrap();
            self.input(due, |site, out| site.handle_timer(timer, out));
        }
    }

    fn view(&self) -> Vec<Member<Peer>> {
        let mut view = self.site.members();
        view.sort_unstable_by_key(|member| member.id);
        view
    }
}

type Said = (Peer, Message<Peer>);

#[derive(Clone, Debug)]
struct Datagram {
    header: Header<Peer>,
    updates: Vec<Member<Peer>>,
}

impl Datagram {
    fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        PostcardCodec.encode_header(&self.header, &mut data).unwrap();
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
    let header = Header {
        src: somebody(rng),
        src_incarnation: Incarnation(rng.u16(..3)),
        dst: peer(0),
        message,
    };
    let updates = (0..rng.usize(..4)).map(|_| {
        let state = [State::Alive, State::Alive, State::Suspect, State::Down][rng.usize(..4)];
        Member::new(somebody(rng), Incarnation(rng.u16(..4)), state)
    }).collect();
    Datagram { header, updates }
}

fn somebody(rng: &mut Rng) -> Peer {
    let bump = [0, 0, 0, 1, 2][rng.usize(..5)];
    Peer { bump, ..peer(rng.u16(1..7)) }
}

#[test]
fn both_believe_the_same_of_others() {
    let mut differ = 0;
    for seed in seed()..seed() + 2000 {
        let mut rng = Rng::with_seed(seed);
        let mut selkie = Believer::new(Kind::SelkiePostcard);
        let mut foca = Believer::new(Kind::Foca2Postcard);
        let mut now = Duration::ZERO;
        for step in 0..30 {
            let heard = datagram(&mut rng);
            let before = (selkie.view(), foca.view());
            let said = (selkie.hears(now, &heard.encode()), foca.hears(now, &heard.encode()));
            now += Duration::from_millis(rng.u64(..800));
            let (s, f) = (selkie.view(), foca.view());
            if s != f {
                differ += 1;
                if differ < 10 {
                    eprintln!("seed {seed} step {step}\n heard {heard:?}\n before {:?}\n selkie {s:?}\n foca   {f:?}", before.0);
                }
                break;
            }
            if said.0 != said.1 {
                differ += 1;
                if differ < 10 {
                    eprintln!("SAID seed {seed} step {step}\n heard {heard:?}\n before {:?}\n selkie {:?}\n foca   {:?}", before.0, said.0, said.1);
                }
                break;
            }
            selkie.passes(now);
            foca.passes(now);
            let (s, f) = (selkie.view(), foca.view());
            if s != f {
                differ += 1;
                if differ < 10 {
                    eprintln!("TIME seed {seed} step {step} \n before {:?}\n selkie {s:?}\n foca   {f:?}", before.0);
                }
                break;
            }
        }
    }
    assert_eq!(differ, 0);
}

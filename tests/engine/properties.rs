//! Whatever is thrown at an engine, in whichever order.

use std::collections::{HashMap, HashSet};

use proptest::{collection::vec, prelude::*};
use selkie::{
    Codec, Config, Engine, Incarnation, Member, Message, Notice, Periodic, ProbeNumber, State,
    Timer,
};

use crate::{
    codec::{MORTAL, Packet, Peer, PlainCodec, peer},
    digest::digest_of,
    precedence::expected,
    solo::{Lines, Solo, Versions},
    world::SECOND,
};

#[derive(Clone, Debug)]
enum Input {
    Hears(Packet),
    HearsMutated(Packet, usize, u8, usize),
    HearsBytes(Vec<u8>),
    HearsAgain(usize),
    Fires(usize),
    FiresAgain(usize),
    Announce(Peer),
    Gossip,
    Broadcast,
    AddBroadcast(Vec<u8>),
    ApplyMany(Vec<Member<Peer>>),
    ChangeIdentity(Peer),
    Reuse,
    Leave,
    SetConfig(Settings),
    Room(usize),
}

#[derive(Clone, Debug)]
struct Settings {
    packet: usize,
    members: usize,
    down: usize,
    broadcasts: usize,
    share: u8,
    flags: u8,
}

impl Settings {
    fn config(&self) -> Config {
        let has = |bit: u8| self.flags & (1 << bit) != 0;
        let mut config = if has(0) {
            Config::lan()
        } else {
            Config::simple()
        };
        config.max_packet_size = self.packet;
        config.max_members = self.members;
        config.max_down_members = self.down;
        config.max_broadcasts = self.broadcasts;
        config.broadcast_share = self.share;
        config.prove_joiners = has(1) && has(5);
        config.notify_down_members = has(2);
        if has(3) {
            config = config.foca_wire();
        } else {
            config.foca_wire = false;
            let is_on = has(6) && self.packet >= 384;
            config.digest = is_on.then(|| Periodic::secs(2, 2));
        }
        config.remove_down_after = has(4).then_some(SECOND);
        config
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let sizes = prop_oneof![Just(128usize), 128..200usize, Just(1400usize)];
    (
        sizes,
        1..8usize,
        1..5usize,
        1..5usize,
        0..=90u8,
        any::<u8>(),
    )
        .prop_map(
            |(packet, members, down, broadcasts, share, flags)| Settings {
                packet,
                members,
                down,
                broadcasts,
                share,
                flags,
            },
        )
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let addr = prop_oneof![20 => 1..10u16, 1 => Just(0u16), 1 => Just(MORTAL), 1 => any::<u16>()];
    let life = prop_oneof![5 => 0..4u8, 1 => any::<u8>()];
    (addr, life).prop_map(|(addr, life)| Peer { addr, life })
}

fn incarnation() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 0..5u16, 1 => 65_530..=65_535u16]
}

fn member() -> impl Strategy<Value = Member<Peer>> {
    let state = prop_oneof![
        4 => Just(State::Alive),
        4 => Just(State::Suspect),
        4 => Just(State::Down),
        1 => Just(State::Unknown(9)),
    ];
    (any_peer(), incarnation(), state)
        .prop_map(|(id, incarnation, state)| Member::new(id, Incarnation(incarnation), state))
}

fn message() -> impl Strategy<Value = Message<Peer>> {
    (0..13u8, any_peer(), 0..12u8).prop_map(|(kind, member, number)| {
        let number = ProbeNumber(number);
        match kind {
            0 => Message::Ping(number),
            1 => Message::Ack(number),
            2 => Message::PingReq {
                target: member,
                number,
            },
            3 => Message::IndirectPing {
                origin: member,
                number,
            },
            4 => Message::IndirectAck {
                target: member,
                number,
            },
            5 => Message::ForwardedAck {
                origin: member,
                number,
            },
            6 => Message::Announce,
            7 => Message::Feed,
            8 => Message::Broadcast,
            9 => Message::TurnUndead,
            10 => Message::Digest,
            _ => Message::Gossip,
        }
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let broadcasts = vec(vec(0..6u8, 1..6), 0..3);
    (
        any_peer(),
        incarnation(),
        message(),
        vec(member(), 0..5),
        broadcasts,
        any::<[u8; 8]>(),
    )
        .prop_map(|(src, incarnation, message, members, broadcasts, digest)| {
            let mut packet = Packet::new(src, peer(1), message).incarnation(incarnation);
            if message == Message::Digest {
                packet.digest = digest.repeat(32);
                return packet;
            }
            let bare = matches!(message, Message::Announce | Message::TurnUndead);
            if !bare && message != Message::Broadcast {
                packet.members = members;
            }
            if !bare {
                packet.broadcasts = broadcasts;
            }
            packet
        })
}

fn input() -> impl Strategy<Value = Input> {
    let mutated = (packet(), any::<usize>(), any::<u8>(), any::<usize>());
    prop_oneof![
        24 => packet().prop_map(Input::Hears),
        4 => mutated.prop_map(|(p, at, to, cut)| Input::HearsMutated(p, at, to, cut)),
        2 => vec(any::<u8>(), 0..60).prop_map(Input::HearsBytes),
        4 => any::<usize>().prop_map(Input::HearsAgain),
        24 => any::<usize>().prop_map(Input::Fires),
        6 => any::<usize>().prop_map(Input::FiresAgain),
        1 => any_peer().prop_map(Input::Announce),
        1 => Just(Input::Gossip),
        1 => Just(Input::Broadcast),
        4 => vec(any::<u8>(), 0..150).prop_map(Input::AddBroadcast),
        2 => vec(member(), 0..6).prop_map(Input::ApplyMany),
        1 => any_peer().prop_map(Input::ChangeIdentity),
        2 => Just(Input::Reuse),
        1 => Just(Input::Leave),
        2 => settings().prop_map(Input::SetConfig),
        1 => (0..200usize).prop_map(Input::Room),
    ]
}

/// An engine, what was handed in, and what its user was told.
struct Bench {
    solo: Solo<Versions>,
    timers: Vec<Timer<Peer>>,
    fired: Vec<Timer<Peer>>,
    heard: Vec<Vec<u8>>,
    up: HashMap<u16, Peer>,
    /// Whether the digest is compared after each input, and not only when one is sent.
    compares: bool,
}

impl Bench {
    fn new(settings: &Settings) -> Self {
        Self {
            solo: Solo::with_broadcasts(settings.config(), Versions::default()),
            timers: Vec::new(),
            fired: Vec::new(),
            heard: Vec::new(),
            up: HashMap::new(),
            compares: settings.flags & 1 << 7 != 0,
        }
    }

    fn data(&mut self, data: Vec<u8>) {
        let _ = self.solo.tries(&data);
        self.heard.push(data);
    }

    fn take(&mut self, input: Input) {
        let us = *self.solo.engine.identity();
        let (engine, runtime): (&mut Engine<_, _, _>, &mut Lines) =
            (&mut self.solo.engine, &mut self.solo.runtime);
        match input {
            Input::Hears(mut packet) => {
                packet.header.dst = us;
                // What is said about us now and then is about who we are.
                for member in &mut packet.members {
                    if member.id == peer(1) {
                        member.id = us;
                    }
                }
                self.data(packet.encode());
            }
            Input::HearsMutated(mut packet, at, to, cut) => {
                packet.header.dst = us;
                let mut data = packet.encode();
                let at = at % data.len();
                data[at] = to;
                data.truncate(cut % (2 * data.len()));
                self.data(data);
            }
            Input::HearsBytes(data) => self.data(data),
            Input::HearsAgain(which) if !self.heard.is_empty() => {
                let data = self.heard[which % self.heard.len()].clone();
                self.data(data);
            }
            Input::Fires(which) if !self.timers.is_empty() => {
                let timer = self.timers.swap_remove(which % self.timers.len());
                engine.handle_timer(timer, runtime);
                self.fired.push(timer);
            }
            Input::FiresAgain(which) if !self.fired.is_empty() => {
                let timer = self.fired[which % self.fired.len()];
                engine.handle_timer(timer, runtime);
            }
            Input::HearsAgain(_) | Input::Fires(_) | Input::FiresAgain(_) => {}
            Input::Announce(to) => drop(engine.announce(to, runtime)),
            Input::Gossip => drop(engine.gossip(runtime)),
            Input::Broadcast => drop(engine.broadcast(runtime)),
            Input::AddBroadcast(data) => drop(engine.add_broadcast(&data, runtime)),
            Input::ApplyMany(members) => engine.apply_many(members, runtime),
            Input::ChangeIdentity(id) => drop(engine.change_identity(id, runtime)),
            Input::Reuse => drop(engine.reuse_down_identity(runtime)),
            Input::Leave => drop(engine.leave_cluster(runtime)),
            Input::SetConfig(settings) => {
                engine.set_config(settings.config(), runtime).unwrap();
            }
            Input::Room(room) => runtime.room = room,
        }
    }

    fn check(&mut self) {
        self.check_sent();
        self.check_notices();
        self.check_digest();
        let engine = &self.solo.engine;
        let (us, config) = (*engine.identity(), engine.config());
        let active: Vec<_> = engine.members().map(|m| (*m.id, m.state)).collect();
        let all: Vec<_> = engine
            .membership_state()
            .map(|m| (*m.id, m.state))
            .collect();
        let addrs: HashSet<u16> = all.iter().map(|(id, _)| id.addr).collect();
        assert_eq!(active.len(), engine.num_members());
        assert_eq!(all.len(), engine.num_members() + engine.num_down_members());
        assert_eq!(addrs.len(), all.len(), "one entry per address");
        assert!(!addrs.contains(&us.addr), "our own address is held");
        assert!(!addrs.contains(&0), "somebody nameless is held");
        assert!(active.iter().all(|(_, state)| state.is_active()));
        let found = all.iter().filter(|(_, state)| state.is_active()).count();
        assert_eq!(found, active.len());
        for (id, state) in &all {
            let member = engine.member(&id.addr).expect("found by address");
            assert_eq!((member.id, member.state), (id, *state));
        }
        assert!(engine.num_down_members() <= config.max_down_members);
        assert!(engine.broadcasts_backlog() <= config.max_broadcasts);
        assert!(engine.updates_backlog() <= all.len() + 1 + 16);
        let shown: HashSet<Peer> = self.up.values().copied().collect();
        let held: HashSet<Peer> = active.iter().map(|(id, _)| *id).collect();
        assert_eq!(shown, held, "what was notified is not what is held");
    }

    fn check_sent(&mut self) {
        let us = *self.solo.engine.identity();
        let size = self.solo.engine.config().max_packet_size;
        for (to, packet) in self.solo.sent() {
            assert!(packet.encode().len() <= size + 2, "{packet:?}");
            assert_eq!(to, packet.header.dst);
            assert!(to != us, "sent to ourselves: {packet:?}");
            assert!(packet.members.iter().all(|member| member.id.addr != 0));
            if packet.header.message == Message::Digest {
                assert_eq!(packet.digest, digest_of(&self.solo.engine));
                assert!(self.solo.engine.config().digest.is_some());
            }
        }
        self.timers.extend(core::iter::from_fn(|| {
            self.solo.timers.pop_due(SECOND * 1_000_000)
        }));
    }

    /// Whoever holds the same has no difference with us.
    fn check_digest(&mut self) {
        let engine = &self.solo.engine;
        let somebody = engine.members().next().map(|member| *member.id);
        let Some(somebody) = somebody.filter(|_| self.compares) else {
            return;
        };
        let mut packet = Packet::new(somebody, *engine.identity(), Message::Digest);
        packet.digest = digest_of(engine);
        let differed = engine.counters().digests_differed;
        let _ = self.solo.tries(&packet.encode());
        assert_eq!(self.solo.engine.counters().digests_differed, differed);
        assert_eq!(self.solo.sent(), []);
    }

    fn check_notices(&mut self) {
        for notice in self.solo.notices() {
            match notice {
                Notice::MemberUp(id) => assert_eq!(self.up.insert(id.addr, id), None),
                Notice::MemberDown(id) => assert_eq!(self.up.remove(&id.addr), Some(id)),
                Notice::Rename { before, after } => {
                    assert!(after.life > before.life && after.addr == before.addr);
                    self.up.entry(after.addr).and_modify(|id| {
                        assert_eq!(*id, before);
                        *id = after;
                    });
                }
                Notice::MemberSuspect { id, .. } | Notice::MemberRefuted(id) => {
                    assert_eq!(self.up.get(&id.addr), Some(&id));
                }
                _ => {}
            }
        }
    }
}

/// What is believed about members 2 to 4 by the precedence table alone.
#[derive(Default)]
struct Model(HashMap<u16, (u8, State, u16)>);

impl Model {
    fn hear(&mut self, heard: &Member<Peer>) {
        let Peer { addr, life } = heard.id;
        let news = (life, heard.state, heard.incarnation.0);
        let known = self.0.entry(addr).or_insert(news);
        if known.0 == life {
            let (state, incarnation) = expected((known.1, known.2), (news.1, news.2), false);
            *known = (life, state, incarnation);
        } else if life > known.0 {
            *known = news;
        }
    }
}

fn about_a_few() -> impl Strategy<Value = Member<Peer>> {
    let states = prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Down)];
    (2..5u16, 0..3u8, 0..4u16, states).prop_map(|(addr, life, incarnation, state)| {
        Member::new(Peer { addr, life }, Incarnation(incarnation), state)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_breaks_an_engine(settings in settings(), inputs in vec(input(), 1..150)) {
        let mut bench = Bench::new(&settings);
        bench.check();
        for input in inputs {
            bench.take(input);
            bench.check();
        }
    }

    #[test]
    fn beliefs_follow_the_table_whatever_the_order(
        updates in vec(vec(about_a_few(), 1..5), 1..40),
    ) {
        let mut solo = Solo::new(Config::lan());
        solo.meets(9);
        let mut model = Model::default();
        for batch in updates {
            let mut gossip = Packet::new(peer(9), peer(1), Message::Gossip);
            batch.iter().for_each(|update| model.hear(update));
            gossip.members = batch;
            solo.hears(gossip);
            for (addr, (life, state, incarnation)) in &model.0 {
                let member = solo.engine.member(addr).unwrap();
                prop_assert_eq!(member.id.life, *life);
                prop_assert_eq!((member.state, member.incarnation.0), (*state, *incarnation));
            }
            prop_assert_eq!(solo.engine.membership_state().count(), model.0.len() + 1);
        }
    }

    #[test]
    fn random_bytes_are_never_believed_halfway(data in vec(any::<u8>(), 0..80)) {
        let mut solo = Solo::with_broadcasts(Config::lan(), Versions::default());
        let mut addressed = Packet::new(peer(2), peer(1), Message::Gossip).encode();
        addressed.truncate(9);
        addressed.extend(&data);
        if solo.tries(&addressed).is_err() && solo.engine.counters().broadcasts_refused == 0 {
            prop_assert_eq!(solo.engine.membership_state().count(), 0);
            prop_assert_eq!(solo.sent().len(), 0);
        }
        let _ = PlainCodec.decode_header(&mut &data[..]);
    }
}

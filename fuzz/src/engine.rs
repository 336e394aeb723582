//! The engine that is fuzzed, and what must be true of it at any time.

use core::{error::Error, time::Duration};
use std::collections::HashSet;

use selkie::{
    BroadcastHandler, Codec, Config, Counters, Engine, Header, Identity, Incarnation, Invalidates,
    Member, Message, Notification, ProbeNumber, Runtime, State, Timer, codecs::PostcardCodec,
};
use serde::{Deserialize, Serialize};

use super::input::Input;

/// Short, so that random bytes are often an identity. Address 0 is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) addr: u8,
    pub(crate) life: u8,
}

/// The addresses from here on have no second life.
const MORTAL: u8 = 200;

impl Identity for Id {
    type Addr = u8;

    fn addr(&self) -> u8 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(1)?;
        (self.addr < MORTAL).then_some(Self { life, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }

    fn renew_past(&self, winner: &Self) -> Option<Self> {
        let life = self.life.max(winner.life);
        Self { life, ..*self }.renew()
    }

    fn names_member(&self) -> bool {
        self.addr != 0
    }
}

/// Remembers what it heard; refuses what begins with 0xff.
#[derive(Debug, Default)]
pub(crate) struct Heard(HashSet<Vec<u8>>);

/// The first byte: the newest of those that share it stays.
#[derive(Debug)]
pub(crate) struct Topic(Option<u8>);

impl Invalidates for Topic {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl BroadcastHandler<Id> for Heard {
    type Key = Topic;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Id>,
    ) -> Result<Option<Topic>, Box<dyn Error + Send + Sync>> {
        assert!(!data.is_empty());
        if data[0] == 0xff {
            return Err("refused".into());
        }
        let topic = data.first().copied();
        Ok(self.0.insert(data.to_vec()).then_some(Topic(topic)))
    }

    fn should_add_broadcast_data(&self, member: &Id) -> bool {
        member.addr % 16 != 15
    }
}

pub(crate) type Subject = Engine<Id, PostcardCodec, Heard>;

/// What an engine put out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) sent: Vec<(Id, Vec<u8>)>,
    pub(crate) timers: Vec<(Timer<Id>, Duration)>,
    pub(crate) room: Option<u8>,
}

impl Runtime<Id> for Outbox {
    fn notify(&mut self, _notification: Notification<'_, Id>) {}

    fn send_to(&mut self, to: &Id, data: &[u8]) {
        self.sent.push((*to, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Id>, after: Duration) {
        self.timers.push((timer, after));
    }

    fn room(&self, _to: &Id) -> usize {
        self.room.map_or(usize::MAX, usize::from)
    }

    fn admit(&self, newcomer: &Id, _sender: &Id) -> bool {
        newcomer.life != 99
    }
}

/// A configuration that keeps every rule, or nearly every one.
pub(crate) fn config(input: &mut Input<'_>) -> Config {
    let mut config = match input.below(4) {
        0 => Config::simple(),
        1 => Config::local(),
        2 => Config::lan(),
        _ => Config::wan(),
    };
    if input.flip() {
        config = config.foca_wire();
    }
    config.prove_joiners = input.flip();
    config.notify_down_members = input.flip();
    config.max_packet_size = 128 + 4 * usize::from(input.byte());
    config.digest = config.digest.filter(|_| config.max_packet_size >= 384);
    config.max_members = 1 + input.below(12);
    config.max_down_members = 1 + input.below(12);
    config.max_broadcasts = 1 + input.below(6);
    config.num_indirect_probes = input.below(5);
    config.broadcast_share = input.byte() % 100;
    if input.flip() {
        config.remove_down_after = None;
    }
    config
}

/// A header as random as can be, but from somebody near and to the engine, for the most part.
pub(crate) fn header(input: &mut Input<'_>, dst: Id) -> Header<Id> {
    let src = id(input);
    let src_incarnation = Incarnation(input.number());
    let number = ProbeNumber(input.byte());
    let message = match input.below(12) {
        0 => Message::Ping(number),
        1 => Message::Ack(number),
        2 => Message::PingReq {
            target: id(input),
            number,
        },
        3 => Message::IndirectPing {
            origin: id(input),
            number,
        },
        4 => Message::IndirectAck {
            target: id(input),
            number,
        },
        5 => Message::ForwardedAck {
            origin: id(input),
            number,
        },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::Digest,
        _ => Message::TurnUndead,
    };
    Header {
        src,
        src_incarnation,
        dst,
        message,
    }
}

pub(crate) fn id(input: &mut Input<'_>) -> Id {
    Id {
        addr: input.byte() % 20,
        life: input.byte() % 4,
    }
}

pub(crate) fn member(input: &mut Input<'_>) -> Member<Id> {
    let state = [State::Alive, State::Suspect, State::Down, State::Unknown(7)][input.below(4)];
    Member::new(id(input), Incarnation(input.number()), state)
}

/// A datagram that is whole, for the most part.
pub(crate) fn datagram(input: &mut Input<'_>, dst: Id) -> Vec<u8> {
    let header = header(input, dst);
    let mut data = Vec::new();
    PostcardCodec
        .encode_header(&header, &mut data)
        .expect("such identities can be encoded");
    if header.message == Message::Digest {
        data.extend([input.byte(); 256]);
        return data;
    }
    let carries_members = !matches!(
        header.message,
        Message::Announce | Message::TurnUndead | Message::Broadcast
    );
    let count = input.below(5) as u16;
    if carries_members && count > 0 {
        data.extend(count.to_be_bytes());
        for _ in 0..count {
            let member = member(input);
            PostcardCodec
                .encode_member(&member, &mut data)
                .expect("such members can be encoded");
        }
    }
    if input.flip() {
        let broadcast = input.bytes();
        data.extend((broadcast.len() as u16).to_be_bytes());
        data.extend(broadcast);
    }
    data
}

/// Everything that is known, in an order that does not depend on the table's.
pub(crate) fn view(engine: &Subject) -> Vec<(Id, Incarnation, State)> {
    let mut view: Vec<_> = engine
        .membership_state()
        .map(|member| (*member.id, member.incarnation, member.state))
        .collect();
    view.sort_unstable_by_key(|(id, ..)| (id.addr, id.life));
    view
}

/// What must be true after every input.
pub(crate) fn check(engine: &Subject) {
    let config = engine.config();
    let us = engine.identity();
    let view = view(engine);
    let active = view.iter().filter(|(.., state)| state.is_active()).count();
    assert_eq!(engine.num_members(), active);
    assert_eq!(engine.members().count(), active);
    assert_eq!(engine.num_down_members(), view.len() - active);
    assert!(
        view.windows(2).all(|pair| pair[0].0.addr != pair[1].0.addr),
        "two of one address"
    );
    for (id, incarnation, state) in &view {
        assert_ne!(id.addr, us.addr, "one of our own address");
        assert!(id.names_member());
        let found = engine.member(&id.addr).expect("what is listed is found");
        assert_eq!(
            (found.id, found.incarnation, found.state),
            (id, *incarnation, *state)
        );
    }
    assert!(engine.broadcasts_backlog() <= config.max_broadcasts.max(6));
    assert!(engine.updates_backlog() <= view.len() + 20);
}

/// What must be true of everything that is sent.
pub(crate) fn check_sent(engine: &Subject, src: Id, sent: &[(Id, Vec<u8>)]) {
    for (to, data) in sent {
        assert!(!data.is_empty() && data.len() <= engine.config().max_packet_size);
        let mut rest = &data[..];
        let header: Header<Id> = PostcardCodec.decode_header(&mut rest).expect("a header");
        assert_eq!(header.dst, *to);
        // Not always who we were or are: two claims in one datagram can renew us twice.
        let lives = [src.addr, engine.identity().addr];
        assert!(lives.contains(&header.src.addr), "sent as {:?}", header.src);
        assert_ne!(header.src, *to, "sent to ourselves");
    }
}

/// Counters only grow.
pub(crate) fn check_counters(before: &Counters, after: &Counters) {
    for ((name, before), (_, after)) in before.iter().zip(after.iter()) {
        assert!(before <= after, "{name}");
    }
}

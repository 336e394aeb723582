//! What is encoded, and how bytes are written down.

use std::net::SocketAddr;

use selkie::{Header, Incarnation, Member, Message, Node, ProbeNumber, State};
use serde::{Deserialize, Serialize};

/// An address that can be renewed, as many users write one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bumped {
    pub(crate) addr: SocketAddr,
    pub(crate) bump: u16,
}

/// An identity with parts of any length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) label: String,
    pub(crate) tags: Vec<u64>,
}

/// 10.0.0.1:7000.
pub(crate) fn a() -> SocketAddr {
    ([10, 0, 0, 1], 7000).into()
}

/// 10.0.0.2:7001.
pub(crate) fn b() -> SocketAddr {
    ([10, 0, 0, 2], 7001).into()
}

/// [2001:db8::3]:7002.
pub(crate) fn c() -> SocketAddr {
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 3], 7002).into()
}

/// 10.0.0.4:65535.
pub(crate) fn d() -> SocketAddr {
    ([10, 0, 0, 4], 65535).into()
}

pub(crate) fn nodes() -> [Node; 3] {
    [
        Node::new("db-1.eu".parse().unwrap(), a(), 0),
        Node::new("n".repeat(63).parse().unwrap(), c(), u64::MAX),
        Node::new(selkie::Name::EMPTY, d(), 0),
    ]
}

pub(crate) fn bumped() -> [Bumped; 3] {
    [(a(), 0), (c(), 500), (d(), u16::MAX)].map(|(addr, bump)| Bumped { addr, bump })
}

pub(crate) fn labelled() -> [Labelled; 3] {
    [("", 0), ("äöü", 3), ("a longer label than the others", 40)].map(|(label, tags)| Labelled {
        label: label.into(),
        tags: (0..tags).map(|n| n * 1_000_003).collect(),
    })
}

pub(crate) fn header<I>(src: I, incarnation: u16, dst: I, message: Message<I>) -> Header<I> {
    Header {
        src,
        src_incarnation: Incarnation(incarnation),
        dst,
        message,
    }
}

/// A header of each kind, unknown ones last, between the first two of the identities.
pub(crate) fn headers<I: Clone>(ids: &[I; 3]) -> Vec<Header<I>> {
    let [src, dst, third] = ids;
    let incarnations = [0, 1, 127, 128, 250, 251, 300, 16_383, 16_384, 65_535];
    let nack = Message::Nack {
        target: third.clone(),
        number: ProbeNumber(7),
    };
    messages(third)
        .into_iter()
        .chain([nack, Message::Digest])
        .chain([13, 300, u32::MAX].map(Message::Unknown))
        .zip(incarnations.into_iter().cycle())
        .map(|(message, at)| header(src.clone(), at, dst.clone(), message))
        .collect()
}

/// A message of each kind that is on foca's wire, in the order of their tags.
pub(crate) fn messages<I: Clone>(third: &I) -> [Message<I>; 11] {
    let number = ProbeNumber(7);
    [
        Message::Ping(number),
        Message::Ack(number),
        Message::PingReq {
            target: third.clone(),
            number,
        },
        Message::IndirectPing {
            origin: third.clone(),
            number,
        },
        Message::IndirectAck {
            target: third.clone(),
            number: ProbeNumber(200),
        },
        Message::ForwardedAck {
            origin: third.clone(),
            number,
        },
        Message::Announce,
        Message::Feed,
        Message::Gossip,
        Message::Broadcast,
        Message::TurnUndead,
    ]
}

/// A member in each state, unknown ones last.
pub(crate) fn members<I: Clone>(ids: &[I; 3]) -> Vec<Member<I>> {
    let states = [
        State::Alive,
        State::Suspect,
        State::Down,
        State::Left,
        State::Unknown(9),
        State::Unknown(300),
        State::Unknown(u32::MAX),
    ];
    let incarnations = [0, 1, 300, u16::MAX].map(Incarnation);
    let plain = ids
        .iter()
        .flat_map(|id| states.map(|state| (id, state)))
        .flat_map(|(id, state)| incarnations.map(|at| Member::new(id.clone(), at, state)));
    let accused = ids
        .iter()
        .flat_map(|id| incarnations.map(|at| Member::suspected_by(id.clone(), at, ids[0].clone())));
    plain.chain(accused).collect()
}

/// Bytes from pairs of hexadecimal digits.
#[track_caller]
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    digits
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

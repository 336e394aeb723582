//! Whole datagrams: what foca emits, and what selkie emits in the same state.

use std::net::SocketAddr;

use selkie::{
    Codec, Config, Member, Message, ProbeNumber, State,
    codecs::{BincodeCodec, PostcardCodec},
};

use crate::subject::{Foca1, Foca2, Selkie, Sent, Subject, b, c, d, header, updates};

/// Has an engine say everything that it says when spoken to.
fn story(
    mut subject: impl Subject,
    codec: impl Codec<SocketAddr> + Copy,
) -> Vec<(&'static str, Sent)> {
    let bare = |src, incarnation, message| header(codec, src, incarnation, message);
    let empty = |src, message| [bare(src, 0, message), vec![0, 0]].concat();
    let mut told = Vec::new();
    let number = ProbeNumber(7);

    told.push(("announce", subject.announce(b())));
    subject.knows(&[b()]);
    told.push(("gossip", subject.gossip()));
    subject.knows(&[d()]);
    let is_down = updates(
        codec,
        &[Member::new(d(), selkie::Incarnation(1), State::Down)],
    );
    let (heard, sent) = subject.hears(&[bare(b(), 0, Message::Gossip), is_down].concat());
    assert_eq!((heard, sent), (Ok(()), vec![]));
    told.push(("gossip, 1 update", subject.gossip()));
    subject.add_broadcast(b"hi");
    subject.add_broadcast(b"hello");
    told.push(("gossip, 1 update, 2 broadcasts", subject.gossip()));
    told.push(("broadcast", subject.broadcast()));

    let mut answer = |what: &'static str, data: &[u8]| {
        let (heard, sent) = subject.hears(data);
        assert_eq!(heard, Ok(()), "{what}");
        told.push((what, sent));
    };
    answer("feed to b", &bare(b(), 0, Message::Announce));
    answer("feed to c", &bare(c(), 3, Message::Announce));
    let ping = Message::Ping(ProbeNumber(9));
    answer("ack of a bare ping", &bare(b(), 0, ping));
    answer("ack of an empty ping", &empty(b(), ping));
    let target = c();
    answer(
        "indirect ping",
        &empty(b(), Message::PingReq { target, number }),
    );
    let target = b();
    answer(
        "forwarded ack",
        &empty(c(), Message::IndirectAck { target, number }),
    );
    let origin = c();
    answer(
        "indirect ack",
        &empty(b(), Message::IndirectPing { origin, number }),
    );
    answer("turn undead", &empty(d(), Message::Gossip));
    told
}

/// Both of selkie's ways to speak foca's wire.
fn on_focas_wire() -> [Config; 2] {
    [Config::simple(), Config::lan().foca_wire()]
}

#[test]
fn the_datagrams_are_those_of_foca_2_with_postcard() {
    let foca = story(Foca2::new(foca::PostcardCodec), PostcardCodec);
    for config in on_focas_wire() {
        assert_eq!(
            story(Selkie::new(config, PostcardCodec), PostcardCodec),
            foca
        );
    }
    for ((what, sent), (to, hex)) in foca.into_iter().zip(POSTCARD) {
        let to = if to == "b" { b() } else { c() };
        let data = hex
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap());
        assert_eq!(sent, [(to, data.collect())], "{what}");
    }
}

#[test]
fn the_datagrams_are_those_of_foca_1_with_bincode() {
    let standard = foca1::BincodeCodec(bincode::config::standard());
    let legacy = foca1::BincodeCodec(bincode::config::legacy());
    for (foca, codec) in [
        (
            story(Foca1::new(standard), BincodeCodec::standard()),
            BincodeCodec::standard(),
        ),
        (
            story(Foca1::new(legacy), BincodeCodec::legacy()),
            BincodeCodec::legacy(),
        ),
    ] {
        for config in on_focas_wire() {
            assert_eq!(story(Selkie::new(config, codec), codec), foca);
        }
        assert!(foca.iter().all(|(_, sent)| sent.len() == 1));
    }
}

/// What foca 2.0.0 was seen to emit, in the order of the [`story`].
const POSTCARD: [(&str, &str); 9] = [
    ("b", "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 06"),
    ("b", "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 08 00 00"),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 08 00 01 00 0a 00 00 04 ff ff 03 \
         01 02",
    ),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 08 00 01 00 0a 00 00 04 ff ff 03 \
         01 02 00 05 68 65 6c 6c 6f 00 02 68 69",
    ),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 09 00 05 68 65 6c 6c 6f 00 02 68 \
         69",
    ),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 07 00 00 00 05 68 65 6c 6c 6f 00 \
         02 68 69",
    ),
    (
        "c",
        "00 0a 00 00 01 d8 36 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 da \
         36 07 00 01 00 0a 00 00 02 d9 36 00 00 00 05 68 65 6c 6c 6f 00 02 68 69",
    ),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 01 09 00 02 01 20 01 0d b8 00 00 \
         00 00 00 00 00 00 00 00 00 03 da 36 03 00 00 0a 00 00 04 ff ff 03 01 02 00 05 \
         68 65 6c 6c 6f 00 02 68 69",
    ),
    (
        "b",
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 01 09 00 02 01 20 01 0d b8 00 00 \
         00 00 00 00 00 00 00 00 00 03 da 36 03 00 00 0a 00 00 04 ff ff 03 01 02 00 05 \
         68 65 6c 6c 6f 00 02 68 69",
    ),
];

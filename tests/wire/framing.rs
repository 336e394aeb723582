//! Datagrams that do not add up: what foca 2.0 makes of them, and what selkie does.

use std::net::SocketAddr;

use selkie::{Config, Member, Message, ProbeNumber, codecs::PostcardCodec};

use crate::subject::{Foca2, Selkie, Subject, a, b, d, header, updates};

const PING: Message<SocketAddr> = Message::Ping(ProbeNumber(9));

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Taken, and answered if it was a ping.
    Taken,
    /// Taken without an error, but not acted on.
    Dropped,
    /// Refused, and not acted on.
    Refused(&'static str),
    /// Refused, after it was acted on.
    RefusedLate(&'static str),
}

use Outcome::{Dropped, Refused, RefusedLate, Taken};

const MALFORMED: &str = "MalformedPacket";

/// From `b`, a known member.
#[track_caller]
fn check(message: Message<SocketAddr>, rest: &[u8], in_foca: Outcome, in_selkie: Outcome) {
    let data = [header(PostcardCodec, b(), 0, message), rest.to_vec()].concat();
    check_data(&data, in_foca, in_selkie);
}

#[track_caller]
fn check_data(data: &[u8], in_foca: Outcome, in_selkie: Outcome) {
    let what = format!("{data:02x?}");
    assert_eq!(
        outcome(Foca2::new(foca::PostcardCodec), data),
        in_foca,
        "foca: {what}"
    );
    let configs = [Config::simple(), Config::lan().foca_wire()];
    for config in configs {
        let selkie = Selkie::new(config, PostcardCodec);
        assert_eq!(outcome(selkie, data), in_selkie, "selkie: {what}");
    }
}

fn outcome(mut subject: impl Subject, data: &[u8]) -> Outcome {
    subject.knows(&[b()]);
    let (heard, sent) = subject.hears(data);
    match (heard, sent.is_empty()) {
        (Ok(()), false) => Taken,
        (Ok(()), true) => Dropped,
        (Err(error), acted) => {
            let error = [MALFORMED, "Decode", "DataTooBig", "DataFromOurselves"]
                .into_iter()
                .find(|known| *known == error)
                .unwrap_or("another");
            if acted {
                Refused(error)
            } else {
                RefusedLate(error)
            }
        }
    }
}

#[test]
fn a_header_alone_is_a_whole_datagram() {
    check(PING, &[], Taken, Taken);
    check(PING, &[0, 0], Taken, Taken);
    check(Message::Announce, &[], Taken, Taken);
}

#[test]
fn half_a_count_is_malformed() {
    check(PING, &[0], Refused(MALFORMED), Refused(MALFORMED));
}

#[test]
fn an_announce_with_anything_after_it_is_malformed() {
    for rest in [&[0][..], &[0, 0], &[0, 0, 0]] {
        check(
            Message::Announce,
            rest,
            Refused(MALFORMED),
            Refused(MALFORMED),
        );
    }
}

#[test]
fn fewer_members_than_counted_cannot_be_decoded() {
    check(PING, &[0, 1], Refused("Decode"), Refused("Decode"));
    let member = updates(PostcardCodec, &[Member::alive(d())]);
    let cut = &member[..member.len() - 1];
    check(PING, cut, Refused("Decode"), Refused("Decode"));
}

/// selkie decodes everything before it acts; foca finds out after it has answered.
#[test]
fn broadcasts_that_do_not_add_up_are_malformed_and_not_acted_on() {
    for broadcasts in [
        &[0][..],
        &[0, 0],
        &[0, 0, 0],
        &[0, 1, 0x41, 0],
        &[0, 2, 0x41],
    ] {
        let rest = [&[0, 0], broadcasts].concat();
        check(PING, &rest, RefusedLate(MALFORMED), Refused(MALFORMED));
    }
    check(PING, &[0, 0, 0, 1, 0x41], Taken, Taken);
}

#[test]
fn what_is_no_header_cannot_be_decoded() {
    check_data(&[], Refused("Decode"), Refused("Decode"));
    check_data(&[0xff; 40], Refused("Decode"), Refused("Decode"));
    let ping = header(PostcardCodec, b(), 0, PING);
    for len in 0..ping.len() {
        check_data(&ping[..len], Refused("Decode"), Refused("Decode"));
    }
}

/// To foca an unknown kind is rubbish; to selkie it is from a newer version, and counted.
#[test]
fn a_kind_of_message_from_the_future_is_dropped() {
    let mut data = header(PostcardCodec, b(), 0, Message::Gossip);
    *data.last_mut().unwrap() = 100;
    check_data(&data, Refused("Decode"), Dropped);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    check_data(&[0xff; 1401], Refused("DataTooBig"), Refused("DataTooBig"));
    let mut data = header(PostcardCodec, b(), 0, PING);
    data.resize(1401, 0);
    check_data(&data, Refused("DataTooBig"), Refused("DataTooBig"));
}

#[test]
fn a_datagram_from_oneself_is_refused() {
    let data = header(PostcardCodec, a(), 0, PING);
    check_data(
        &data,
        Refused("DataFromOurselves"),
        Refused("DataFromOurselves"),
    );
}

/// foca reads updates after a TurnUndead, but never writes any.
#[test]
fn a_turn_undead_with_updates_is_malformed() {
    let rest = updates(PostcardCodec, &[Member::alive(d())]);
    let data = [header(PostcardCodec, b(), 0, Message::TurnUndead), rest].concat();
    let selkie = Selkie::new(Config::simple(), PostcardCodec);
    assert_eq!(outcome(selkie, &data), Refused(MALFORMED));
    let (heard, _) = Foca2::new(foca::PostcardCodec).hears(&data);
    assert_eq!(heard, Ok(()));
}

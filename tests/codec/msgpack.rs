//! Our own bytes in MessagePack, pinned.

use std::net::SocketAddr;

use selkie::{Codec, Incarnation, Member, Message, ProbeNumber, State, codecs::MsgpackCodec};
use serde::{Deserialize, Serialize};

use crate::{
    conformance::{check_header, check_member},
    values::{Bumped, Labelled, a, b, d, header, hex},
};

conformance_tests!(MsgpackCodec);

/// `{"V4": [[10, 0, 0, n], port]}` for [`a`], [`b`] and [`d`].
const A: &str = "81 a2 56 34 92 94 0a 00 00 01 cd 1b 58";
const B: &str = "81 a2 56 34 92 94 0a 00 00 02 cd 1b 59";
const D: &str = "81 a2 56 34 92 94 0a 00 00 04 cd ff ff";

#[test]
fn headers_are_values_in_a_row() {
    let number = ProbeNumber(200);
    for (message, tail) in [
        (Message::Ping(ProbeNumber(7)), "00 07".into()),
        (
            Message::PingReq {
                target: d(),
                number,
            },
            format!("02 {D} cc c8"),
        ),
        (Message::Announce, "06".into()),
        (Message::Unknown(300), "cd 01 2c".into()),
    ] {
        let expected = format!("{A} 00 {B} {tail}");
        check_header(MsgpackCodec, &header(a(), 0, b(), message), &hex(&expected));
    }
}

#[test]
fn a_member_takes_16_bytes_at_most() {
    for (member, tail) in [
        (Member::alive(d()), "00 00"),
        (Member::suspect(d(), Incarnation(127)), "7f 01"),
        (Member::down(d(), Incarnation(128)), "cc 80 02"),
    ] {
        let expected = hex(&format!("{D} {tail}"));
        assert!(expected.len() <= 16);
        check_member(MsgpackCodec, &member, &expected);
    }
}

#[test]
fn struct_identities_are_arrays() {
    let member = Member::suspect(
        Bumped {
            addr: a(),
            bump: 500,
        },
        Incarnation(2),
    );
    check_member(
        MsgpackCodec,
        &member,
        &hex(&format!("92 {A} cd 01 f4 02 01")),
    );
}

#[test]
fn what_comes_from_the_future_is_read_past() {
    let unknown = Member::new(d(), Incarnation(1), State::Unknown(9));
    check_member(MsgpackCodec, &unknown, &hex(&format!("{D} 01 09 c4 00")));
    let with_body = hex(&format!("{D} 01 09 c4 05 68 65 6c 6c 6f aa"));
    let mut data = &with_body[..];
    assert_eq!(MsgpackCodec.decode_member(&mut data).unwrap(), unknown);
    assert_eq!(data, [0xaa]);
}

#[test]
fn lengths_that_are_only_claimed_are_refused() {
    for (label, tags) in [
        ("db ff ff ff ff", "90"),
        ("c6 ff ff ff ff", "90"),
        ("a0", "dd ff ff ff ff"),
        ("a0", "df ff ff ff ff"),
    ] {
        let claimed = hex(&format!("92 {label} {tags} 00 00"));
        let decoded: Result<Member<Labelled>, _> = MsgpackCodec.decode_member(&mut &claimed[..]);
        assert!(decoded.is_err(), "{claimed:x?}");
    }
    let claimed = hex(&format!("{D} 01 03 c6 ff ff ff ff 00"));
    let decoded: Result<Member<SocketAddr>, _> = MsgpackCodec.decode_member(&mut &claimed[..]);
    assert!(decoded.is_err());
}

#[test]
fn deep_nesting_is_refused() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Nested(Vec<Self>);

    let bytes = [0x91; 100_000];
    let decoded: Result<Member<Nested>, _> = MsgpackCodec.decode_member(&mut &bytes[..]);
    assert!(decoded.is_err());
}

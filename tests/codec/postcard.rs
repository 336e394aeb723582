//! The bytes that foca 1.0 and 2.0 exchange in postcard.

use selkie::{
    Codec, Header, Incarnation, Member, Message, ProbeNumber, State, codecs::PostcardCodec,
};

use crate::{
    conformance::{check_header, check_member},
    values::{Bumped, Labelled, a, b, c, d, header, hex, messages},
};

conformance_tests!(PostcardCodec);

/// From [`a`] at incarnation 0 to [`b`], of each kind, about [`d`].
const HEADERS: [&str; 11] = [
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 00 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 01 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 02 00 0a 00 00 04 ff ff 03 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 03 00 0a 00 00 04 ff ff 03 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 04 00 0a 00 00 04 ff ff 03 c8",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 05 00 0a 00 00 04 ff ff 03 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 06",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 07",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 08",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 09",
    "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 0a",
];

#[test]
fn headers_are_those_of_foca() {
    for (message, expected) in messages(&d()).into_iter().zip(HEADERS) {
        check_header(PostcardCodec, &header(a(), 0, b(), message), &hex(expected));
    }
}

#[test]
fn incarnations_take_as_many_bytes_as_they_need() {
    for (incarnation, middle) in [
        (127, "7f"),
        (128, "80 01"),
        (300, "ac 02"),
        (16_383, "ff 7f"),
        (16_384, "80 80 01"),
        (65_535, "ff ff 03"),
    ] {
        let expected = format!("00 0a 00 00 01 d8 36 {middle} 00 0a 00 00 02 d9 36 00 ff");
        check_header(
            PostcardCodec,
            &header(a(), incarnation, b(), Message::Ping(ProbeNumber(255))),
            &hex(&expected),
        );
    }
}

#[test]
fn members_are_those_of_foca() {
    for (member, expected) in [
        (Member::alive(d()), "00 0a 00 00 04 ff ff 03 00 00"),
        (
            Member::suspect(d(), Incarnation(1)),
            "00 0a 00 00 04 ff ff 03 01 01",
        ),
        (
            Member::down(d(), Incarnation(300)),
            "00 0a 00 00 04 ff ff 03 ac 02 02",
        ),
        (
            Member::new(c(), Incarnation::MAX, State::Alive),
            "01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 da 36 ff ff 03 00",
        ),
    ] {
        check_member(PostcardCodec, &member, &hex(expected));
    }
}

#[test]
fn struct_identities_are_their_fields() {
    let ia = Bumped { addr: a(), bump: 1 };
    let ib = Bumped {
        addr: b(),
        bump: 500,
    };
    let ping = header(ia, 2, ib, Message::Ping(ProbeNumber(7)));
    let expected = "00 0a 00 00 01 d8 36 01 02 00 0a 00 00 02 d9 36 f4 03 00 07";
    check_header(PostcardCodec, &ping, &hex(expected));
    let member = Member::suspect(ib, Incarnation(2));
    check_member(
        PostcardCodec,
        &member,
        &hex("00 0a 00 00 02 d9 36 f4 03 02 01"),
    );
}

#[test]
fn a_datagram_of_foca_is_taken_apart() {
    let datagram = hex(
        "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 01 09 00 02 01 20 01 0d b8 00 00 00 00 00 \
         00 00 00 00 00 00 03 da 36 03 00 00 0a 00 00 04 ff ff 03 01 02 00 05 68 65 6c 6c 6f 00 02 \
         68 69",
    );
    let mut data = &datagram[..];
    let mut codec = PostcardCodec;
    let ack = header(a(), 0, b(), Message::Ack(ProbeNumber(9)));
    assert_eq!(codec.decode_header(&mut data).unwrap(), ack);
    data = data.strip_prefix(&[0, 2]).unwrap();
    let first = Member::new(c(), Incarnation(3), State::Alive);
    assert_eq!(codec.decode_member(&mut data).unwrap(), first);
    let second = Member::down(d(), Incarnation(1));
    assert_eq!(codec.decode_member(&mut data).unwrap(), second);
    assert_eq!(data, b"\0\x05hello\0\x02hi");
}

#[test]
fn what_comes_from_the_future_is_read_past() {
    let unknown: Header<_> = header(a(), 0, b(), Message::Unknown(300));
    let expected = "00 0a 00 00 01 d8 36 00 00 0a 00 00 02 d9 36 ac 02";
    check_header(PostcardCodec, &unknown, &hex(expected));

    let unknown = Member::new(d(), Incarnation(1), State::Unknown(9));
    check_member(
        PostcardCodec,
        &unknown,
        &hex("00 0a 00 00 04 ff ff 03 01 09 00"),
    );
    let with_body = hex("00 0a 00 00 04 ff ff 03 01 09 05 68 65 6c 6c 6f aa");
    let mut data = &with_body[..];
    assert_eq!(PostcardCodec.decode_member(&mut data).unwrap(), unknown);
    assert_eq!(data, [0xaa]);
}

#[test]
fn lengths_that_are_only_claimed_are_refused() {
    for claimed in [
        // The body of an unknown state, of 2^32 - 1 bytes and of 2^62.
        "00 0a 00 00 04 ff ff 03 01 03 ff ff ff ff 0f 00",
        "00 0a 00 00 04 ff ff 03 01 03 80 80 80 80 80 80 80 80 40 00",
    ] {
        let decoded: Result<Member<std::net::SocketAddr>, _> =
            PostcardCodec.decode_member(&mut &hex(claimed)[..]);
        assert!(decoded.is_err(), "{claimed}");
    }
    for claimed in [
        // A label, then a list.
        "ff ff ff ff 0f 00",
        "80 80 80 80 80 80 80 80 40 00",
        "00 ff ff ff ff 0f 00",
        "00 80 80 80 80 80 80 80 80 40 00",
    ] {
        let decoded: Result<Member<Labelled>, _> =
            PostcardCodec.decode_member(&mut &hex(claimed)[..]);
        assert!(decoded.is_err(), "{claimed}");
    }
}

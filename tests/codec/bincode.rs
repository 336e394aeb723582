//! The bytes that foca 1.0 exchanges in bincode, in both layouts.

use std::net::SocketAddr;

use selkie::{Codec, Incarnation, Member, Message, ProbeNumber, State, codecs::BincodeCodec};

use crate::{
    conformance::{check_header, check_member},
    values::{Bumped, Labelled, a, b, c, d, header, hex, messages},
};

mod standard {
    conformance_tests!(selkie::codecs::BincodeCodec::standard());
}

mod legacy {
    conformance_tests!(selkie::codecs::BincodeCodec::legacy());
}

/// From [`a`] at incarnation 0 to [`b`], of each kind, about [`d`].
const STANDARD: [&str; 11] = [
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 00 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 01 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 02 00 0a 00 00 04 fb ff ff 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 03 00 0a 00 00 04 fb ff ff 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 04 00 0a 00 00 04 fb ff ff c8",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 05 00 0a 00 00 04 fb ff ff 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 06",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 07",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 08",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 09",
    "00 0a 00 00 01 fb 58 1b 00 00 0a 00 00 02 fb 59 1b 0a",
];

/// The same.
const LEGACY: [&str; 11] = [
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 00 00 00 00 07",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 01 00 00 00 07",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 02 00 00 00 00 00 \
     00 00 0a 00 00 04 ff ff 07",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 03 00 00 00 00 00 \
     00 00 0a 00 00 04 ff ff 07",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 04 00 00 00 00 00 \
     00 00 0a 00 00 04 ff ff c8",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 05 00 00 00 00 00 \
     00 00 0a 00 00 04 ff ff 07",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 06 00 00 00",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 07 00 00 00",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 08 00 00 00",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 09 00 00 00",
    "00 00 00 00 0a 00 00 01 58 1b 00 00 00 00 00 00 0a 00 00 02 59 1b 0a 00 00 00",
];

#[test]
fn headers_are_those_of_foca() {
    for (codec, expected) in [
        (BincodeCodec::standard(), STANDARD),
        (BincodeCodec::legacy(), LEGACY),
    ] {
        for (message, expected) in messages(&d()).into_iter().zip(expected) {
            check_header(codec, &header(a(), 0, b(), message), &hex(expected));
        }
    }
}

#[test]
fn incarnations_take_as_many_bytes_as_they_need() {
    for (incarnation, middle) in [
        (0, "00"),
        (250, "fa"),
        (251, "fb fb 00"),
        (300, "fb 2c 01"),
        (65_535, "fb ff ff"),
    ] {
        let expected = format!("00 0a 00 00 01 fb 58 1b {middle} 00 0a 00 00 02 fb 59 1b 00 ff");
        let ping = header(a(), incarnation, b(), Message::Ping(ProbeNumber(255)));
        check_header(BincodeCodec::standard(), &ping, &hex(&expected));
    }
}

#[test]
fn members_are_those_of_foca() {
    for (member, standard, legacy) in [
        (
            Member::alive(d()),
            "00 0a 00 00 04 fb ff ff 00 00",
            "00 00 00 00 0a 00 00 04 ff ff 00 00 00 00 00 00",
        ),
        (
            Member::suspect(d(), Incarnation(1)),
            "00 0a 00 00 04 fb ff ff 01 01",
            "00 00 00 00 0a 00 00 04 ff ff 01 00 01 00 00 00",
        ),
        (
            Member::down(d(), Incarnation(300)),
            "00 0a 00 00 04 fb ff ff fb 2c 01 02",
            "00 00 00 00 0a 00 00 04 ff ff 2c 01 02 00 00 00",
        ),
        (
            Member::new(c(), Incarnation::MAX, State::Alive),
            "01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 fb 5a 1b fb ff ff 00",
            "01 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 03 5a 1b ff ff 00 00 00 00",
        ),
    ] {
        check_member(BincodeCodec::standard(), &member, &hex(standard));
        check_member(BincodeCodec::legacy(), &member, &hex(legacy));
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
    let expected = "00 0a 00 00 01 fb 58 1b 01 02 00 0a 00 00 02 fb 59 1b fb f4 01 00 07";
    check_header(BincodeCodec::standard(), &ping, &hex(expected));
}

#[test]
fn what_comes_from_the_future_is_read_past() {
    let unknown = Member::new(d(), Incarnation(1), State::Unknown(9));
    for (codec, empty, hello) in [
        (
            BincodeCodec::standard(),
            "00 0a 00 00 04 fb ff ff 01 09 00",
            "00 0a 00 00 04 fb ff ff 01 09 05 68 65 6c 6c 6f aa",
        ),
        (
            BincodeCodec::legacy(),
            "00 00 00 00 0a 00 00 04 ff ff 01 00 09 00 00 00 00 00 00 00 00 00 00 00",
            "00 00 00 00 0a 00 00 04 ff ff 01 00 09 00 00 00 05 00 00 00 00 00 00 00 \
             68 65 6c 6c 6f aa",
        ),
    ] {
        check_member(codec, &unknown, &hex(empty));
        let with_body = hex(hello);
        let mut data = &with_body[..];
        assert_eq!(codec.clone().decode_member(&mut data).unwrap(), unknown);
        assert_eq!(data, [0xaa]);
    }
}

/// Lengths of 2^32 - 1, 2^62 and 2^64 - 1, as either layout writes them.
const CLAIMED: [(&str, &str); 3] = [
    ("fc ff ff ff ff", "ff ff ff ff 00 00 00 00"),
    ("fd 00 00 00 00 00 00 00 40", "00 00 00 00 00 00 00 40"),
    ("fd ff ff ff ff ff ff ff ff", "ff ff ff ff ff ff ff ff"),
];

#[test]
fn lengths_that_are_only_claimed_are_refused() {
    const NO_LABEL: [&str; 2] = ["00", "00 00 00 00 00 00 00 00"];
    const STATE: [&str; 2] = [
        "00 0a 00 00 04 fb ff ff 01 03",
        "00 00 00 00 0a 00 00 04 ff ff 01 00 09 00 00 00",
    ];
    for (standard, legacy) in CLAIMED {
        for (which, mut codec, claimed) in [
            (0, BincodeCodec::standard(), standard),
            (1, BincodeCodec::legacy(), legacy),
        ] {
            let label = hex(&format!("{claimed} 61 62 63"));
            let tags = hex(&format!("{} {claimed} 61 62 63", NO_LABEL[which]));
            for bytes in [label, tags] {
                let decoded: Result<Member<Labelled>, _> = codec.decode_member(&mut &bytes[..]);
                assert!(decoded.is_err(), "{bytes:x?}");
            }
            let body = hex(&format!("{} {claimed} 61 62 63", STATE[which]));
            let decoded: Result<Member<SocketAddr>, _> = codec.decode_member(&mut &body[..]);
            assert!(decoded.is_err(), "{body:x?}");
        }
    }
}

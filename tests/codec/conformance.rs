//! What every codec must do, whatever its format.

use std::{fmt::Debug, net::SocketAddr};

use proptest::{collection::vec, prelude::*, sample::Index};
use selkie::{Codec, Header, Member, Node};

use crate::values::{Bumped, Labelled, a, b, bumped, c, d, headers, labelled, members, nodes};

/// A codec for each identity in [`values`](crate::values).
pub(crate) trait AnyCodec:
    Codec<SocketAddr> + Codec<Node> + Codec<Bumped> + Codec<Labelled> + Clone
{
}

impl<C> AnyCodec for C where
    C: Codec<SocketAddr> + Codec<Node> + Codec<Bumped> + Codec<Labelled> + Clone
{
}

/// Makes a test of each case, for the codec that the expression gives.
macro_rules! conformance_tests {
    ($codec:expr) => {
        conformance_tests! {
            $codec;
            what_is_encoded_decodes_to_the_same
            encoding_only_appends
            decoding_leaves_the_rest
            what_is_cut_short_is_refused
            random_bytes_are_decoded_or_refused
            damaged_bytes_are_decoded_or_refused
        }
    };
    ($codec:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::$case($codec);
            }
        )*
    };
}

pub(crate) fn what_is_encoded_decodes_to_the_same(codec: impl AnyCodec) {
    for_each_value(&codec, |bytes, decode, expected| {
        let mut rest = bytes;
        assert_eq!(decode(&mut rest).as_deref(), Some(expected));
        assert_eq!(rest, [0_u8; 0], "{expected} left something");
    });
}

pub(crate) fn encoding_only_appends(mut codec: impl AnyCodec) {
    let mut apart = Vec::new();
    let mut together = b"what was there".to_vec();
    let mut expected = together.clone();
    for header in headers(&[a(), c(), d()]) {
        apart.clear();
        codec.encode_header(&header, &mut apart).unwrap();
        expected.extend_from_slice(&apart);
        codec.encode_header(&header, &mut together).unwrap();
    }
    for member in members(&nodes()) {
        apart.clear();
        codec.encode_member(&member, &mut apart).unwrap();
        expected.extend_from_slice(&apart);
        codec.encode_member(&member, &mut together).unwrap();
    }
    assert_eq!(together, expected);
}

pub(crate) fn decoding_leaves_the_rest(codec: impl AnyCodec) {
    for rest in [&b"\0"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", b"the rest"] {
        for_each_value(&codec, |bytes, decode, expected| {
            let longer = [bytes, rest].concat();
            let mut data = &longer[..];
            assert_eq!(decode(&mut data).as_deref(), Some(expected));
            assert_eq!(data, rest, "after {expected}");
        });
    }
}

pub(crate) fn what_is_cut_short_is_refused(codec: impl AnyCodec) {
    for_each_value(&codec, |bytes, decode, expected| {
        for len in 0..bytes.len() {
            let decoded = decode(&mut &bytes[..len]);
            assert_eq!(decoded, None, "from {len} of {} of {expected}", bytes.len());
        }
    });
}

pub(crate) fn random_bytes_are_decoded_or_refused(codec: impl AnyCodec) {
    proptest!(ProptestConfig::with_cases(2000), |(bytes in vec(any::<u8>(), 0..120))| {
        check_total::<SocketAddr>(codec.clone(), &bytes);
        check_total::<Node>(codec.clone(), &bytes);
        check_total::<Bumped>(codec.clone(), &bytes);
        check_total::<Labelled>(codec.clone(), &bytes);
    });
}

pub(crate) fn damaged_bytes_are_decoded_or_refused(codec: impl AnyCodec) {
    let mut intact = Vec::new();
    for_each_value(&codec, |bytes, _, _| intact.push(bytes.to_vec()));
    let damage = vec((any::<Index>(), any::<u8>()), 1..4);
    let config = ProptestConfig::with_cases(2000);
    proptest!(config, |(which: Index, damage in damage)| {
        let mut bytes = which.get(&intact).clone();
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        check_total::<SocketAddr>(codec.clone(), &bytes);
        check_total::<Node>(codec.clone(), &bytes);
        check_total::<Bumped>(codec.clone(), &bytes);
        check_total::<Labelled>(codec.clone(), &bytes);
    });
}

/// Decodes whatever it is: no panic, a rest that is the end of the data, and a value that
/// survives being encoded.
fn check_total<I: Clone + PartialEq + Debug>(mut codec: impl Codec<I>, bytes: &[u8]) {
    let mut again = Vec::new();
    let mut rest = bytes;
    if let Ok(header) = codec.decode_header(&mut rest) {
        assert!(bytes.ends_with(rest));
        codec.encode_header(&header, &mut again).unwrap();
        assert_eq!(codec.decode_header(&mut &again[..]).unwrap(), header);
    }
    again.clear();
    let mut rest = bytes;
    if let Ok(member) = codec.decode_member(&mut rest) {
        assert!(bytes.ends_with(rest));
        codec.encode_member(&member, &mut again).unwrap();
        assert_eq!(codec.decode_member(&mut &again[..]).unwrap(), member);
    }
}

/// Decodes a value and says, for comparison, what it is.
type Decode<'a> = &'a mut dyn FnMut(&mut &[u8]) -> Option<String>;

/// Calls back with the bytes of each value, a way to decode such bytes, and the value's `Debug`.
fn for_each_value(codec: &impl AnyCodec, mut check: impl FnMut(&[u8], Decode<'_>, &str)) {
    for_each_of(codec.clone(), &[a(), b(), d()], &mut check);
    for_each_of(codec.clone(), &[c(), a(), c()], &mut check);
    for_each_of(codec.clone(), &nodes(), &mut check);
    for_each_of(codec.clone(), &bumped(), &mut check);
    for_each_of(codec.clone(), &labelled(), &mut check);
}

fn for_each_of<I: Clone + Debug, C: Codec<I>>(
    mut codec: C,
    ids: &[I; 3],
    check: &mut impl FnMut(&[u8], Decode<'_>, &str),
) {
    for header in headers(ids) {
        let mut bytes = Vec::new();
        codec.encode_header(&header, &mut bytes).unwrap();
        let mut decode = |data: &mut &[u8]| {
            let header: Header<I> = codec.decode_header(data).ok()?;
            Some(format!("{header:?}"))
        };
        check(&bytes, &mut decode, &format!("{header:?}"));
    }
    for member in members(ids) {
        let mut bytes = Vec::new();
        codec.encode_member(&member, &mut bytes).unwrap();
        let mut decode = |data: &mut &[u8]| {
            let member: Member<I> = codec.decode_member(data).ok()?;
            Some(format!("{member:?}"))
        };
        check(&bytes, &mut decode, &format!("{member:?}"));
    }
}

/// The codec writes exactly these bytes for the header, and reads it from them.
#[track_caller]
pub(crate) fn check_header<I: Clone + PartialEq + Debug>(
    mut codec: impl Codec<I>,
    header: &Header<I>,
    expected: &[u8],
) {
    let mut bytes = Vec::new();
    codec.encode_header(header, &mut bytes).unwrap();
    assert_eq!(bytes, expected, "{header:?}");
    let mut rest = expected;
    assert_eq!(&codec.decode_header(&mut rest).unwrap(), header);
    assert!(rest.is_empty());
}

/// The codec writes exactly these bytes for the member, and reads it from them.
#[track_caller]
pub(crate) fn check_member<I: Clone + PartialEq + Debug>(
    mut codec: impl Codec<I>,
    member: &Member<I>,
    expected: &[u8],
) {
    let mut bytes = Vec::new();
    codec.encode_member(member, &mut bytes).unwrap();
    assert_eq!(bytes, expected, "{member:?}");
    let mut rest = expected;
    assert_eq!(&codec.decode_member(&mut rest).unwrap(), member);
    assert!(rest.is_empty());
}

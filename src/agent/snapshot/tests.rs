use alloc::{string::String, vec::Vec};
use core::net::SocketAddr;

use super::{
    Saver,
    layout::{self, Contents, LEN_MAX, MEMBERS_MAX, Unreadable},
};
use crate::agent::{remembered::Remembered, snapshot::save::PERIOD};
use crate::{Codec, Header, Incarnation, Member, State};

/// Members as a state and a port.
struct Ports;

#[derive(Debug)]
struct Short;

impl core::fmt::Display for Short {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("short")
    }
}

impl core::error::Error for Short {}

impl Codec<SocketAddr> for Ports {
    type Error = Short;

    fn encode_header(&mut self, _: &Header<SocketAddr>, _: &mut Vec<u8>) -> Result<(), Short> {
        Err(Short)
    }

    fn decode_header(&mut self, _: &mut &[u8]) -> Result<Header<SocketAddr>, Short> {
        Err(Short)
    }

    fn encode_member(&mut self, m: &Member<SocketAddr>, buf: &mut Vec<u8>) -> Result<(), Short> {
        let is_active = u8::from(m.state.is_active());
        buf.push(is_active);
        buf.extend(m.id.port().to_be_bytes());
        // Some cannot be encoded, and leave something behind.
        if m.id.port() == 13 {
            Err(Short)
        } else {
            Ok(())
        }
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<SocketAddr>, Short> {
        let ([is_active, high, low], rest) = data.split_first_chunk().ok_or(Short)?;
        *data = rest;
        let state = match is_active {
            0 => State::Down,
            _ => State::Alive,
        };
        let id = addr(u16::from_be_bytes([*high, *low]));
        Ok(Member::new(id, Incarnation::default(), state))
    }
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn sample() -> (Contents<SocketAddr>, Vec<u8>) {
    let others = Vec::from([
        Member::alive(addr(2)),
        Member::down(addr(3), Incarnation(0)),
    ]);
    let unencodable = Member::alive(addr(13));
    let all = others.clone().into_iter().chain([unencodable]);
    let bytes = layout::encode("blue", addr(1), all, &mut Ports).unwrap();
    let own = addr(1);
    (Contents { own, others }, bytes)
}

fn decode(bytes: &[u8]) -> Result<Contents<SocketAddr>, Unreadable> {
    layout::decode(bytes, "blue", &mut Ports)
}

#[test]
fn what_was_written_is_read() {
    let (contents, bytes) = sample();
    assert_eq!(decode(&bytes), Ok(contents));
}

/// Never changes: later versions read what earlier ones wrote.
#[test]
fn the_layout_is_as_documented() {
    let (_, bytes) = sample();
    let body = b"\x04blue\0\x03\x01\0\x01\0\0\0\x02\0\x03\x01\0\x02\0\x03\0\0\x03";
    assert_eq!(bytes[..9], *b"SELKSNAP\x01");
    assert_eq!(bytes[9..13], crc32fast::hash(body).to_be_bytes());
    assert_eq!(bytes[13..], *body);
}

#[test]
fn any_byte_that_changed_is_noticed() {
    let (_, bytes) = sample();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let expected = if at < 9 {
            Unreadable::Foreign
        } else {
            Unreadable::Damaged
        };
        assert_eq!(decode(&changed), Err(expected), "byte {at}");
    }
}

#[test]
fn what_was_cut_off_is_damaged() {
    let (_, bytes) = sample();
    for len in 9..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    let more = [&bytes[..], b"x"].concat();
    assert_eq!(decode(&more), Err(Unreadable::Damaged));
    assert_eq!(decode(b""), Err(Unreadable::Foreign));
}

/// With a checksum that is right, as if somebody meant harm.
fn forged(body: &[u8]) -> Vec<u8> {
    let crc = crc32fast::hash(body).to_be_bytes();
    [&b"SELKSNAP\x01"[..], &crc, body].concat()
}

#[test]
fn of_another_cluster_codec_or_length_is_told_apart() {
    let (_, bytes) = sample();
    let of_red = layout::decode(&bytes, "red", &mut Ports);
    assert_eq!(of_red, Err(Unreadable::OtherCluster));
    let other_codec = forged(b"\x04blue\0\x02\x01\0\0\0\0\0");
    assert_eq!(decode(&other_codec), Err(Unreadable::Undecodable));
    let many = forged(b"\x04blue\0\x03\x01\0\x01\xff\xff\xff\xff");
    assert_eq!(decode(&many), Err(Unreadable::Damaged));
    let endless = forged(b"\x04blue\xff\xff\x01\0\x01\0\0\0\0");
    assert_eq!(decode(&endless), Err(Unreadable::Damaged));
}

#[test]
fn members_beyond_the_bounds_are_left_out() {
    let crowd = (0..MEMBERS_MAX + 99).map(|_| Member::alive(addr(7)));
    let bytes = layout::encode("blue", addr(1), crowd, &mut Ports).unwrap();
    assert!(bytes.len() < LEN_MAX);
    assert_eq!(decode(&bytes).unwrap().others.len(), MEMBERS_MAX as usize);
    assert!(layout::encode("blue", addr(13), [].into_iter(), &mut Ports).is_none());
    let name = String::from_utf8([b'x'; 256].to_vec()).unwrap();
    assert!(layout::encode(&name, addr(1), [].into_iter(), &mut Ports).is_none());
}

#[test]
fn who_was_down_is_so_in_what_the_next_life_writes_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let others = [
        Member::alive(addr(1)),
        Member::new(addr(2), Incarnation(0), State::Down),
    ];
    let remembered = Remembered::new(others.to_vec());
    let mut saver = Saver::new(path.clone(), "blue".into(), PERIOD);
    smol::block_on(saver.begin(&addr(9), &remembered, &mut Ports)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(decode(&bytes).unwrap().others, others);
}

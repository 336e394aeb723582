//! A snapshot as bytes.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `SELKSNAP` |
//! | 1 | version of this layout: 1 |
//! | 4 | CRC-32 (IEEE) of all that follows |
//! | 1, n | the cluster's name: length, bytes |
//! | 2, n | ourselves, as the agent's codec writes a member: length, bytes |
//! | 4 | how many members follow |
//! | 2, n | each of them alike |
//!
//! Numbers are big-endian.

use alloc::vec::Vec;
use core::{fmt, iter};

use crate::{Codec, Incarnation, Member, State};

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents<I> {
    pub(super) own: I,
    /// The others, those first that were active.
    pub(super) others: Vec<Member<I>>,
}

/// Why bytes are no snapshot of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Something else, or by a later version.
    Foreign,
    /// Of another cluster.
    OtherCluster,
    /// Not as it was written.
    Damaged,
    /// Written by an agent with another codec, or another kind of identity.
    Undecodable,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "it is no snapshot, or one of a later version",
            Self::OtherCluster => "it is that of another cluster",
            Self::Damaged => "it is damaged",
            Self::Undecodable => "its members cannot be decoded",
        })
    }
}

/// Writes a snapshot. Members beyond the bounds, and those that cannot be encoded, are left out;
/// `None` if we cannot be encoded ourselves.
pub(super) fn encode<I, C: Codec<I>>(
    cluster: &str,
    own: I,
    others: impl Iterator<Item = Member<I>>,
    codec: &mut C,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let name_len = u8::try_from(cluster.len()).ok()?;
    body.push(name_len);
    body.extend_from_slice(cluster.as_bytes());
    let own = Member::new(own, Incarnation::default(), State::Alive);
    put(&own, codec, &mut body)?;

    let count_at = body.len();
    body.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    for member in others {
        if count >= MEMBERS_MAX || body.len() >= LEN_MAX - MEMBER_LEN_MAX {
            break;
        }
        if put(&member, codec, &mut body).is_some() {
            count += 1;
        }
    }
    if let Some(place) = body.get_mut(count_at..count_at + 4) {
        place.copy_from_slice(&count.to_be_bytes());
    }

    let head = [
        &MAGIC[..],
        &[VERSION],
        &crc32fast::hash(&body).to_be_bytes(),
    ];
    Some(head.concat().into_iter().chain(body).collect())
}

/// Appends a member and its length, or nothing.
fn put<I, C: Codec<I>>(member: &Member<I>, codec: &mut C, to: &mut Vec<u8>) -> Option<()> {
    let start = to.len();
    to.extend_from_slice(&[0; 2]);
    let encoded = codec.encode_member(member, to);
    let len = to.len() - start - 2;
    match u16::try_from(len) {
        Ok(len) if encoded.is_ok() => {
            to.get_mut(start..start + 2)?
                .copy_from_slice(&len.to_be_bytes());
            Some(())
        }
        _ => {
            to.truncate(start);
            None
        }
    }
}

/// Reads a snapshot, all of it or nothing.
pub(super) fn decode<I, C: Codec<I>>(
    bytes: &[u8],
    cluster: &str,
    codec: &mut C,
) -> Result<Contents<I>, Unreadable> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Unreadable::Foreign)?;
    let (version, rest) = rest.split_first().ok_or(Unreadable::Damaged)?;
    if *version != VERSION {
        return Err(Unreadable::Foreign);
    }
    let (crc, body) = rest.split_first_chunk().ok_or(Unreadable::Damaged)?;
    if u32::from_be_bytes(*crc) != crc32fast::hash(body) {
        return Err(Unreadable::Damaged);
    }

    let mut rest = body;
    let rest = &mut rest;
    let [name_len] = take(rest)?;
    if take_bytes(rest, usize::from(name_len))? != cluster.as_bytes() {
        return Err(Unreadable::OtherCluster);
    }
    let own = take_member(rest, codec)?.id;
    let count = u32::from_be_bytes(take(rest)?);
    if count > MEMBERS_MAX {
        return Err(Unreadable::Damaged);
    }
    let others = iter::repeat_with(|| take_member(rest, codec)).take(count as usize);
    let others = others.collect::<Result<_, _>>()?;
    match rest.is_empty() {
        true => Ok(Contents { own, others }),
        false => Err(Unreadable::Damaged),
    }
}

fn take_member<I, C: Codec<I>>(from: &mut &[u8], codec: &mut C) -> Result<Member<I>, Unreadable> {
    let len = u16::from_be_bytes(take(from)?);
    let mut bytes = take_bytes(from, usize::from(len))?;
    match codec.decode_member(&mut bytes) {
        Ok(member) if bytes.is_empty() => Ok(member),
        _ => Err(Unreadable::Undecodable),
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Unreadable> {
    let (taken, rest) = from.split_first_chunk().ok_or(Unreadable::Damaged)?;
    *from = rest;
    Ok(*taken)
}

fn take_bytes<'a>(from: &mut &'a [u8], len: usize) -> Result<&'a [u8], Unreadable> {
    let (taken, rest) = from.split_at_checked(len).ok_or(Unreadable::Damaged)?;
    *from = rest;
    Ok(taken)
}

const MAGIC: &[u8; 8] = b"SELKSNAP";
const VERSION: u8 = 1;
/// The most members in a snapshot: enough to find a cluster of any size again.
pub(super) const MEMBERS_MAX: u32 = 16_384;
/// The most bytes of a snapshot.
pub(super) const LEN_MAX: usize = 16 << 20;
/// A member's own, and its length.
const MEMBER_LEN_MAX: usize = (1 << 16) + 2;

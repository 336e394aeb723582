//! One member's metadata on the wire.

use alloc::vec::Vec;

use super::Metadata;
use crate::{Codec, Member};

/// What is said of one member's metadata.
pub(super) struct Entry<I> {
    pub(super) id: I,
    pub(super) version: u64,
    /// If there are not too many.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Puts down what is known of a member's metadata. `None` if the codec cannot write the member.
pub(super) fn encode<I: Clone, C: Codec<I>>(
    codec: &mut C,
    id: &I,
    metadata: &Metadata,
    inline_max: usize,
) -> Option<Vec<u8>> {
    let bytes = metadata.bytes();
    let is_inline = bytes.len() <= inline_max;
    let mut entry = Vec::new();
    entry.extend_from_slice(&metadata.version().to_be_bytes());
    entry.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    entry.push(u8::from(is_inline));
    if is_inline {
        entry.extend_from_slice(bytes);
    }
    codec
        .encode_member(&Member::alive(id.clone()), &mut entry)
        .ok()?;
    Some(entry)
}

/// `None` if it is malformed.
pub(super) fn decode<I, C: Codec<I>>(codec: &mut C, entry: &[u8]) -> Option<Entry<I>> {
    let (version, rest) = entry.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (&is_inline, mut rest) = rest.split_first()?;
    let version = u64::from_be_bytes(*version);
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    if len > Metadata::LEN_MAX || version == 0 || version > VERSION_MAX {
        return None;
    }
    let mut bytes = None;
    if is_inline != 0 {
        let (inline, member) = rest.split_at_checked(len)?;
        bytes = Some(inline.to_vec());
        rest = member;
    }
    let member = codec.decode_member(&mut rest).ok()?;
    rest.is_empty().then_some(Entry {
        id: member.id,
        version,
        bytes,
    })
}

/// The highest that there is.
pub(super) const VERSION_MAX: u64 = u64::MAX >> 1;

//! What one side says at a time while two members compare: parts, each with a tag and a length.

use alloc::vec::Vec;

/// The parts that came. What did not is empty.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub(super) digest: Option<&'a [u8]>,
    pub(super) buckets: u64,
    pub(super) members: &'a [u8],
    pub(super) metadata_digest: Option<&'a [u8]>,
    pub(super) metadata_buckets: u64,
    pub(super) metadata: &'a [u8],
}

/// Which of the hashes differ. If none came, none do.
pub(super) fn differing(theirs: Option<&[u8]>, ours: &[u32; 64]) -> u64 {
    let (theirs, _) = theirs.unwrap_or_default().as_chunks();
    let pairs = ours.iter().zip(theirs).enumerate();
    pairs.fold(0, |all, (bucket, (ours, theirs))| {
        all | u64::from(*ours != u32::from_be_bytes(*theirs)) << bucket
    })
}

pub(super) fn put_digest(say: &mut Vec<u8>, tag: u8, digest: &[u32; 64]) {
    let digest: Vec<u8> = digest.iter().flat_map(|sum| sum.to_be_bytes()).collect();
    put_section(say, tag, &digest);
}

pub(super) fn put_section(say: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    // What is put is bounded far below that.
    let len = u32::try_from(bytes.len()).unwrap_or_default();
    say.push(tag);
    say.extend_from_slice(&len.to_be_bytes());
    say.extend_from_slice(bytes);
}

/// `None` if they are malformed. Unknown ones are read past.
pub(super) fn read_sections(mut frame: &[u8]) -> Option<Sections<'_>> {
    let mut sections = Sections::default();
    while let Some((&tag, rest)) = frame.split_first() {
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (bytes, rest) = rest.split_at_checked(len)?;
        match tag {
            DIGEST => sections.digest = Some(bytes),
            BUCKETS => sections.buckets = u64::from_be_bytes(bytes.try_into().ok()?),
            MEMBERS => sections.members = bytes,
            METADATA_DIGEST => sections.metadata_digest = Some(bytes),
            METADATA_BUCKETS => {
                sections.metadata_buckets = u64::from_be_bytes(bytes.try_into().ok()?);
            }
            METADATA => sections.metadata = bytes,
            _ => {}
        }
        frame = rest;
    }
    Some(sections)
}

pub(super) const DIGEST: u8 = 1;
pub(super) const ALL: u8 = 2;
pub(super) const BUCKETS: u8 = 3;
pub(super) const MEMBERS: u8 = 4;
pub(super) const METADATA_DIGEST: u8 = 5;
pub(super) const METADATA_BUCKETS: u8 = 6;
pub(super) const METADATA: u8 = 7;

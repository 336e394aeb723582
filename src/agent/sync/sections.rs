//! What one side says at a time while two members compare: parts, each with a tag and a length.

use alloc::vec::Vec;
use core::ops::Range;

/// A frame of the other side's, and where in it which part is. What did not come is empty.
#[derive(Default)]
pub(super) struct Said {
    frame: Vec<u8>,
    digest: Option<Range<usize>>,
    pub(super) buckets: u64,
    members: Range<usize>,
    metadata_digest: Option<Range<usize>>,
    pub(super) metadata_buckets: u64,
    metadata: Range<usize>,
}

impl Said {
    /// `None` if it is malformed. Unknown parts are read past.
    pub(super) fn read(frame: Vec<u8>) -> Option<Self> {
        let mut said = Self::default();
        let mut rest = frame.as_slice();
        while let Some((&tag, behind)) = rest.split_first() {
            let (len, behind) = behind.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let (bytes, behind) = behind.split_at_checked(len)?;
            let end = frame.len() - behind.len();
            let range = end - len..end;
            match tag {
                DIGEST => said.digest = Some(range),
                BUCKETS => said.buckets = u64::from_be_bytes(bytes.try_into().ok()?),
                MEMBERS => said.members = range,
                METADATA_DIGEST => said.metadata_digest = Some(range),
                METADATA_BUCKETS => {
                    said.metadata_buckets = u64::from_be_bytes(bytes.try_into().ok()?);
                }
                METADATA => said.metadata = range,
                _ => {}
            }
            rest = behind;
        }
        said.frame = frame;
        Some(said)
    }

    /// How many bytes it was.
    pub(super) fn len(&self) -> usize {
        self.frame.len()
    }

    pub(super) fn digest(&self) -> Option<&[u8]> {
        self.digest.as_ref().map(|range| self.part(range))
    }

    pub(super) fn metadata_digest(&self) -> Option<&[u8]> {
        self.metadata_digest.as_ref().map(|range| self.part(range))
    }

    /// The members, but for the bytes that were taken already.
    pub(super) fn members(&self) -> &[u8] {
        self.part(&self.members)
    }

    /// Takes so many bytes of the members.
    pub(super) fn advance_members(&mut self, bytes: usize) {
        self.members.start = self.members.end.min(self.members.start + bytes);
    }

    /// The metadata, but for the bytes that were taken already.
    pub(super) fn metadata(&self) -> &[u8] {
        self.part(&self.metadata)
    }

    /// Takes so many bytes of the metadata.
    pub(super) fn advance_metadata(&mut self, bytes: usize) {
        self.metadata.start = self.metadata.end.min(self.metadata.start + bytes);
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.frame.get(range.clone()).unwrap_or_default()
    }
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

pub(super) const DIGEST: u8 = 1;
pub(super) const ALL: u8 = 2;
pub(super) const BUCKETS: u8 = 3;
pub(super) const MEMBERS: u8 = 4;
pub(super) const METADATA_DIGEST: u8 = 5;
pub(super) const METADATA_BUCKETS: u8 = 6;
pub(super) const METADATA: u8 = 7;

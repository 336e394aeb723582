//! Questions and answers, byte by byte: see `docs/wire.md`.

use alloc::vec::Vec;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use super::QueryError;
use crate::transport::Fingerprints;

/// What is asked: the first byte of a question.
pub(super) const ECHO: u8 = 1;
pub(super) const VIEW: u8 = 2;
pub(super) const FINGERPRINTS: u8 = 3;
pub(super) const DISTANCE: u8 = 4;
pub(super) const CLOCK: u8 = 5;

/// What becomes of it: the first byte of an answer.
pub(super) const ANSWERED: u8 = 0;
pub(super) const UNKNOWN: u8 = 1;
pub(super) const REFUSED: u8 = 2;

/// The most bytes of a question: an identity is in it, at most.
pub(super) const QUESTION_MAX: usize = 4096;
/// The most bytes of members in an answer.
pub(super) const VIEW_MAX: usize = 1 << 20;
/// The most bytes of an answer that has no members in it, but for an echo.
pub(super) const ANSWER_MAX: usize = 16 << 10;

/// What follows the status, if it is an answer.
pub(super) fn answered(answer: &[u8]) -> Result<&[u8], QueryError> {
    match answer.split_first() {
        Some((&ANSWERED, rest)) => Ok(rest),
        Some((&REFUSED, _)) => Err(QueryError::Refused),
        Some((&UNKNOWN, _)) => Err(QueryError::Unknown),
        _ => Err(nonsense()),
    }
}

pub(super) fn nonsense() -> QueryError {
    QueryError::NoAnswer(std::io::ErrorKind::InvalidData.into())
}

pub(super) fn put_times(times: impl Iterator<Item = Duration>, to: &mut Vec<u8>) {
    for time in times {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        to.extend_from_slice(&nanos.to_be_bytes());
    }
}

pub(super) fn read_times(bytes: &[u8]) -> Vec<Duration> {
    let (times, _) = bytes.as_chunks();
    let times = times.iter().map(|nanos| u64::from_be_bytes(*nanos));
    times.map(Duration::from_nanos).collect()
}

/// What a clock shows, as milliseconds since 1970.
pub(super) fn put_clock(now: SystemTime, to: &mut Vec<u8>) {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    to.extend_from_slice(&millis.to_be_bytes());
}

pub(super) fn read_clock(bytes: &[u8]) -> Option<SystemTime> {
    let millis = u64::from_be_bytes(bytes.try_into().ok()?);
    let since_epoch = Duration::from_millis(millis);
    let is_told = since_epoch.as_secs() <= SECS_MAX;
    is_told.then(|| UNIX_EPOCH.checked_add(since_epoch))?
}

pub(super) fn put_fingerprints(prints: &Fingerprints, to: &mut Vec<u8>) {
    put_section(KEYS, prints.keys.as_flattened(), to);
    let since_epoch = prints
        .not_after
        .and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    if let Some(since_epoch) = since_epoch {
        put_section(NOT_AFTER, &since_epoch.as_secs().to_be_bytes(), to);
    }
    put_section(AUTHORITIES, prints.authorities.as_flattened(), to);
    if let Some(key) = &prints.public_key {
        put_section(PUBLIC_KEY, key, to);
    }
}

/// `None` if they are malformed. Unknown sections are read past.
pub(super) fn read_fingerprints(mut bytes: &[u8]) -> Option<Fingerprints> {
    let mut prints = Fingerprints::default();
    while let Some((&tag, rest)) = bytes.split_first() {
        let (len, rest) = rest.split_first_chunk()?;
        let (section, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        match tag {
            KEYS => prints.keys = all_of(section)?,
            NOT_AFTER => {
                let secs = u64::from_be_bytes(section.try_into().ok()?);
                let since_epoch = (secs <= SECS_MAX).then(|| Duration::from_secs(secs))?;
                prints.not_after = Some(UNIX_EPOCH.checked_add(since_epoch)?);
            }
            AUTHORITIES => prints.authorities = all_of(section)?,
            PUBLIC_KEY => prints.public_key = Some(section.try_into().ok()?),
            _ => {}
        }
        bytes = rest;
    }
    Some(prints)
}

fn all_of<const N: usize>(section: &[u8]) -> Option<Vec<[u8; N]>> {
    let (all, rest) = section.as_chunks();
    rest.is_empty().then(|| all.to_vec())
}

/// Of more than fits, as much as does.
fn put_section(tag: u8, bytes: &[u8], to: &mut Vec<u8>) {
    let bytes = bytes.get(..SECTION_MAX).unwrap_or(bytes);
    // It is less than that.
    let len = u16::try_from(bytes.len()).unwrap_or_default();
    to.push(tag);
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(bytes);
}

/// The last second of the year 9999: nobody can write down what is later.
const SECS_MAX: u64 = 253_402_300_799;
const KEYS: u8 = 1;
const NOT_AFTER: u8 = 2;
const AUTHORITIES: u8 = 3;
const PUBLIC_KEY: u8 = 4;
/// The most bytes of a section: of 128 authorities, and of far more keys.
const SECTION_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};
    use core::time::Duration;
    use std::time::UNIX_EPOCH;

    use super::{
        put_clock, put_fingerprints, put_times, read_clock, read_fingerprints, read_times,
    };
    use crate::transport::Fingerprints;

    fn prints() -> Fingerprints {
        Fingerprints {
            keys: vec![[1, 2, 3, 4], [5; 4]],
            not_after: Some(UNIX_EPOCH + Duration::from_secs(7)),
            authorities: vec![[6; 32]],
            public_key: Some([8; 32]),
        }
    }

    #[test]
    fn fingerprints_are_laid_out_as_documented() {
        let mut bytes = Vec::new();
        put_fingerprints(&prints(), &mut bytes);
        let expected = [
            &[1, 0, 8, 1, 2, 3, 4, 5, 5, 5, 5][..],
            &[2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7],
            &[3, 0, 32],
            &[6; 32],
            &[4, 0, 32],
            &[8; 32],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(read_fingerprints(&bytes), Some(prints()));
    }

    #[test]
    fn what_a_later_version_adds_is_read_past_and_what_is_broken_is_nothing() {
        assert_eq!(
            read_fingerprints(&[99, 0, 2, 1, 2]),
            Some(Fingerprints::default())
        );
        for broken in [
            &[1, 0][..],
            &[1, 0, 3, 1, 2, 3],
            &[1, 0, 9, 1],
            &[2, 0, 1, 1],
            &[2, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255],
            // One second after the year 9999.
            &[2, 0, 8, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80],
            &[4, 0, 0],
        ] {
            assert_eq!(read_fingerprints(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn more_than_fits_is_left_out_between_two() {
        let many = Fingerprints {
            authorities: vec![[1; 32]; 1000],
            ..Fingerprints::default()
        };
        let mut bytes = Vec::new();
        put_fingerprints(&many, &mut bytes);
        let read = read_fingerprints(&bytes).expect("whole ones");
        assert_eq!(read.authorities, vec![[1; 32]; 128]);
    }

    #[test]
    fn clocks_are_milliseconds_and_none_is_beyond_what_there_is() {
        let mut bytes = Vec::new();
        put_clock(UNIX_EPOCH + Duration::from_millis(259), &mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 1, 3]);
        assert_eq!(
            read_clock(&bytes),
            Some(UNIX_EPOCH + Duration::from_millis(259))
        );
        for broken in [&[][..], &[0; 7], &[0; 9], &[0xff; 8]] {
            assert_eq!(read_clock(broken), None);
        }
    }

    #[test]
    fn times_are_nanoseconds() {
        let mut bytes = Vec::new();
        let times = [Duration::from_nanos(258), Duration::MAX];
        put_times(times.into_iter(), &mut bytes);
        assert_eq!(bytes[..8], [0, 0, 0, 0, 0, 0, 1, 2]);
        let read = read_times(&bytes);
        assert_eq!(read, [times[0], Duration::from_nanos(u64::MAX)]);
    }
}

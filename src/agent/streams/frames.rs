//! Bytes on a stream: a length, then as many bytes. Nothing is allocated by a length that a peer
//! claims, and nobody has for ever to keep it.

use alloc::{vec, vec::Vec};
use core::{future::Future, time::Duration};
use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::{Timer, future::or};

/// Writes a frame.
pub(in crate::agent) async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    within(patience(bytes.len()), async {
        stream.write_all(&len.to_be_bytes()).await?;
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await
}

/// Reads a frame of at most `max` bytes.
pub(in crate::agent) async fn read_frame<S: AsyncRead + Unpin>(
    stream: &mut S,
    max: usize,
) -> io::Result<Vec<u8>> {
    let len = within(PATIENCE, read_len(stream)).await?;
    let len = len.ok_or(io::ErrorKind::UnexpectedEof)?;
    read_body(stream, len, max).await
}

/// Reads how long the next frame is. `None` at the end of the stream.
pub(in crate::agent) async fn read_len<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> io::Result<Option<usize>> {
    let mut len = [0; 4];
    let read = stream.read(&mut len).await?;
    if read == 0 {
        return Ok(None);
    }
    let rest = len.get_mut(read..).unwrap_or_default();
    within(PATIENCE, stream.read_exact(rest)).await?;
    Ok(Some(
        usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX),
    ))
}

/// Reads what follows the length, of at most `max` bytes.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    len: usize,
    max: usize,
) -> io::Result<Vec<u8>> {
    if len > max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    within(patience(len), async {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let more = next_chunk(bytes.len(), len);
            read_chunk(stream, &mut bytes, more).await?;
        }
        Ok(bytes)
    })
    .await
}

/// How many bytes to make room for next: as many again as have come, so that a claim alone takes a
/// chunk.
pub(in crate::agent) fn next_chunk(come: usize, len: usize) -> usize {
    come.clamp(CHUNK_LEN, CHUNK_LEN_MAX)
        .min(len.saturating_sub(come))
}

/// Reads so many bytes more.
pub(in crate::agent) async fn read_chunk<S: AsyncRead + Unpin>(
    stream: &mut S,
    bytes: &mut Vec<u8>,
    more: usize,
) -> io::Result<()> {
    let start = bytes.len();
    bytes.resize(start.saturating_add(more), 0);
    let chunk = bytes.get_mut(start..).unwrap_or_default();
    stream.read_exact(chunk).await
}

/// Reads past what follows the length, of at most `max` bytes.
pub(in crate::agent) async fn skip_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    len: usize,
    max: usize,
) -> io::Result<()> {
    if len > max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    within(patience(len), async {
        let mut chunk = vec![0; CHUNK_LEN.min(len)];
        let mut left = len;
        while left > 0 {
            let some = left.min(CHUNK_LEN);
            let chunk = chunk.get_mut(..some).unwrap_or_default();
            stream.read_exact(chunk).await?;
            left -= some;
        }
        Ok(())
    })
    .await
}

/// What `work` comes to, unless it takes too long.
pub(in crate::agent) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = async {
        Timer::after(limit).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    or(work, late).await
}

/// How long a frame may take: a slow network has its time, a peer that lets us wait has not.
pub(in crate::agent) fn patience(len: usize) -> Duration {
    let seconds = u32::try_from(len / BYTES_PER_SECOND_MIN).unwrap_or(u32::MAX);
    PATIENCE + Duration::from_secs(seconds.into())
}

/// How long anything may take that has no length to speak of.
pub(in crate::agent) const PATIENCE: Duration = Duration::from_secs(10);
/// Slower than this, a frame takes too long.
const BYTES_PER_SECOND_MIN: usize = 128 << 10;
/// How many bytes are allocated for a frame before any of them has come.
const CHUNK_LEN: usize = 4096;
/// How many more at most later on.
const CHUNK_LEN_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;

//! Streams over TCP: chunks, so that an end is told apart from an abort.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::Future,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{
    io,
    net::{Shutdown, TcpStream},
    time::Instant,
};

use async_io::{Async, Timer};
use futures::{AsyncRead, AsyncWrite};

use super::places::Place;

/// The most bytes of a chunk's content.
const CHUNK_MAX: usize = 16 * 1024;

/// A chunk begins with its length, as two bytes, whose highest bit says that it is the last.
pub(super) const HEAD_LEN: usize = 2;
const LAST: u16 = 1 << 15;

/// A stream of a transport over UDP: it is TCP.
///
/// What was written is on its way only once it was flushed: do so before waiting for an answer.
pub struct UdpStream {
    tcp: Async<TcpStream>,
    chunks: Box<dyn Chunks>,
    incoming: Incoming,
    outgoing: Outgoing,
    silence: Silence,
    _place: Place,
}

/// How the content of chunks is written. Each chunk is told in its turn.
pub(super) trait Chunks: Send + 'static {
    /// How many bytes longer the content gets.
    fn overhead(&self) -> usize;

    /// Seals what `chunk` has from `start` on.
    fn seal(&mut self, chunk: &mut Vec<u8>, start: usize, is_last: bool) -> io::Result<()>;

    /// Opens a chunk, in its place. Returns how long its content is.
    fn open(&mut self, chunk: &mut [u8], is_last: bool) -> io::Result<usize>;
}

impl UdpStream {
    pub(super) fn new(
        tcp: Async<TcpStream>,
        chunks: Box<dyn Chunks>,
        silence_max: Duration,
        place: Place,
    ) -> Self {
        Self {
            tcp,
            chunks,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            silence: Silence::new(silence_max),
            _place: place,
        }
    }

    /// Reads until a chunk is whole, and opens it.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let incoming = &mut self.incoming;
        loop {
            let needed = incoming.needed(self.chunks.overhead())?;
            if incoming.filled >= needed {
                return Poll::Ready(incoming.open(&mut *self.chunks));
            }
            incoming.bytes.resize(needed, 0);
            let rest = incoming.bytes.get_mut(incoming.filled..);
            let len = ready!(Pin::new(&mut self.tcp).poll_read(cx, rest.unwrap_or_default()))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            incoming.filled = incoming.filled.saturating_add(len);
            self.silence.broken();
        }
    }

    /// Writes what waits to be.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.outgoing.rest() {
            let len = ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.sent = self.outgoing.sent.saturating_add(len);
            self.silence.broken();
        }
        Poll::Ready(Ok(()))
    }

    /// What to say instead of waiting on.
    fn poll_silence<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.silence.poll(cx));
        // Whoever waits for the other direction learns of it as well.
        let _ = self.tcp.get_ref().shutdown(Shutdown::Both);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for UdpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            if let Some(len) = this.incoming.take(buf) {
                return Poll::Ready(Ok(len));
            }
            match this.poll_chunk(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return this.poll_silence(cx),
            }
        }
    }
}

impl AsyncWrite for UdpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.outgoing.is_finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match this.poll_drain(cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => return this.poll_silence(cx),
        }
        let content = buf.get(..CHUNK_MAX).unwrap_or(buf);
        if !content.is_empty() {
            this.outgoing.push(&mut *this.chunks, content, false)?;
            // As much as there is room for; the rest with the next call.
            if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(content.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.poll_drain(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => this.poll_silence(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.outgoing.is_finished {
            ready!(Pin::new(&mut *this).poll_flush(cx))?;
            this.outgoing.push(&mut *this.chunks, &[], true)?;
            this.outgoing.is_finished = true;
        }
        ready!(Pin::new(&mut *this).poll_flush(cx))?;
        Poll::Ready(this.tcp.get_ref().shutdown(Shutdown::Write))
    }
}

impl fmt::Debug for UdpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stream = f.debug_struct("UdpStream");
        stream.field("tcp", self.tcp.get_ref());
        stream.finish_non_exhaustive()
    }
}

/// The chunk that arrives, or is being read.
#[derive(Default)]
struct Incoming {
    bytes: Vec<u8>,
    /// How many bytes of it are there.
    filled: usize,
    /// What was opened and not read yet, within `bytes`.
    content: Range<usize>,
    is_finished: bool,
}

impl Incoming {
    /// How many bytes have to be there, as far as is known.
    fn needed(&self, overhead: usize) -> io::Result<usize> {
        if self.filled < HEAD_LEN {
            return Ok(HEAD_LEN);
        }
        let len = self.chunk_len();
        if len > CHUNK_MAX.saturating_add(overhead) {
            return Err(invalid("a chunk is longer than any may be"));
        }
        Ok(HEAD_LEN.saturating_add(len))
    }

    fn head(&self) -> u16 {
        let head = self.bytes.first_chunk::<HEAD_LEN>();
        head.map_or(0, |head| u16::from_be_bytes(*head))
    }

    fn chunk_len(&self) -> usize {
        usize::from(self.head() & !LAST)
    }

    fn open(&mut self, chunks: &mut dyn Chunks) -> io::Result<()> {
        let is_last = self.head() & LAST != 0;
        let chunk = self.bytes.get_mut(HEAD_LEN..self.filled);
        let len = chunks.open(chunk.unwrap_or_default(), is_last)?;
        // Only the last is empty: others would keep the stream busy with nothing.
        if is_last != (len == 0) {
            return Err(invalid("a chunk is of the wrong kind"));
        }
        self.is_finished = is_last;
        self.content = HEAD_LEN..HEAD_LEN.saturating_add(len);
        self.filled = 0;
        Ok(())
    }

    /// Reads what was opened; `None` when another chunk is needed.
    fn take(&mut self, buf: &mut [u8]) -> Option<usize> {
        if buf.is_empty() || self.is_finished {
            return Some(0);
        }
        let content = self.bytes.get(self.content.clone())?;
        let len = content.len().min(buf.len());
        buf.get_mut(..len)?.copy_from_slice(content.get(..len)?);
        self.content.start = self.content.start.saturating_add(len);
        (len > 0).then_some(len)
    }
}

/// The chunk that leaves.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    is_finished: bool,
}

impl Outgoing {
    fn rest(&self) -> Option<&[u8]> {
        self.bytes.get(self.sent..).filter(|rest| !rest.is_empty())
    }

    /// Puts a chunk in the place of the one before, which is out.
    fn push(&mut self, chunks: &mut dyn Chunks, content: &[u8], is_last: bool) -> io::Result<()> {
        let len = content.len().saturating_add(chunks.overhead());
        let head = u16::try_from(len).map_err(|_| invalid("a chunk is too long"))?;
        let head = if is_last { head | LAST } else { head };
        self.sent = 0;
        self.bytes.clear();
        self.bytes.extend_from_slice(&head.to_be_bytes());
        self.bytes.extend_from_slice(content);
        chunks.seal(&mut self.bytes, HEAD_LEN, is_last)
    }
}

/// How long nothing passed.
struct Silence {
    timer: Timer,
    since: Instant,
    max: Duration,
}

impl Silence {
    fn new(max: Duration) -> Self {
        Self {
            timer: Timer::after(max),
            since: Instant::now(),
            max,
        }
    }

    fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Resolves when it is too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.timer).poll(cx));
            let Some(rest) = self.max.checked_sub(self.since.elapsed()) else {
                return Poll::Ready(());
            };
            // Set when it fires rather than whenever something passes.
            self.timer.set_after(rest.max(Duration::from_millis(1)));
        }
    }
}

/// Chunks as they are.
pub(super) struct Clear;

impl Chunks for Clear {
    fn overhead(&self) -> usize {
        0
    }

    fn seal(&mut self, _chunk: &mut Vec<u8>, _start: usize, _is_last: bool) -> io::Result<()> {
        Ok(())
    }

    fn open(&mut self, chunk: &mut [u8], _is_last: bool) -> io::Result<usize> {
        Ok(chunk.len())
    }
}

pub(super) fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

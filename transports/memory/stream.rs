//! Streams within the process.

use alloc::sync::Arc;
use core::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{AsyncRead, AsyncWrite};
use piper::{Reader, Writer};

/// A stream of a [`MemoryNetwork`](super::MemoryNetwork).
///
/// It breaks when one of its ends is cut off, or closes its transport.
#[derive(Debug)]
pub struct MemoryStream {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
}

impl MemoryStream {
    /// The bytes of each direction that are on their way; whoever writes more waits.
    pub const BUFFERED_MAX: usize = 65_536;

    /// The two ends of a new one, and the pipes between them.
    pub(super) fn pair() -> ([Self; 2], [Arc<Pipe>; 2]) {
        let [there, back] = [Pipe::new(), Pipe::new()].map(Arc::new);
        let end = |incoming: &Arc<Pipe>, outgoing: &Arc<Pipe>| Self {
            incoming: Arc::clone(incoming),
            outgoing: Arc::clone(outgoing),
        };
        ([end(&back, &there), end(&there, &back)], [there, back])
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut reader = locked(&self.incoming.reader);
        let reader = reader.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
        let len = ready!(Pin::new(reader).poll_read(cx, buf))?;
        let is_over = len == 0 && !buf.is_empty();
        if is_over && !self.incoming.is_finished.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut writer = locked(&self.outgoing.writer);
        let writer = writer.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
        let len = ready!(Pin::new(writer).poll_write(cx, buf))?;
        if len == 0 && !buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = locked(&self.outgoing.writer);
        let writer = writer.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
        self.outgoing.is_finished.store(true, Ordering::Release);
        Pin::new(writer).poll_close(cx)
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        // Each wakes the other end, outside the lock.
        let writer = locked(&self.outgoing.writer).take();
        drop(writer);
        let reader = locked(&self.incoming.reader).take();
        drop(reader);
    }
}

/// One direction.
pub(super) struct Pipe {
    reader: Mutex<Option<Reader>>,
    writer: Mutex<Option<Writer>>,
    /// Whether the writer closed it: if not, its end is a reset.
    is_finished: AtomicBool,
}

impl Pipe {
    fn new() -> Self {
        let (reader, writer) = piper::pipe(MemoryStream::BUFFERED_MAX);
        Self {
            reader: Mutex::new(Some(reader)),
            writer: Mutex::new(Some(writer)),
            is_finished: AtomicBool::new(false),
        }
    }

    /// Breaks it: what is on its way is lost, and both ends get errors.
    pub(super) fn cut(&self) {
        let writer = locked(&self.writer).take();
        drop(writer);
        let reader = locked(&self.reader).take();
        drop(reader);
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pipe = f.debug_struct("Pipe");
        pipe.field("is_finished", &self.is_finished);
        pipe.finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

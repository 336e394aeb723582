//! Messages on a stream: frames one way, one byte for each the other way.

use alloc::{sync::Arc, vec::Vec};
use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use std::{io, time::Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, channel::oneshot};
use smol::{Timer, channel::Receiver, future::or};

use super::{Mailbox, MessageError, UserMessage};
use crate::agent::{
    budget::{Budget, Held},
    streams::{
        Conversation,
        frames::{PATIENCE, next_chunk, patience, read_chunk, read_len, skip_body, within},
    },
};

/// A message on its way out.
pub(in crate::agent) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    /// Who waits for the acknowledgement.
    pub(super) reply: Option<oneshot::Sender<Result<(), MessageError>>>,
}

impl Outgoing {
    fn answer(self, result: Result<(), MessageError>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have gone.
            let _ = reply.send(result);
        }
    }
}

/// Sends what is queued, until nothing is for a while.
pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    opened: io::Result<Conversation<S>>,
    queue: Receiver<Outgoing>,
    max: usize,
    is_busy: &AtomicBool,
    is_wanted: &AtomicBool,
) -> io::Result<()> {
    let mut conversation = match opened {
        Ok(conversation) => conversation,
        Err(error) => {
            give_up(&queue, error.kind());
            return Err(error);
        }
    };
    let stream = &mut conversation.stream;
    while let Some(outgoing) = next(&queue, is_busy, is_wanted).await {
        let len = outgoing.bytes.len();
        let sent = within(LAST_WORD.saturating_add(patience(len)), async {
            let head = u32::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
            stream.write_all(&head.to_be_bytes()).await?;
            stream.write_all(&outgoing.bytes).await?;
            stream.flush().await?;
            let mut ack = [0];
            stream.read_exact(&mut ack).await?;
            Ok(ack)
        });
        match sent.await {
            Ok([QUEUED]) => outgoing.answer(Ok(())),
            Ok([TOO_BIG]) => outgoing.answer(Err(MessageError::TooBig { len, max })),
            Ok([NOT_LISTENING]) => outgoing.answer(Err(MessageError::NotListening)),
            Ok(_) => outgoing.answer(Err(MessageError::Unacknowledged)),
            Err(error) => {
                outgoing.answer(Err(MessageError::Unacknowledged));
                give_up(&queue, error.kind());
                return Err(error);
            }
        }
    }
    within(PATIENCE, stream.close()).await
}

/// The next message. `None` after a while without, when no other can come this way; at once, if
/// others want the place.
async fn next(
    queue: &Receiver<Outgoing>,
    is_busy: &AtomicBool,
    is_wanted: &AtomicBool,
) -> Option<Outgoing> {
    is_busy.store(false, Ordering::Relaxed);
    let idle = async {
        if !is_wanted.load(Ordering::Relaxed) {
            Timer::after(IDLE).await;
        }
        // What came in this moment is still there.
        queue.close();
        None
    };
    let next = or(async { queue.recv().await.ok() }, idle).await;
    let next = next.or_else(|| queue.try_recv().ok());
    is_busy.store(true, Ordering::Relaxed);
    next
}

/// Tells who waits that nothing of theirs was sent.
pub(super) fn give_up(queue: &Receiver<Outgoing>, kind: io::ErrorKind) {
    queue.close();
    while let Ok(outgoing) = queue.try_recv() {
        outgoing.answer(Err(MessageError::Unreachable(kind.into())));
    }
}

/// Takes what a member sends, until it closes the stream.
pub(super) async fn receive<I: Clone, S: AsyncRead + AsyncWrite + Unpin>(
    mut conversation: Conversation<S>,
    from: I,
    mailbox: Arc<Mailbox<I>>,
    max: usize,
) -> io::Result<()> {
    let stream = &mut conversation.stream;
    while let Some(len) = within(SILENCE_MAX, read_len(stream)).await? {
        let ack = if len > max || !mailbox.is_read() {
            // To the end, so that the sender hears why.
            skip_body(stream, len, SKIPPED_MAX).await?;
            match len > max {
                true => TOO_BIG,
                false => NOT_LISTENING,
            }
        } else {
            let (bytes, held) = read_held(stream, len, &mailbox.budget).await?;
            let from = from.clone();
            match mailbox.deliver(UserMessage { from, bytes }, held) {
                true => QUEUED,
                false => NOT_LISTENING,
            }
        };
        within(PATIENCE, async {
            stream.write_all(&[ack]).await?;
            stream.flush().await
        })
        .await?;
    }
    within(PATIENCE, stream.close()).await
}

/// Reads a message. It takes its room as it comes: who announces much and sends little holds
/// little. The time that there is no room does not count.
async fn read_held<S: AsyncRead + Unpin>(
    stream: &mut S,
    len: usize,
    budget: &Arc<Budget>,
) -> io::Result<(Vec<u8>, Held)> {
    let mut left = patience(len);
    let mut held = budget.begin().await;
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let more = next_chunk(bytes.len(), len);
        held.grow(bytes.len() + more).await;
        let began = Instant::now();
        within(left, read_chunk(stream, &mut bytes, more)).await?;
        left = left.saturating_sub(began.elapsed());
    }
    held.complete();
    Ok((bytes, held))
}

/// The message waits to be read.
const QUEUED: u8 = 0;
/// Nobody reads messages.
const NOT_LISTENING: u8 = 1;
/// It is larger than is taken.
const TOO_BIG: u8 = 2;

/// After how long without a message we close a stream.
const IDLE: Duration = Duration::from_secs(5);
/// How long a member may keep a stream open without a message.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long we wait for a member that has no room, beside the time that a message may take.
const LAST_WORD: Duration = Duration::from_secs(60);
/// The most bytes that are read past to say why.
const SKIPPED_MAX: usize = 64 << 20;

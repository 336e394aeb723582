//! Streams: for what fits no packet. One place opens them, accepts them, bounds them, and waits
//! for them.
//!
//! Each is a future beside the others within the driver; it never sees the engine. What is
//! written and read next, the driver decides whenever a frame came.

pub(super) mod frames;
mod greeting;
mod handle;
mod places;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt, Stream, stream::FuturesUnordered};

use self::frames::{read_frame, within, write_frame};
pub(super) use self::{
    greeting::Greeting,
    places::{Place, Places},
};
use super::{
    Limits, admission::Source, envelope::Envelope, last_resort, messages, metadata, queries, sync,
};
use crate::{
    Identity, Transport,
    transport::{PeerStream, SendError},
};

/// What a stream is for: its first byte behind the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamKind {
    /// Comparing what both hold.
    Sync,
    /// A probe where datagrams get lost.
    Probe,
    /// Fetching metadata.
    Metadata,
    /// Messages of one member to another.
    Messages,
    /// Questions that change nothing.
    Queries,
}

impl StreamKind {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Sync => 1,
            Self::Probe => 2,
            Self::Metadata => 3,
            Self::Messages => 4,
            Self::Queries => 5,
        }
    }

    pub(super) fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Sync),
            2 => Some(Self::Probe),
            3 => Some(Self::Metadata),
            4 => Some(Self::Messages),
            5 => Some(Self::Queries),
            _ => None,
        }
    }
}

/// All streams that are under way.
pub(super) struct Streams<I: Identity, T: Transport> {
    transport: Arc<T>,
    tasks: FuturesUnordered<Task<I, T::Stream>>,
    pub(super) places: Places<I>,
    /// How often there was no place for one of our own.
    pub(super) put_off: u64,
}

type Task<I, S> = Pin<Box<dyn Future<Output = Outcome<I, S>> + Send>>;

/// What became of a stream, for the driver to act on.
pub(super) enum Outcome<I, S> {
    /// A peer opened it, and said for what.
    Greeted(Greeting<S>),
    /// A frame came.
    Frame(Stage<I>, Vec<u8>, Conversation<S>),
    /// It ended where it should, or broke.
    Ended(Stage<I>, io::Result<()>),
    /// A peer opened it, and nothing came of it.
    Nothing(io::Error),
}

/// How far a conversation is.
pub(super) enum Stage<I> {
    Sync(sync::Stage<I>),
    Probe(last_resort::Stage<I>),
    Metadata(metadata::Stage<I>),
    Messages(messages::Stage<I>),
    Queries(queries::Stage<I>),
}

/// What follows when all frames are written.
pub(super) enum Next<S> {
    /// A frame of at most so many bytes is awaited.
    Read(usize, S),
    /// The stream is closed.
    Close(S),
}

/// A stream to a peer whom we know.
pub(super) struct Conversation<S> {
    pub(super) source: Source,
    pub(super) stream: S,
    _place: Place,
}

/// Whom to open a stream to, and for what.
pub(super) struct Dial {
    pub(super) to: SocketAddr,
    /// What says whose stream it is, and for what.
    pub(super) preface: Vec<u8>,
    /// Whether it may be whom we want to speak to.
    pub(super) check: Box<dyn FnOnce(&Source) -> bool + Send>,
}

/// A stream to be opened, and what to say first.
pub(super) struct Opening<I> {
    pub(super) dial: Dial,
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) next: Next<Stage<I>>,
}

impl<I: Identity<Addr: Send> + Send + 'static, T: Transport> Streams<I, T> {
    pub(super) fn new(transport: Arc<T>, limits: &Limits) -> Self {
        Self {
            transport,
            tasks: FuturesUnordered::new(),
            places: Places::new(limits),
            put_off: 0,
        }
    }

    /// Waits until something became of a stream; for ever if there is none.
    pub(super) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<I, T::Stream>> {
        match Pin::new(&mut self.tasks).poll_next(cx) {
            Poll::Ready(Some(outcome)) => Poll::Ready(outcome),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Hears for what a peer opened a stream. Returns whether there is a place for it.
    pub(super) fn greet(&mut self, stream: PeerStream<T::Stream>, envelope: Envelope) -> bool {
        let PeerStream { addr, peer, stream } = stream;
        let source = Source { from: addr, peer };
        let Some(place) = self.places.greeting(&source) else {
            return false;
        };
        self.spawn(async move {
            match greeting::hear(stream, source, envelope, place).await {
                Ok(greeting) => Outcome::Greeted(greeting),
                Err(error) => Outcome::Nothing(error),
            }
        });
        true
    }

    /// Opens a stream. Returns whether there is a place for it.
    pub(super) fn open(&mut self, opening: Opening<I>) -> bool {
        let Opening { dial, frames, next } = opening;
        self.dial(dial, |opened| async move {
            match opened {
                Ok(conversation) => converse(conversation, frames, next).await,
                Err(error) => next.ended(Err(error)),
            }
        })
    }

    /// Opens a stream, for something to go on with it. Returns whether there is a place for it.
    fn dial<F, O>(&mut self, dial: Dial, go_on: F) -> bool
    where
        F: FnOnce(io::Result<Conversation<T::Stream>>) -> O + Send + 'static,
        O: Future<Output = Outcome<I, T::Stream>> + Send,
    {
        let Some(place) = self.places.outgoing() else {
            self.put_off = self.put_off.wrapping_add(1);
            return false;
        };
        self.dial_at(place, dial, go_on);
        true
    }

    /// The same, for who has a place.
    pub(super) fn dial_at<F, O>(&mut self, place: Place, dial: Dial, go_on: F)
    where
        F: FnOnce(io::Result<Conversation<T::Stream>>) -> O + Send + 'static,
        O: Future<Output = Outcome<I, T::Stream>> + Send,
    {
        let transport = self.transport.clone();
        self.spawn(async move {
            let opened = open(&*transport, dial, place).await;
            go_on(opened).await
        });
    }

    /// Goes on with a conversation.
    pub(super) fn converse(
        &mut self,
        conversation: Conversation<T::Stream>,
        frames: Vec<Vec<u8>>,
        next: Next<Stage<I>>,
    ) {
        self.spawn(converse(conversation, frames, next));
    }

    /// The same, once it is known what to say.
    pub(super) fn converse_later(
        &mut self,
        conversation: Conversation<T::Stream>,
        next: Next<Stage<I>>,
        frame: impl Future<Output = Vec<u8>> + Send + 'static,
    ) {
        self.spawn(async { converse(conversation, [frame.await].into(), next).await });
    }

    pub(super) fn spawn(
        &mut self,
        task: impl Future<Output = Outcome<I, T::Stream>> + Send + 'static,
    ) {
        self.tasks.push(Box::pin(task));
    }
}

impl<S> Next<S> {
    /// The same, at another kind of stage.
    pub(super) fn map<O>(self, stage: impl FnOnce(S) -> O) -> Next<O> {
        match self {
            Self::Read(max, before) => Next::Read(max, stage(before)),
            Self::Close(before) => Next::Close(stage(before)),
        }
    }
}

impl<I> Next<Stage<I>> {
    fn ended<S>(self, result: io::Result<()>) -> Outcome<I, S> {
        match self {
            Self::Read(_, stage) | Self::Close(stage) => Outcome::Ended(stage, result),
        }
    }
}

/// Opens a stream, and says whose and for what it is.
async fn open<T: Transport>(
    transport: &T,
    dial: Dial,
    place: Place,
) -> io::Result<Conversation<T::Stream>> {
    let opened = within(frames::PATIENCE, async {
        transport.open(dial.to).await.map_err(into_io_error)
    });
    let PeerStream {
        addr,
        peer,
        mut stream,
    } = opened.await?;
    let source = Source { from: addr, peer };
    if !(dial.check)(&source) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    within(frames::PATIENCE, stream.write_all(&dial.preface)).await?;
    Ok(Conversation {
        source,
        stream,
        _place: place,
    })
}

async fn converse<I, S: AsyncRead + AsyncWrite + Unpin>(
    mut conversation: Conversation<S>,
    frames: Vec<Vec<u8>>,
    next: Next<Stage<I>>,
) -> Outcome<I, S> {
    let stream = &mut conversation.stream;
    for frame in frames {
        if let Err(error) = write_frame(stream, &frame).await {
            return next.ended(Err(error));
        }
    }
    match next {
        Next::Read(max, stage) => match read_frame(stream, max).await {
            Ok(frame) => Outcome::Frame(stage, frame, conversation),
            Err(error) => Outcome::Ended(stage, Err(error)),
        },
        Next::Close(stage) => {
            let closed = within(frames::PATIENCE, stream.close()).await;
            Outcome::Ended(stage, closed)
        }
    }
}

fn into_io_error(error: SendError) -> io::Error {
    match error {
        SendError::Unreachable(error) | SendError::Io(error) => error,
        error => io::Error::other(error),
    }
}

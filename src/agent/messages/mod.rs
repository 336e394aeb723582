//! Messages from one member to another.
//!
//! Best effort, a message is one packet. Reliable ones, and those that fit no packet, go over a
//! stream to that member, one after the other: each is acknowledged once it waits to be read there,
//! before the next is sent. Nothing is sent twice.

mod error;
mod handle;
mod lane;
mod post;

use alloc::{sync::Arc, vec::Vec};
use core::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use futures::Stream;
use smol::channel::{Receiver, Sender, unbounded};

pub use self::error::MessageError;
pub(super) use self::{
    handle::Waybill,
    post::{Lanes, Stage},
};
use super::{
    Limits,
    budget::{Budget, Held},
    shared::Shared,
};
use crate::Identity;

/// A message from another member: see [`Cluster::messages`](crate::Cluster::messages).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserMessage<I> {
    /// Who sent it. Where the transport makes members prove who they are, it did.
    pub from: I,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The messages that come in, from the moment it was made: a stream that ends when the agent
/// stopped.
///
/// What nobody reads waits, up to [`Limits::message_bytes`](super::Limits::message_bytes); then
/// senders of reliable messages wait, and packets are dropped and counted. Of several such
/// streams, each gets some of the messages.
pub struct Messages<I: Identity> {
    shared: Arc<Shared<I>>,
    waiting: Pin<alloc::boxed::Box<Receiver<Delivered<I>>>>,
}

/// A message, and the room that it takes until somebody reads it.
pub(super) struct Delivered<I> {
    message: UserMessage<I>,
    _held: Held,
}

/// Where messages wait.
pub(super) struct Mailbox<I> {
    sender: Sender<Delivered<I>>,
    receiver: Receiver<Delivered<I>>,
    budget: Arc<Budget>,
    /// How many streams of messages there are.
    listeners: AtomicUsize,
}

impl<I> Mailbox<I> {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let (sender, receiver) = unbounded();
        Arc::new(Self {
            sender,
            receiver,
            budget: Budget::new(limits.message_bytes),
            listeners: AtomicUsize::new(0),
        })
    }

    pub(super) fn close(&self) {
        self.sender.close();
    }

    fn is_read(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Delivers a packet's message, if there is room, and somebody who reads it.
    fn deliver_now(&self, from: I, bytes: &[u8]) -> bool {
        if !self.is_read() {
            return false;
        }
        let Some(held) = self.budget.try_take(bytes.len()) else {
            return false;
        };
        let bytes = bytes.to_vec();
        self.deliver(UserMessage { from, bytes }, held)
    }

    fn deliver(&self, message: UserMessage<I>, held: Held) -> bool {
        let delivered = Delivered {
            message,
            _held: held,
        };
        self.sender.try_send(delivered).is_ok()
    }
}

impl<I: Identity> Messages<I> {
    pub(super) fn new(shared: Arc<Shared<I>>) -> Self {
        shared.mailbox.listeners.fetch_add(1, Ordering::Relaxed);
        let waiting = alloc::boxed::Box::pin(shared.mailbox.receiver.clone());
        Self { shared, waiting }
    }
}

impl<I: Identity> Stream for Messages<I> {
    type Item = UserMessage<I>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<UserMessage<I>>> {
        let next = self.waiting.as_mut().poll_next(cx);
        next.map(|delivered| delivered.map(|delivered| delivered.message))
    }
}

impl<I: Identity> Drop for Messages<I> {
    fn drop(&mut self) {
        self.shared
            .mailbox
            .listeners
            .fetch_sub(1, Ordering::Relaxed);
    }
}

impl<I: Identity> fmt::Debug for Messages<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

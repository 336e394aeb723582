//! Received packets on their way to `recv`.
//!
//! Each peer may have as many of them there as there is room left: one that floods has half of it,
//! two have a third each, and the others find what they need.

use alloc::vec::Vec;
use core::net::SocketAddr;
use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use smol::{
    channel::{self, Receiver, Sender},
    future,
};

use super::shares::owner;
use crate::transport::{Batch, ProvenPeer};

/// The most packets that wait for `recv`.
const PACKETS_MAX: usize = 4096;

/// The most bytes that wait for `recv`.
const BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Inbox {
    sender: Sender<Received>,
    receiver: Receiver<Received>,
    waiting: Mutex<Waiting>,
    /// The socket's failure that `recv` has not returned yet.
    failed: Sender<io::Error>,
    failure: Receiver<io::Error>,
}

/// What waits for `recv`.
#[derive(Debug, Default)]
struct Waiting {
    all: Load,
    by_owner: HashMap<Vec<u8>, Load>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    packets: usize,
    bytes: usize,
}

impl Load {
    fn add(&mut self, len: usize) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len);
    }

    fn remove(&mut self, len: usize) {
        self.packets = self.packets.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(len);
    }
}

impl Waiting {
    /// Whether there is room for so many bytes of this peer.
    fn add(&mut self, peer: &[u8], len: usize) -> bool {
        let load = self.by_owner.get(peer).copied().unwrap_or_default();
        let fits = load.packets < PACKETS_MAX.saturating_sub(self.all.packets)
            && load.bytes.saturating_add(len) <= BYTES_MAX.saturating_sub(self.all.bytes);
        if !fits {
            return false;
        }
        self.all.add(len);
        match self.by_owner.get_mut(peer) {
            Some(load) => load.add(len),
            None => {
                let load = Load {
                    packets: 1,
                    bytes: len,
                };
                self.by_owner.insert(peer.to_vec(), load);
            }
        }
        true
    }

    fn remove(&mut self, peer: &[u8], len: usize) {
        self.all.remove(len);
        if let Some(load) = self.by_owner.get_mut(peer) {
            load.remove(len);
            if load.packets == 0 {
                self.by_owner.remove(peer);
            }
        }
    }
}

/// A packet, and whom it is from.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) from: SocketAddr,
    pub(super) peer: Option<ProvenPeer>,
    pub(super) packet: Vec<u8>,
}

impl Received {
    /// Whose share of the inbox it takes.
    fn of_peer<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        owner(self.peer.as_ref(), self.from, look)
    }
}

impl Inbox {
    pub(super) fn new() -> Self {
        // A bounded one would take the memory of all its places at once.
        let (sender, receiver) = channel::unbounded();
        let (failed, failure) = channel::bounded(1);
        Self {
            sender,
            receiver,
            waiting: Mutex::default(),
            failed,
            failure,
        }
    }

    /// Whether there was room.
    pub(super) fn push(&self, received: Received) -> bool {
        // Kept until it is sent: whoever takes it finds it counted.
        let mut waiting = self.waiting();
        received.of_peer(|peer| waiting.add(peer, received.packet.len()))
            && self.sender.try_send(received).is_ok()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next `recv` fail. If one is to fail already, that is enough.
    pub(super) fn fail(&self, error: io::Error) {
        // Of that kind, it would say that the transport is closed.
        let error = match error.kind() {
            io::ErrorKind::NotConnected => io::Error::other(error),
            _ => error,
        };
        let _ = self.failed.try_send(error);
    }

    /// Waits for a packet, then takes what is there until `batch` is full.
    pub(super) async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let failure = async { self.failure.recv().await.ok().map(Err) };
        let packet = async { self.receiver.recv().await.ok().map(Ok) };
        let mut next = future::or(failure, packet).await.transpose()?;
        while let Some(received) = next.take() {
            if self.receiver.is_closed() {
                break;
            }
            received.of_peer(|peer| self.waiting().remove(peer, received.packet.len()));
            let Received { from, peer, packet } = received;
            match &peer {
                Some(peer) => batch.push_proven(from, peer, &packet),
                None => batch.push(from, &packet),
            }
            if batch.is_full() {
                return Ok(());
            }
            next = self.receiver.try_recv().ok();
        }
        if self.receiver.is_closed() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "transport is closed",
            ));
        }
        Ok(())
    }

    /// From now on, `recv` fails.
    pub(super) fn close(&self) {
        self.receiver.close();
        self.failure.close();
    }
}

//! Received packets on their way to `recv`.

use alloc::vec::Vec;
use core::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::io;

use smol::{
    channel::{self, Receiver, Sender},
    future,
};

use crate::transport::{Batch, ProvenPeer};

/// The most packets that wait for `recv`.
const PACKETS_MAX: usize = 4096;

/// The most bytes that wait for `recv`.
const BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Inbox {
    sender: Sender<Received>,
    receiver: Receiver<Received>,
    packets: AtomicUsize,
    bytes: AtomicUsize,
    /// The socket's failure that `recv` has not returned yet.
    failed: Sender<io::Error>,
    failure: Receiver<io::Error>,
}

/// A packet, and whom it is from.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) from: SocketAddr,
    pub(super) peer: Option<ProvenPeer>,
    pub(super) packet: Vec<u8>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        // A bounded one would take the memory of all its places at once.
        let (sender, receiver) = channel::unbounded();
        let (failed, failure) = channel::bounded(1);
        Self {
            sender,
            receiver,
            packets: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            failed,
            failure,
        }
    }

    /// Whether there was room.
    pub(super) fn push(&self, received: Received) -> bool {
        let len = received.packet.len();
        let packets = self.packets.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(len, Ordering::Relaxed);
        let fits = packets < PACKETS_MAX && bytes.saturating_add(len) <= BYTES_MAX;
        let pushed = fits && self.sender.try_send(received).is_ok();
        if !pushed {
            self.forget(len);
        }
        pushed
    }

    fn forget(&self, len: usize) {
        self.packets.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(len, Ordering::Relaxed);
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
            let Received { from, peer, packet } = received;
            self.forget(packet.len());
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

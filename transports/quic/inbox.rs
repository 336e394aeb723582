//! Received packets on their way to `recv`.

use alloc::vec::Vec;
use core::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::io;

use smol::channel::{self, Receiver, Sender};

use crate::transport::Batch;

/// The most packets that wait for `recv`.
const PACKETS_MAX: usize = 4096;

/// The most bytes that wait for `recv`.
const BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Inbox {
    sender: Sender<(SocketAddr, Vec<u8>)>,
    receiver: Receiver<(SocketAddr, Vec<u8>)>,
    bytes: AtomicUsize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel::bounded(PACKETS_MAX);
        Self {
            sender,
            receiver,
            bytes: AtomicUsize::new(0),
        }
    }

    /// Whether there was room.
    pub(super) fn push(&self, from: SocketAddr, packet: Vec<u8>) -> bool {
        let len = packet.len();
        let before = self.bytes.fetch_add(len, Ordering::Relaxed);
        let fits = before.saturating_add(len) <= BYTES_MAX;
        let pushed = fits && self.sender.try_send((from, packet)).is_ok();
        if !pushed {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
        }
        pushed
    }

    /// Waits for a packet, then takes what is there until `batch` is full.
    pub(super) async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let mut next = self.receiver.recv().await.ok();
        while let Some((from, packet)) = next.take() {
            if self.receiver.is_closed() {
                break;
            }
            self.bytes.fetch_sub(packet.len(), Ordering::Relaxed);
            batch.push(from, &packet);
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
    }
}

//! What a transport puts received packets into.

use alloc::vec::Vec;
use core::{net::SocketAddr, ops::Range};
use std::io;

use super::ProvenPeer;

/// Received packets, in one buffer that is used again.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Entry>,
}

impl Batch {
    /// The most packets in a batch.
    pub const PACKETS_MAX: usize = 64;

    /// The largest packet that [`push_with`](Self::push_with) makes room for.
    pub const PACKET_MAX: usize = 65_535;

    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it takes no more packets.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.packets.len() >= Self::PACKETS_MAX
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Appends a packet of which nobody proved that it is from there.
    pub fn push(&mut self, from: SocketAddr, packet: &[u8]) {
        self.append(from, None, packet);
    }

    /// Appends a packet of a peer that proved who it is.
    pub fn push_proven(&mut self, from: SocketAddr, peer: &ProvenPeer, packet: &[u8]) {
        self.append(from, Some(peer.clone()), packet);
    }

    fn append(&mut self, from: SocketAddr, peer: Option<ProvenPeer>, packet: &[u8]) {
        let start = self.end();
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(packet);
        let range = start..self.bytes.len();
        self.packets.push(Entry { from, peer, range });
    }

    /// Appends the packet that `receive` puts at the front of the buffer it is given: it returns
    /// how many bytes those are, and from where.
    ///
    /// # Errors
    ///
    /// Whatever `receive` returns; nothing is appended then.
    pub fn push_with(
        &mut self,
        receive: impl FnOnce(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    ) -> io::Result<()> {
        let start = self.end();
        // Zeroed once and used again: only ever grows.
        let room = start.saturating_add(Self::PACKET_MAX);
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        let (len, from) = receive(self.bytes.get_mut(start..).unwrap_or_default())?;
        let end = start.saturating_add(len).min(self.bytes.len());
        self.packets.push(Entry {
            from,
            peer: None,
            range: start..end,
        });
        Ok(())
    }

    /// The packets, in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'_>> {
        self.packets.iter().map(|entry| Packet {
            from: entry.from,
            peer: entry.peer.as_ref(),
            bytes: self.bytes.get(entry.range.clone()).unwrap_or_default(),
        })
    }

    /// Empties it, keeping the buffer.
    pub fn clear(&mut self) {
        self.packets.clear();
    }

    fn end(&self) -> usize {
        self.packets.last().map_or(0, |last| last.range.end)
    }
}

/// A packet that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The address that it came from, as it says itself if nobody proved it.
    pub from: SocketAddr,
    /// Who sent it, where the transport makes its peers prove that.
    pub peer: Option<&'a ProvenPeer>,
    /// What it says.
    pub bytes: &'a [u8],
}

#[derive(Debug)]
struct Entry {
    from: SocketAddr,
    peer: Option<ProvenPeer>,
    range: Range<usize>,
}

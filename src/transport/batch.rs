//! What a transport puts received packets into.

use alloc::vec::Vec;
use core::{net::SocketAddr, ops::Range};

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

    /// The largest packet that any transport carries.
    pub const PACKET_MAX: usize = 65_535;

    /// The most bytes of buffer that an empty batch keeps.
    pub const KEPT_MAX: usize = 2048;

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
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        let range = start..self.bytes.len();
        self.packets.push(Entry { from, peer, range });
    }

    /// The packets, in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'_>> {
        self.packets.iter().map(|entry| Packet {
            from: entry.from,
            peer: entry.peer.as_ref(),
            bytes: self.bytes.get(entry.range.clone()).unwrap_or_default(),
        })
    }

    /// Empties it. Of the buffer, no more than [`KEPT_MAX`](Self::KEPT_MAX) bytes are kept: who is
    /// flooded once does not pay for ever.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
        self.bytes.shrink_to(Self::KEPT_MAX);
    }

    /// How many bytes the buffer has room for at present.
    #[must_use]
    pub fn bytes_kept(&self) -> usize {
        self.bytes.capacity()
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

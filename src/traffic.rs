//! How many datagrams of which kind.

use crate::Message;

/// How many datagrams of each kind an engine received and sent, and their bytes. They only grow,
/// and wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    received: [Flow; KINDS.len()],
    sent: [Flow; KINDS.len()],
}

/// Datagrams of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// How many.
    pub datagrams: u64,
    /// How many bytes they have together, without what transports put around them.
    pub bytes: u64,
}

impl Traffic {
    /// Those received whose header could be read, by [kind](Message::kind): those of a kind that
    /// this version does not know as `unknown`.
    pub fn received(&self) -> impl Iterator<Item = (&'static str, Flow)> {
        KINDS.into_iter().zip(self.received)
    }

    /// Those sent, by [kind](Message::kind).
    pub fn sent(&self) -> impl Iterator<Item = (&'static str, Flow)> {
        KINDS.into_iter().zip(self.sent)
    }

    pub(crate) fn note_received<I>(&mut self, message: &Message<I>, len: usize) {
        note(&mut self.received, message.tag(), len);
    }

    /// By the tag of the message.
    pub(crate) fn note_sent(&mut self, tag: u32, len: usize) {
        note(&mut self.sent, tag, len);
    }
}

fn note(flows: &mut [Flow; KINDS.len()], tag: u32, len: usize) {
    let place = usize::try_from(tag).map_or(UNKNOWN, |tag| tag.min(UNKNOWN));
    if let Some(flow) = flows.get_mut(place) {
        flow.datagrams = flow.datagrams.wrapping_add(1);
        flow.bytes = flow.bytes.wrapping_add(len as u64);
    }
}

/// By the tags of the messages; the last stands for all that are not known.
const KINDS: [&str; 14] = [
    "ping",
    "ack",
    "ping-req",
    "indirect-ping",
    "indirect-ack",
    "forwarded-ack",
    "announce",
    "feed",
    "gossip",
    "broadcast",
    "turn-undead",
    "nack",
    "digest",
    "unknown",
];
const UNKNOWN: usize = KINDS.len() - 1;

#[cfg(test)]
mod tests;

//! What the agent has to tell everybody, beside what the engine sends: as items of envelopes, a
//! bounded number of times each.

use alloc::{collections::VecDeque, vec::Vec};

/// Items that wait to be sent, those sent least often first.
pub(super) struct Aside<K> {
    items: VecDeque<Item<K>>,
    bytes: usize,
    bytes_max: usize,
    dropped: u64,
}

struct Item<K> {
    /// What it is about: a later item takes its place.
    key: K,
    tag: u8,
    bytes: Vec<u8>,
    left: u8,
}

impl<K: Eq> Aside<K> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            bytes_max,
            dropped: 0,
        }
    }

    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.trim(bytes_max);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many items went before their time, for others to have room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an item, to be sent so many times. What waits longest goes if there is no room.
    pub(super) fn add(&mut self, key: K, tag: u8, bytes: Vec<u8>, times: u8) {
        self.remove(&key);
        if bytes.len() > self.bytes_max || u16::try_from(bytes.len()).is_err() {
            self.dropped += 1;
            return;
        }
        self.trim(self.bytes_max - bytes.len());
        self.bytes += bytes.len();
        self.items.push_front(Item {
            key,
            tag,
            bytes,
            left: times,
        });
    }

    /// Puts down as many items as fit, as they are on the wire, and counts them as sent, or as an
    /// extra.
    pub(super) fn put(&mut self, room: usize, counts: bool, buf: &mut Vec<u8>) {
        let end = buf.len().saturating_add(room);
        let mut sent = VecDeque::new();
        for _ in 0..self.items.len() {
            let Some(mut item) = self.items.pop_front() else {
                break;
            };
            let len = item.bytes.len();
            let fits = buf.len() + HEAD_LEN + len <= end;
            if fits && let Ok(len) = u16::try_from(len) {
                buf.push(item.tag);
                buf.extend_from_slice(&len.to_be_bytes());
                buf.extend_from_slice(&item.bytes);
            }
            if counts && (fits || HEAD_LEN + len > room) {
                item.left = item.left.saturating_sub(1);
            }
            match item.left {
                0 => {
                    self.bytes -= len;
                    self.dropped += u64::from(!fits);
                }
                _ if fits => sent.push_back(item),
                _ => self.items.push_back(item),
            }
        }
        self.items.append(&mut sent);
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
    }

    /// Lets go of what was told most often, down to so many bytes.
    fn trim(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(last) = self.items.pop_back()
        {
            self.bytes -= last.bytes.len();
            self.dropped += 1;
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(place) = self.items.iter().position(|item| item.key == *key)
            && let Some(item) = self.items.remove(place)
        {
            self.bytes -= item.bytes.len();
        }
    }
}

/// Tag and length.
const HEAD_LEN: usize = 3;

#[cfg(test)]
mod tests;

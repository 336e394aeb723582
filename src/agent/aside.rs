//! What the agent has to tell everybody, beside what the engine sends: as items of envelopes, a
//! bounded number of times each.

use alloc::{collections::BTreeMap, vec::Vec};
use core::hash::Hash;
use std::collections::HashMap;

/// Items that wait to be sent, those sent least often first.
pub(super) struct Aside<K> {
    /// By their places in the queue.
    items: BTreeMap<i64, Item<K>>,
    places: HashMap<K, i64>,
    /// The places that were given last, before all and behind all.
    front: i64,
    back: i64,
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

impl<K: Eq + Hash + Clone> Aside<K> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            items: BTreeMap::new(),
            places: HashMap::new(),
            front: 0,
            back: 0,
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
        if let Some(place) = self.places.get(&key) {
            self.take(*place);
        }
        if bytes.len() > self.bytes_max || u16::try_from(bytes.len()).is_err() {
            self.dropped += 1;
            return;
        }
        self.trim(self.bytes_max - bytes.len());
        self.front -= 1;
        let item = Item {
            key,
            tag,
            bytes,
            left: times,
        };
        self.place(self.front, item);
    }

    /// Puts down as many items as fit, as they are on the wire, and counts them as sent, or as an
    /// extra. Looks at few that do not fit: what it costs does not grow with what waits.
    pub(super) fn put(&mut self, room: usize, counts: bool, buf: &mut Vec<u8>) {
        let end = buf.len().saturating_add(room);
        // What is sent now goes behind that.
        let last = self.back;
        let (mut place, mut passed_over) = (i64::MIN, 0);
        // A range from behind its end is none.
        while place <= last && passed_over < PASSED_OVER_MAX && buf.len() + HEAD_LEN <= end {
            let Some((&next, item)) = self.items.range_mut(place..=last).next() else {
                break;
            };
            place = next.saturating_add(1);
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
                    self.take(next);
                    self.dropped += u64::from(!fits);
                }
                _ if fits => {
                    if let Some(item) = self.take(next) {
                        self.back += 1;
                        self.place(self.back, item);
                    }
                }
                _ => passed_over += 1,
            }
        }
        if self.items.is_empty() {
            self.places = HashMap::new();
        }
    }

    /// Lets go of what was told most often, down to so many bytes.
    fn trim(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(&last) = self.items.last_key_value().map(|(place, _)| place)
        {
            self.take(last);
            self.dropped += 1;
        }
    }

    fn place(&mut self, place: i64, item: Item<K>) {
        self.bytes += item.bytes.len();
        self.places.insert(item.key.clone(), place);
        self.items.insert(place, item);
    }

    fn take(&mut self, place: i64) -> Option<Item<K>> {
        let item = self.items.remove(&place)?;
        self.places.remove(&item.key);
        self.bytes -= item.bytes.len();
        Some(item)
    }
}

/// Tag and length.
const HEAD_LEN: usize = 3;
/// How many items that do not fit are passed over to fill a packet up.
const PASSED_OVER_MAX: usize = 8;

#[cfg(test)]
mod tests;

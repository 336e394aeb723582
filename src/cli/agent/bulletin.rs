//! What members tell all others.

use core::error::Error;
use std::collections::{HashSet, VecDeque};

use selkie::{BroadcastHandler, Invalidates, Node};
use smol::channel::{Receiver, Sender, bounded};

/// Takes broadcasts in: each content once, as long as it is remembered.
pub(super) struct Bulletins {
    seen: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
    bytes: usize,
    heard: Sender<Vec<u8>>,
}

impl Bulletins {
    /// With what was heard. What nobody takes in time is not told.
    pub(super) fn new() -> (Self, Receiver<Vec<u8>>) {
        let (heard, hearing) = bounded(HEARD_MAX);
        let bulletins = Self {
            seen: HashSet::new(),
            order: VecDeque::new(),
            bytes: 0,
            heard,
        };
        (bulletins, hearing)
    }

    fn is_news(&mut self, data: &[u8]) -> bool {
        if !self.seen.insert(data.to_vec()) {
            return false;
        }
        self.bytes += data.len();
        self.order.push_back(data.to_vec());
        while self.order.len() > SEEN_MAX || self.bytes > SEEN_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
            self.seen.remove(&oldest);
        }
        true
    }
}

impl BroadcastHandler<Node> for Bulletins {
    type Key = Bulletin;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Node>,
    ) -> Result<Option<Bulletin>, Box<dyn Error + Send + Sync>> {
        if !self.is_news(data) {
            return Ok(None);
        }
        let _ = self.heard.try_send(data.to_vec());
        Ok(Some(Bulletin))
    }
}

/// None makes another one obsolete.
#[derive(Debug)]
pub(super) struct Bulletin;

impl Invalidates for Bulletin {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

/// How many are remembered: far more than are on their way at any time.
const SEEN_MAX: usize = 4096;
/// How many bytes of them.
const SEEN_BYTES_MAX: usize = 1 << 20;
/// How many wait to be printed.
const HEARD_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::{Bulletins, SEEN_MAX};

    #[test]
    fn the_same_is_news_once_until_it_is_forgotten() {
        let (mut bulletins, _hearing) = Bulletins::new();
        assert!(bulletins.is_news(b"deploy"));
        assert!(!bulletins.is_news(b"deploy"));
        for number in 0..SEEN_MAX {
            assert!(bulletins.is_news(number.to_string().as_bytes()));
        }
        assert!(bulletins.is_news(b"deploy"));
        assert_eq!(bulletins.seen.len(), bulletins.order.len());
    }
}

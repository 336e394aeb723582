//! How much who sent and received.

/// Packets and their bytes.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// let sent: Volume = sim.traffic().sent();
/// println!("{} bytes per packet", sent.bytes / sent.packets);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many packets.
    pub packets: u64,
    /// Their bytes, without what a transport adds.
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }

    fn less(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

/// What a node, or all of them, sent and received, by the kind of message
/// ([`Message::kind`](crate::Message::kind)).
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
///
/// let mut sim = Simulation::new(1, Config::simple(), PostcardCodec);
/// sim.add_peers(10);
/// sim.join_all(0);
/// sim.run_for(Duration::from_secs(60));
/// let before = sim.traffic();
/// sim.run_for(Duration::from_secs(150));
/// let load = sim.traffic().since(&before);
/// // One ping per member and period.
/// assert!((990..=1010).contains(&load.sent_of("ping").packets));
/// assert_eq!(load.sent().packets, load.received().packets);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    kinds: [(&'static str, Volume, Volume); KINDS_MAX],
}

/// How many kinds are told apart; all beyond are counted as the last one.
const KINDS_MAX: usize = 16;

impl Traffic {
    /// All that was sent.
    #[must_use]
    pub fn sent(&self) -> Volume {
        self.total(|(_, sent, _)| sent)
    }

    /// All that was handed to the member: without what was lost.
    #[must_use]
    pub fn received(&self) -> Volume {
        self.total(|(_, _, received)| received)
    }

    /// What was sent of one kind, such as `ping`.
    #[must_use]
    pub fn sent_of(&self, kind: &str) -> Volume {
        self.of(kind).1
    }

    /// What was received of one kind.
    #[must_use]
    pub fn received_of(&self, kind: &str) -> Volume {
        self.of(kind).2
    }

    /// Each kind, what was sent and what was received of it, in the order of their first packets.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, Volume, Volume)> + '_ {
        self.kinds
            .iter()
            .filter(|(kind, ..)| !kind.is_empty())
            .copied()
    }

    /// What came on top after an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (kind, sent, received) in &mut since.kinds {
            let (_, sent_before, received_before) = earlier.of(kind);
            *sent = sent.less(sent_before);
            *received = received.less(received_before);
        }
        since
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        for (kind, sent, received) in other.kinds() {
            let place = self.place(kind);
            place.1.add(sent);
            place.2.add(received);
        }
    }

    pub(super) fn count_sent(&mut self, kind: &'static str, bytes: usize) {
        self.place(kind).1.add(one(bytes));
    }

    pub(super) fn count_received(&mut self, kind: &'static str, bytes: usize) {
        self.place(kind).2.add(one(bytes));
    }

    fn total(&self, pick: impl Fn((&'static str, Volume, Volume)) -> Volume) -> Volume {
        let mut total = Volume::default();
        for kind in self.kinds {
            total.add(pick(kind));
        }
        total
    }

    fn of(&self, kind: &str) -> (&'static str, Volume, Volume) {
        let found = self.kinds().find(|(named, ..)| *named == kind);
        found.unwrap_or_default()
    }

    fn place(&mut self, kind: &'static str) -> &mut (&'static str, Volume, Volume) {
        let place = self
            .kinds
            .iter()
            .position(|(named, ..)| *named == kind || named.is_empty())
            .unwrap_or(KINDS_MAX - 1);
        let place = &mut self.kinds[place];
        if place.0.is_empty() {
            place.0 = kind;
        }
        place
    }
}

fn one(bytes: usize) -> Volume {
    Volume {
        packets: 1,
        bytes: bytes as u64,
    }
}

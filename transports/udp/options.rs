//! Settings of the transports over UDP.

use core::time::Duration;

/// Settings of [`PlainUdp`](super::PlainUdp) and `SealedUdp`.
///
/// All bounds are per transport, and about the streams that peers open, unless said otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(super) has_streams: bool,
    pub(super) streams_max: usize,
    pub(super) streams_per_source_max: usize,
    pub(super) greetings_max: usize,
    pub(super) greetings_per_source_max: usize,
    pub(super) greeting_time: Duration,
    pub(super) open_time: Duration,
    pub(super) silence_max: Duration,
}

impl Options {
    /// Streams, with bounds that suit some hundred members.
    pub fn new() -> Self {
        Self {
            has_streams: true,
            streams_max: 256,
            streams_per_source_max: 64,
            greetings_max: 64,
            greetings_per_source_max: 16,
            greeting_time: Duration::from_secs(3),
            open_time: Duration::from_secs(3),
            silence_max: Duration::from_secs(30),
        }
    }

    /// UDP only: no TCP port is opened, and there are no streams.
    pub fn without_streams(mut self) -> Self {
        self.has_streams = false;
        self
    }

    /// The most streams that peers have open, and the most that we have. Further ones of theirs
    /// are ended at once, and counted; of ours, opening says [`Busy`]. By default 256.
    ///
    /// [`Busy`]: crate::transport::SendError::Busy
    pub fn streams_max(mut self, streams: usize) -> Self {
        self.streams_max = streams;
        self
    }

    /// The most of them from one source: an IPv4 address, or a /64 network of IPv6. By default 64.
    pub fn streams_per_source_max(mut self, streams: usize) -> Self {
        self.streams_per_source_max = streams;
        self
    }

    /// The most connections that have not greeted yet. Further ones are ended at once, and
    /// counted. By default 64.
    pub fn greetings_max(mut self, connections: usize) -> Self {
        self.greetings_max = connections;
        self
    }

    /// The most of them from one source. By default 16.
    pub fn greetings_per_source_max(mut self, connections: usize) -> Self {
        self.greetings_per_source_max = connections;
        self
    }

    /// How long a connection may take to greet. By default 3 s.
    pub fn greeting_time(mut self, time: Duration) -> Self {
        self.greeting_time = time;
        self
    }

    /// How long opening a stream may take, greeting included. By default 3 s.
    pub fn open_time(mut self, time: Duration) -> Self {
        self.open_time = time;
        self
    }

    /// How long nothing may pass, either way, while somebody waits for a stream of either side.
    /// It breaks then. By default 30 s.
    pub fn silence_max(mut self, time: Duration) -> Self {
        self.silence_max = time;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

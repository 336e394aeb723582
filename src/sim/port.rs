//! A machine's way out.

use core::time::Duration;

use super::world::World;
use crate::{Identity, Notification};

/// Where a [`Machine`](super::Machine) puts what it wants done. For an
/// [`Engine`](crate::Engine), it is its [`Runtime`](crate::Runtime).
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use selkie::{Config, codecs::PostcardCodec, sim::{Peer, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.add_peers(2);
/// let sent = sim.input(0, |engine, port| engine.announce(Peer::numbered(2), port));
/// assert!(matches!(sent, Some(Ok(()))));
/// # }
/// ```
pub struct Port<'a, I: Identity, T> {
    pub(super) world: &'a mut World<I, T>,
    pub(super) node: usize,
}

impl<I: Identity, T> core::fmt::Debug for Port<'_, I, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Port")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl<I: Identity, T> Port<'_, I, T> {
    /// Sends a packet to whoever has this identity's address. `kind` is what it is counted as.
    pub fn send(&mut self, to: &I, kind: &'static str, data: &[u8]) {
        self.world.send(self.node, to, kind, data);
    }

    /// Hands the timer back after this time, on the node's clock.
    pub fn after(&mut self, after: Duration, timer: T) {
        self.world.set_timer(self.node, after, timer);
    }

    /// Tells the user something.
    pub fn tell(&mut self, notice: Notification<'_, I>) {
        self.world.tell(self.node, notice);
    }

    /// How many bytes a packet to this identity may have, as far as the node can know.
    #[must_use]
    pub fn room_to(&self, to: &I) -> usize {
        let link = |to| self.world.network.link(self.node, to);
        self.world
            .node_at(to)
            .map_or(usize::MAX, |to| link(to).size_limit.room())
    }

    /// The virtual time since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// Which node this is.
    #[must_use]
    pub fn node(&self) -> usize {
        self.node
    }

    /// Sends a packet whose kind is to be read from it.
    pub(super) fn send_classified(&mut self, to: &I, data: &[u8]) {
        let kind = (self.world.kinds)(data);
        self.send(to, kind, data);
    }
}

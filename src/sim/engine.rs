//! The engine as a machine to simulate. All that the simulator knows of the engine is here.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Limits, Load, Machine, News, Port, Simulation};
use crate::{
    BroadcastHandler, Codec, Config, Engine, Identity, Member, NoCustomBroadcast, Notice,
    Notification, Runtime, Timer,
};

/// Former identities that an engine still spreads the end of, and itself.
const UPDATES_BESIDE_MEMBERS: usize = 17;

impl<I, C, H> Machine for Engine<I, C, H>
where
    I: Identity + 'static,
    C: Codec<I> + 'static,
    H: BroadcastHandler<I> + 'static,
{
    type Id = I;
    type Timer = Timer<I>;

    fn start(&mut self, port: &mut Port<'_, I, Timer<I>>) {
        Self::start(self, port);
    }

    /// What is refused the engine counts.
    fn handle_data(&mut self, data: &[u8], port: &mut Port<'_, I, Timer<I>>) {
        let _ = Self::handle_data(self, data, port);
    }

    fn handle_timer(&mut self, timer: Timer<I>, port: &mut Port<'_, I, Timer<I>>) {
        Self::handle_timer(self, timer, port);
    }

    /// Does nothing while the engine is out of the cluster for good.
    fn announce(&mut self, to: I, port: &mut Port<'_, I, Timer<I>>) {
        let _ = Self::announce(self, to, port);
    }

    fn leave(&mut self, port: &mut Port<'_, I, Timer<I>>) {
        let _ = Self::leave_cluster(self, port);
    }

    fn identity(&self) -> &I {
        Self::identity(self)
    }

    fn belief(&self, addr: &I::Addr) -> Option<Member<&I>> {
        Self::member(self, addr)
    }

    fn beliefs(&self, each: &mut dyn FnMut(Member<&I>)) {
        self.membership_state().for_each(each);
    }

    fn num_active(&self) -> usize {
        self.num_members()
    }

    fn load(&self) -> Load {
        Load {
            updates: self.updates_backlog(),
            broadcasts: self.broadcasts_backlog(),
            active: self.num_members(),
            down: self.num_down_members(),
        }
    }

    fn limits(&self) -> Limits {
        let config = self.config();
        let held = self.num_members() + self.num_down_members();
        Limits {
            packet_size: config.max_packet_size,
            updates: held + UPDATES_BESIDE_MEMBERS,
            broadcasts: config.max_broadcasts,
            active: config.max_members,
            down: config.max_down_members,
        }
    }
}

impl<I: Identity> Runtime<I> for Port<'_, I, Timer<I>> {
    fn notify(&mut self, notification: Notification<'_, I>) {
        self.tell(notification);
    }

    fn send_to(&mut self, to: &I, data: &[u8]) {
        self.send_classified(to, data);
    }

    fn submit_after(&mut self, timer: Timer<I>, after: Duration) {
        self.after(after, timer);
    }

    fn room(&self, to: &I) -> usize {
        self.room_to(to)
    }
}

impl<I, C> Simulation<Engine<I, C>>
where
    I: Identity + 'static,
    C: Codec<I> + Clone + 'static,
{
    /// A simulation of engines with these settings and this codec. Nobody is there yet.
    ///
    /// The same seed and the same calls give the same run.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(42, Config::lan(), PostcardCodec);
    /// sim.add_peers(3);
    /// assert_eq!(sim.live().count(), 3);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Adding a node panics when the engine refuses the settings, or the node's identity.
    #[must_use]
    pub fn new(seed: u64, config: Config, codec: C) -> Self {
        Self::with_broadcasts(seed, config, codec, |_| NoCustomBroadcast)
    }
}

impl<I, C, H> Simulation<Engine<I, C, H>>
where
    I: Identity + 'static,
    C: Codec<I> + Clone + 'static,
    H: BroadcastHandler<I> + 'static,
{
    /// The same, with custom broadcasts: each node that starts is given a handler made for it.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{Config, NoCustomBroadcast, codecs::PostcardCodec, sim::{Peer, Simulation}};
    ///
    /// let make = |_: &Peer| NoCustomBroadcast;
    /// let mut sim = Simulation::with_broadcasts(42, Config::lan(), PostcardCodec, make);
    /// sim.add_peers(3);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`new`](Simulation::new).
    #[must_use]
    pub fn with_broadcasts(
        seed: u64,
        config: Config,
        codec: C,
        mut handler: impl FnMut(&I) -> H + 'static,
    ) -> Self {
        let mut reader = codec.clone();
        let make = move |id: I, seed| {
            let (config, codec, handler) = (config.clone(), codec.clone(), handler(&id));
            match Engine::with_broadcasts(id, config, seed, codec, handler) {
                Ok(engine) => engine,
                Err(refused) => panic!("a node cannot start: {refused}"),
            }
        };
        let mut sim = Self::of(seed, make);
        sim.set_kinds(Box::new(move |mut data| {
            let header = reader.decode_header(&mut data);
            header.map_or("unreadable", |header| header.message.kind())
        }));
        sim
    }
}

/// What a notification is about, and whom.
pub(super) fn news<'n, I>(notice: &Notice<&'n I>) -> (News, Option<&'n I>) {
    match *notice {
        Notice::MemberUp(id) => (News::Up, Some(id)),
        Notice::MemberDown(id) => (News::Down, Some(id)),
        Notice::MemberLeft(id) => (News::Left, Some(id)),
        Notice::MemberSuspect { id, .. } => (News::Suspected, Some(id)),
        Notice::MemberRefuted(id) => (News::Refuted, Some(id)),
        Notice::Rename { after, .. } => (News::Renamed, Some(after)),
        Notice::MemberForgotten(id) => (News::Forgotten, Some(id)),
        Notice::Rejoin(id) => (News::Rejoined, Some(id)),
        Notice::Defunct => (News::Defunct, None),
        Notice::SuspicionConfirmed { id, .. } => (News::Other, Some(id)),
        _ => (News::Other, None),
    }
}

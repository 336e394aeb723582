//! The engine.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use crate::{
    BroadcastHandler, Codec, Config, Counters, Error, Header, Identity, Incarnation, Member,
    NoCustomBroadcast, Runtime, Timer,
};

/// Result of an input of an engine with codec `C`.
type Result<T, I, C> = core::result::Result<T, Error<<C as Codec<I>>::Error>>;

/// The SWIM state machine. STUB of the API.
pub struct Engine<I: Identity, C, H: BroadcastHandler<I> = NoCustomBroadcast> {
    p: PhantomData<(I, C, H)>,
}
impl<I: Identity, C, H: BroadcastHandler<I>> fmt::Debug for Engine<I, C, H> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl<I: Identity, C: Codec<I>> Engine<I, C> {
    /// seed: any number, unpredictable to others, different at each start.
    pub fn new(identity: I, config: Config, seed: u64, codec: C) -> Result<Self, I, C> {
        Self::with_broadcasts(identity, config, seed, codec, NoCustomBroadcast)
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Like new, with a handler of custom broadcasts.
    pub fn with_broadcasts(
        _identity: I,
        _config: Config,
        _seed: u64,
        _codec: C,
        _handler: H,
    ) -> Result<Self, I, C> {
        unimplemented!()
    }
    /// Submits the first timers. Call once before anything else.
    pub fn start(&mut self, _runtime: &mut impl Runtime<I>) {
        unimplemented!()
    }
    /// A datagram came in.
    pub fn handle_data(&mut self, data: &[u8], runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        self.handle_data_if(data, |_| true, runtime)
    }
    /// A datagram came in; `check` sees the decoded header before anything is believed.
    pub fn handle_data_if(
        &mut self,
        _data: &[u8],
        _check: impl FnOnce(&Header<I>) -> bool,
        _runtime: &mut impl Runtime<I>,
    ) -> Result<(), I, C> {
        unimplemented!()
    }
    /// A timer is due. Total: never fails.
    pub fn handle_timer(&mut self, _timer: Timer<I>, _runtime: &mut impl Runtime<I>) {
        unimplemented!()
    }
    /// Asks `dst` to let us in.
    pub fn announce(&mut self, _dst: I, _runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Gossips now, to as many members as `num_indirect_probes`.
    pub fn gossip(&mut self, _runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Sends waiting custom broadcasts now, without updates.
    pub fn broadcast(&mut self, _runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Offers data to the handler and, if it is news, spreads it. Returns whether it was.
    pub fn add_broadcast(
        &mut self,
        _data: &[u8],
        _runtime: &mut impl Runtime<I>,
    ) -> Result<bool, I, C> {
        unimplemented!()
    }
    /// Applies memberships from elsewhere (a snapshot, a replica).
    pub fn apply_many(
        &mut self,
        _members: impl IntoIterator<Item = Member<I>>,
        _runtime: &mut impl Runtime<I>,
    ) {
        unimplemented!()
    }
    /// Takes another identity.
    pub fn change_identity(
        &mut self,
        _identity: I,
        _runtime: &mut impl Runtime<I>,
    ) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Comes back under the identity that was declared down or that left.
    pub fn reuse_down_identity(&mut self, _runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Tells the cluster that we go. Keep running the engine until enough `LeaveAcked`, or a deadline.
    pub fn leave_cluster(&mut self, _runtime: &mut impl Runtime<I>) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Changes settings.
    pub fn set_config(
        &mut self,
        _config: Config,
        _runtime: &mut impl Runtime<I>,
    ) -> Result<(), I, C> {
        unimplemented!()
    }
    /// Who we are.
    pub fn identity(&self) -> &I {
        unimplemented!()
    }
    /// Our own incarnation.
    pub fn incarnation(&self) -> Incarnation {
        unimplemented!()
    }
    /// Present settings.
    pub fn config(&self) -> &Config {
        unimplemented!()
    }
    /// The active members, without ourselves.
    pub fn members(&self) -> impl Iterator<Item = Member<&I>> {
        Vec::new().into_iter()
    }
    /// Every entry, down ones included, without ourselves.
    pub fn membership_state(&self) -> impl Iterator<Item = Member<&I>> {
        Vec::new().into_iter()
    }
    /// What is believed about a member, by address.
    pub fn member(&self, _addr: &I::Addr) -> Option<Member<&I>> {
        unimplemented!()
    }
    /// How many members are active, without ourselves.
    pub fn num_members(&self) -> usize {
        unimplemented!()
    }
    /// Updates that wait to be sent.
    pub fn updates_backlog(&self) -> usize {
        unimplemented!()
    }
    /// Broadcasts that wait to be sent.
    pub fn broadcasts_backlog(&self) -> usize {
        unimplemented!()
    }
    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }
    /// The handler.
    pub fn handler(&self) -> &H {
        unimplemented!()
    }
}

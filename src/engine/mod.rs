//! The SWIM state machine: what a member believes, says and does.
//!
//! Start at [`Engine`]: its documentation is the integration manual.

mod age_list;
mod backlog;
mod buckets;
mod digest;
mod draw;
mod entry;
mod forget;
mod gossip;
mod handed;
mod health;
mod join;
mod lookup;
mod ourselves;
mod packet;
mod probe;
mod readers;
mod receive;
mod recent;
mod ring;
mod suspicion;
mod table;
mod tasks;
mod turns;
mod undead;
mod updates;

use alloc::vec::Vec;
use fastrand::Rng;

pub use self::readers::Probing;
use self::{
    backlog::{Backlog, Framing, ItemId},
    digest::Digest,
    entry::Slot,
    forget::Sweep,
    health::Health,
    join::Challenges,
    lookup::Lookup,
    ourselves::FormerIdentities,
    packet::Body,
    probe::Prober,
    recent::Recent,
    table::Table,
    tasks::Tasks,
    undead::{Departure, UndeadCheck},
    updates::{Aftermath, Standing, Teller},
};
use crate::{
    BroadcastHandler, Codec, Config, Counters, Epoch, Error, Header, Identity, Incarnation, Member,
    NoCustomBroadcast, Runtime, Timer, Traffic,
};

/// What an input of an engine with the codec `C` returns.
pub type Result<T, I, C> = core::result::Result<T, Error<<C as Codec<I>>::Error>>;

/// A member of a cluster, without clock, socket or thread: it is told what came in and which
/// timer is due, and tells a [`Runtime`] what to send, when to wake it, and what happened.
///
/// # The loop
///
/// 1. Make one with [`new`](Self::new) and call [`start`](Self::start).
/// 2. [`announce`](Self::announce) to somebody, or wait until somebody announces to us.
/// 3. For each datagram that arrives: [`handle_data`](Self::handle_data).
/// 4. For each timer that is due: [`handle_timer`](Self::handle_timer). A
///    [`TimerQueue`](crate::TimerQueue) keeps them in order.
/// 5. After each call, carry out what the runtime was told: send the datagrams, schedule the
///    timers, tell the user. A runtime may do so at once, or
///    [queue it](crate::AccumulatingRuntime).
///
/// Every input is complete when it returns: nothing is left half done, whatever it returns, and
/// no input ever panics. Same seed and same inputs, same outputs.
///
/// # Timers
///
/// Each submitted timer is to be handed back once, after the given time. Delivering one late,
/// twice or out of order is harmless: what is not expected any more is ignored, and a late one
/// stretches the period that it belongs to, so that whoever is probed has its full time. How many
/// are under way is bounded: one of each kind, whatever others make us do, and a few suspicions for
/// each member.
///
/// | timer | submitted | when it is due |
/// | --- | --- | --- |
/// | [`Probe`](Timer::Probe) | once Connected, then by `IndirectProbe` | judges a probe, sends the next Ping |
/// | [`IndirectProbe`](Timer::IndirectProbe) | by `Probe` | if there was no Ack, sends PingReqs |
/// | [`Nack`](Timer::Nack) | by a PingReq | tells who asked that the target is silent |
/// | [`Suspicion`](Timer::Suspicion) | with each suspicion | declares Down, may send TurnUndead |
/// | [`Forget`](Timer::Forget) | while a member is down | forgets who is down for long enough |
/// | [`Gossip`](Timer::Gossip) | while something waits to be sent | sends Gossip |
/// | [`Announce`](Timer::Announce) | while Connected | announces to active members |
/// | [`AnnounceDown`](Timer::AnnounceDown) | unless Undead | announces to down members |
/// | [`Digest`](Timer::Digest) | while Connected | sends digests of the membership |
/// | [`UndeadCheck`](Timer::UndeadCheck) | after a TurnUndead | judges what its sender said since |
///
/// # Order of outputs
///
/// Within a call, outputs come in the order in which things happen: `Rename` precedes the
/// `MemberUp` or `MemberDown` of the same member; `Active` and `Idle` follow the `MemberUp` and
/// `MemberDown` that bring them about; what a datagram says is notified before anything is sent
/// because of it; a refutation is sent before the answer to whoever brought the suspicion.
///
/// # States
///
/// ```text
///                first active member known
///  Disconnected ---------------------------> Connected
///       ^       <---------------------------     |
///       |              last one gone             |
///       | change_identity, reuse_down_identity   | declared down without a renewal,
///       +------------------ Undead <-------------+ or leave_cluster
/// ```
///
/// While Disconnected, only [down members](Config::periodic_announce_to_down_members) are
/// announced to. While Undead, nothing that is said about ourselves is acted on.
///
/// # Cost
///
/// No input takes longer in a larger cluster, but for those that walk through what they are given
/// ([`apply_many`](Self::apply_many)), a change of our own identity, which walks through the
/// suspects, and the first need of [digests](Config::digest), which walks through all members: when
/// that setting is turned on, or a digest comes while it is off.
pub struct Engine<I: Identity, C, H: BroadcastHandler<I> = NoCustomBroadcast> {
    identity: I,
    incarnation: Incarnation,
    former: FormerIdentities<I>,
    /// Whether another active holder of our address made us renew already.
    was_superseded: bool,

    config: Config,
    codec: C,
    handler: H,
    rng: Rng,

    table: Table<I>,
    updates: Backlog<Subject>,
    /// What waits to be sent about ourselves. Goes first in every packet.
    own_item: Option<ItemId>,
    broadcasts: Backlog<H::Key>,

    connection: Connection,
    epoch: Epoch,
    tasks: Tasks,
    prober: Prober<I>,
    health: Health,
    undead_check: UndeadCheck<I>,
    departure: Departure<I>,
    /// The last members we announced ourselves to by name that did not answer yet.
    announced: Recent<I, ANNOUNCED_MAX>,
    challenges: Challenges<I>,
    sweep: Sweep,
    digest: Digest,

    transmissions: Cached<u8>,
    /// The most bytes that one item may have to fit a packet.
    item_max: usize,
    counters: Counters,
    traffic: Traffic,
    /// The datagram being composed.
    buf: Vec<u8>,
    /// The tag of its message.
    buf_tag: u32,
    /// The update being encoded.
    scratch: Vec<u8>,
    /// The updates of the datagram being handled.
    incoming: Vec<Member<I>>,
    /// How many datagrams in a row had far fewer updates than that has room for.
    datagrams_small: u8,
    /// Where they were found.
    lookups: Vec<Lookup>,
}

/// How many unanswered announces are remembered.
const ANNOUNCED_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Disconnected,
    Connected,
    Undead(Undead),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undead {
    Left,
    Defunct,
}

/// Whom a waiting update is about.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Member(Slot),
    Ourselves,
    /// The identity of our own that we gave up and that is remembered at this place.
    Former(usize),
}

/// A figure that follows from the number of members.
#[derive(Clone, Copy)]
struct Cached<T> {
    for_members: usize,
    value: T,
}

impl<I: Identity, C: Codec<I>> Engine<I, C> {
    /// An engine without custom broadcasts.
    ///
    /// `seed` decides everything that is left to chance. It must be unpredictable for others (the
    /// table's hash key comes from it) and different at each start; a simulation picks its own.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`]; [`Error::NamelessIdentity`]; [`Error::Encode`] or
    /// [`Error::TooBigToSend`] when the codec cannot put the identity into a packet.
    pub fn new(identity: I, config: Config, seed: u64, codec: C) -> Result<Self, I, C> {
        Self::with_broadcasts(identity, config, seed, codec, NoCustomBroadcast)
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// An engine with a handler of custom broadcasts. See [`new`](Engine::new).
    ///
    /// # Errors
    ///
    /// As [`new`](Engine::new).
    pub fn with_broadcasts(
        identity: I,
        config: Config,
        seed: u64,
        codec: C,
        handler: H,
    ) -> Result<Self, I, C> {
        config.validate()?;
        let mut rng = Rng::with_seed(seed);
        let mut engine = Self {
            table: Table::new(&mut rng),
            identity: identity.clone(),
            digest: Digest::new(config.digest.is_some()),
            incarnation: Incarnation::default(),
            former: FormerIdentities::new(),
            was_superseded: false,
            config,
            codec,
            handler,
            rng,
            updates: Backlog::new(Framing::Bare),
            own_item: None,
            broadcasts: Backlog::new(Framing::Length),
            connection: Connection::Disconnected,
            epoch: Epoch::default(),
            tasks: Tasks::default(),
            prober: Prober::new(),
            health: Health::default(),
            undead_check: UndeadCheck::new(),
            departure: Departure::new(),
            announced: Recent::new(),
            challenges: Challenges::new(),
            sweep: Sweep::new(),
            transmissions: Cached {
                for_members: 0,
                value: 0,
            },
            item_max: 0,
            counters: Counters::default(),
            traffic: Traffic::default(),
            buf: Vec::new(),
            buf_tag: 0,
            scratch: Vec::new(),
            incoming: Vec::new(),
            datagrams_small: 0,
            lookups: Vec::new(),
        };
        engine.check_identity(&identity)?;
        engine.measure();
        Ok(engine)
    }

    /// Submits the first timers. To be called once, before anything else.
    pub fn start<R: Runtime<I>>(&mut self, runtime: &mut R) {
        self.restart_tasks(runtime);
    }

    /// Takes in a datagram.
    ///
    /// May notify and submit timers, for what it says; then may send: a refutation to some
    /// members, and an answer to the sender, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::DataTooBig`], [`Error::Decode`], [`Error::MalformedPacket`],
    /// [`Error::DataFromOurselves`]: nothing of the datagram was believed.
    /// [`Error::CustomBroadcast`]: everything else in it was. Each is counted; so is what is
    /// dropped without an error, such as a datagram for somebody else, and an answer that cannot
    /// be sent since the codec cannot write its receiver's identity.
    pub fn handle_data<R: Runtime<I>>(&mut self, data: &[u8], runtime: &mut R) -> Result<(), I, C> {
        self.handle_data_if(data, |_| true, runtime)
    }

    /// Takes in a datagram whose header passes a check: for a transport that knows who its peer
    /// is, and can tell that the sender is not who it says.
    ///
    /// `check` is asked before anything of the datagram is believed.
    ///
    /// # Errors
    ///
    /// As [`handle_data`](Self::handle_data). A failed check is counted, and no error.
    pub fn handle_data_if<R: Runtime<I>>(
        &mut self,
        data: &[u8],
        check: impl FnOnce(&Header<I>) -> bool,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += data.len() as u64;
        let outcome = self.take_in(data, check, runtime);
        match &outcome {
            Err(Error::DataTooBig { .. }) => self.counters.dropped_too_big += 1,
            Err(Error::Decode(_)) => self.counters.dropped_undecodable += 1,
            Err(Error::MalformedPacket) => self.counters.dropped_malformed += 1,
            Err(Error::DataFromOurselves) => self.counters.dropped_from_ourselves += 1,
            _ => {}
        }
        self.arm_gossip(runtime);
        outcome
    }

    /// Takes back a timer that is due. Never fails: what is not expected any more is ignored.
    pub fn handle_timer<R: Runtime<I>>(&mut self, timer: Timer<I>, runtime: &mut R) {
        match timer {
            Timer::Suspicion {
                id,
                incarnation,
                epoch,
                confirmations,
            } => self.on_suspicion_timer(&id, (incarnation, epoch), confirmations, runtime),
            Timer::Nack { token } => self.on_nack_timer(token, runtime),
            Timer::Forget { turn } => self.on_forget_timer(turn, runtime),
            Timer::Probe { token } => self.on_probe_timer(token, runtime),
            Timer::IndirectProbe { token } => self.on_indirect_probe_timer(token, runtime),
            Timer::UndeadCheck { token } => self.on_undead_check_timer(token, runtime),
            Timer::Gossip { token } => self.on_gossip_timer(token, runtime),
            Timer::Announce { token } => self.on_announce_timer(token, runtime),
            Timer::AnnounceDown { token } => self.on_announce_down_timer(token, runtime),
            Timer::Digest { token } => self.on_digest_timer(token, runtime),
        }
        self.arm_gossip(runtime);
    }

    /// Changes the settings, whichever, at once: the periodic tasks and the probe start afresh.
    /// Suspicions that run keep the timeout they began with. What waits to be sent but fits no
    /// packet any more is dropped, and so is what exceeds a lower bound, save active members.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`], and [`Error::TooBigToSend`] when our identity does not fit the
    /// new packet size: the present settings stay.
    pub fn set_config<R: Runtime<I>>(
        &mut self,
        config: Config,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        config.validate()?;
        let before = core::mem::replace(&mut self.config, config);
        let identity = self.identity.clone();
        if let Err(error) = self.check_identity(&identity) {
            self.config = before;
            return Err(error);
        }
        self.measure();
        self.trim(runtime);
        self.reset_digest();
        self.restart_sweep(runtime);
        self.transmissions.for_members = 0;
        self.prober.drop_probe();
        self.health = Health::default();
        self.cancel_tasks();
        self.restart_tasks(runtime);
        Ok(())
    }

    /// Whether packets can be sent to and from an identity, and it is a member's.
    fn check_identity(&mut self, identity: &I) -> Result<(), I, C> {
        if !identity.names_member() {
            return Err(Error::NamelessIdentity);
        }
        self.check_sendable(identity)
    }

    fn is_undead(&self) -> bool {
        matches!(self.connection, Connection::Undead(_))
    }

    /// Active members, ourselves included.
    fn cluster_size(&self) -> usize {
        self.table.num_active() + 1
    }

    /// How often each item is sent in a cluster of the present size.
    fn transmissions(&mut self) -> u8 {
        let members = self.cluster_size();
        if self.transmissions.for_members != members {
            let value = self.config.transmissions.at(members);
            self.transmissions = Cached {
                for_members: members,
                value,
            };
        }
        self.transmissions.value
    }

    fn next_epoch(&mut self) -> Epoch {
        self.epoch = self.epoch.next();
        self.epoch
    }
}

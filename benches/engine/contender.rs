//! What both engines are asked to do, and where their outputs go.

use core::{
    hint::black_box,
    num::{NonZeroU8, NonZeroUsize},
    time::Duration,
};

use foca::Foca;
use rand::{SeedableRng, rngs::SmallRng};
use selkie::{Codec, Config, Engine, Member, ProbeNumber, Transmissions, codecs::PostcardCodec};

use crate::member::{Id, OURSELVES, PACKET_SIZE_MAX};

/// An engine under test.
pub trait Contender {
    /// One that knows nobody and sends each update so often.
    fn new(transmissions: u8) -> Self;

    /// Takes in the members, without spreading them.
    fn apply_all(&mut self, members: &[Id]);

    fn handle_data(&mut self, data: &[u8]);

    fn gossip(&mut self);

    /// Hands back the timer that begins a probe.
    fn probe_timer(&mut self);

    /// Hands back the timer that asks others to probe.
    fn indirect_probe_timer(&mut self);

    /// Changes how often each update is sent.
    fn set_transmissions(&mut self, transmissions: u8);

    fn num_members(&self) -> usize;

    fn backlog(&self) -> usize;

    fn last_sent(&self) -> &LastSent;
}

/// The start of the last datagram that an engine sent, and to whom.
pub struct LastSent {
    pub to: Id,
    head: [u8; 64],
    /// How many were sent so far.
    pub count: u64,
}

impl LastSent {
    fn new() -> Self {
        Self {
            to: OURSELVES,
            head: [0; 64],
            count: 0,
        }
    }

    fn note(&mut self, to: Id, data: &[u8]) {
        let len = data.len().min(self.head.len());
        self.head[..len].copy_from_slice(&data[..len]);
        self.to = to;
        self.count += 1;
        black_box(data);
    }

    /// The number of the probe in the Ping or PingReq that was sent last.
    pub fn probe(&self) -> ProbeNumber {
        let header: selkie::Header<Id> = PostcardCodec
            .decode_header(&mut &self.head[..])
            .expect("an engine sends what it can read");
        match header.message {
            selkie::Message::Ping(number) | selkie::Message::PingReq { number, .. } => number,
            other => panic!("sent a {} instead of a ping", other.kind()),
        }
    }
}

/// Keeps the probe's timers, which a row hands back when it wants, and drops all others.
struct Outputs<T> {
    last_sent: LastSent,
    probe: Option<T>,
    indirect_probe: Option<T>,
}

impl<T> Outputs<T> {
    fn new() -> Self {
        Self {
            last_sent: LastSent::new(),
            probe: None,
            indirect_probe: None,
        }
    }
}

impl selkie::Runtime<Id> for Outputs<selkie::Timer<Id>> {
    fn notify(&mut self, notification: selkie::Notification<'_, Id>) {
        black_box(notification);
    }

    fn send_to(&mut self, to: &Id, data: &[u8]) {
        self.last_sent.note(*to, data);
    }

    fn submit_after(&mut self, timer: selkie::Timer<Id>, _after: Duration) {
        match timer {
            selkie::Timer::Probe { .. } => self.probe = Some(timer),
            selkie::Timer::IndirectProbe { .. } => self.indirect_probe = Some(timer),
            _ => {}
        }
    }
}

impl foca::Runtime<Id> for Outputs<foca::Timer<Id>> {
    fn notify(&mut self, notification: foca::Notification<'_, Id>) {
        black_box(notification);
    }

    fn send_to(&mut self, to: Id, data: &[u8]) {
        self.last_sent.note(to, data);
    }

    fn submit_after(&mut self, timer: foca::Timer<Id>, _after: Duration) {
        match timer {
            foca::Timer::ProbeRandomMember(_) => self.probe = Some(timer),
            foca::Timer::SendIndirectProbe { .. } => self.indirect_probe = Some(timer),
            _ => {}
        }
    }
}

const SEED: u64 = 7;
const INDIRECT_PROBES: usize = 3;

pub struct Selkie {
    engine: Engine<Id, PostcardCodec>,
    outputs: Outputs<selkie::Timer<Id>>,
}

impl Selkie {
    fn config(transmissions: u8) -> Config {
        let mut config = Config::simple();
        config.num_indirect_probes = INDIRECT_PROBES;
        config.max_packet_size = PACKET_SIZE_MAX;
        config.transmissions = Transmissions::Fixed(transmissions);
        config
    }
}

impl Contender for Selkie {
    fn new(transmissions: u8) -> Self {
        let config = Self::config(transmissions);
        let mut engine =
            Engine::new(OURSELVES, config, SEED, PostcardCodec).expect("a sound configuration");
        let mut outputs = Outputs::new();
        engine.start(&mut outputs);
        Self { engine, outputs }
    }

    fn apply_all(&mut self, members: &[Id]) {
        let members = members.iter().copied().map(Member::alive);
        self.engine.apply_many(members, &mut self.outputs);
    }

    fn handle_data(&mut self, data: &[u8]) {
        self.engine
            .handle_data(data, &mut self.outputs)
            .expect("a sound datagram");
    }

    fn gossip(&mut self) {
        self.engine
            .gossip(&mut self.outputs)
            .expect("there is nothing that it could refuse");
    }

    fn probe_timer(&mut self) {
        let timer = self.outputs.probe.take().expect("members are probed");
        self.engine.handle_timer(timer, &mut self.outputs);
    }

    fn indirect_probe_timer(&mut self) {
        let timer = self.outputs.indirect_probe.take().expect("a probe runs");
        self.engine.handle_timer(timer, &mut self.outputs);
    }

    fn set_transmissions(&mut self, transmissions: u8) {
        self.engine
            .set_config(Self::config(transmissions), &mut self.outputs)
            .expect("a sound configuration");
    }

    fn num_members(&self) -> usize {
        self.engine.num_members()
    }

    fn backlog(&self) -> usize {
        self.engine.updates_backlog()
    }

    fn last_sent(&self) -> &LastSent {
        &self.outputs.last_sent
    }
}

pub struct Anchor {
    engine: Foca<Id, foca::PostcardCodec, SmallRng, foca::NoCustomBroadcast>,
    outputs: Outputs<foca::Timer<Id>>,
}

impl Anchor {
    fn config(transmissions: u8) -> foca::Config {
        let mut config = foca::Config::simple();
        config.num_indirect_probes = NonZeroUsize::new(INDIRECT_PROBES).expect("not zero");
        config.max_packet_size = NonZeroUsize::new(PACKET_SIZE_MAX).expect("not zero");
        config.max_transmissions = NonZeroU8::new(transmissions).expect("not zero");
        config
    }
}

impl Contender for Anchor {
    fn new(transmissions: u8) -> Self {
        let rng = SmallRng::seed_from_u64(SEED);
        let config = Self::config(transmissions);
        Self {
            engine: Foca::new(OURSELVES, config, rng, foca::PostcardCodec),
            outputs: Outputs::new(),
        }
    }

    fn apply_all(&mut self, members: &[Id]) {
        let members = members.iter().copied().map(foca::Member::alive);
        self.engine
            .apply_many(members, false, &mut self.outputs)
            .expect("sound members");
    }

    fn handle_data(&mut self, data: &[u8]) {
        self.engine
            .handle_data(data, &mut self.outputs)
            .expect("a sound datagram");
    }

    fn gossip(&mut self) {
        self.engine
            .gossip(&mut self.outputs)
            .expect("there is nothing that it could refuse");
    }

    fn probe_timer(&mut self) {
        let timer = self.outputs.probe.take().expect("members are probed");
        self.engine
            .handle_timer(timer, &mut self.outputs)
            .expect("timers come in order");
    }

    fn indirect_probe_timer(&mut self) {
        let timer = self.outputs.indirect_probe.take().expect("a probe runs");
        self.engine
            .handle_timer(timer, &mut self.outputs)
            .expect("timers come in order");
    }

    fn set_transmissions(&mut self, transmissions: u8) {
        self.engine
            .set_config(Self::config(transmissions))
            .expect("a sound configuration");
    }

    fn num_members(&self) -> usize {
        self.engine.num_members()
    }

    fn backlog(&self) -> usize {
        self.engine.updates_backlog()
    }

    fn last_sent(&self) -> &LastSent {
        &self.outputs.last_sent
    }
}

//! The settings of the engine, and the rules they must keep.

use core::{fmt, time::Duration};

use crate::message::DIGEST_BUCKETS;

/// How the engine behaves. Start from a preset, change what you must:
///
/// ```
/// use core::time::Duration;
/// use selkie::Config;
///
/// let mut config = Config::lan();
/// config.probe_period = Duration::from_millis(500);
/// config.probe_rtt = Duration::from_millis(100);
/// config.validate()?;
/// # Ok::<(), selkie::InvalidConfig>(())
/// ```
///
/// [`Engine::new`](crate::Engine::new) and [`Engine::set_config`](crate::Engine::set_config)
/// refuse what [`validate`](Self::validate) refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The protocol period: one member is probed in each (SWIM, section 3.1). Longer than
    /// `probe_rtt`; at least three round trips is wise.
    pub probe_period: Duration,
    /// How long the direct answer may take before others are asked to probe. Not zero.
    pub probe_rtt: Duration,
    /// How many others are asked. At least 1.
    pub num_indirect_probes: usize,
    /// How often each update and broadcast is sent.
    pub transmissions: Transmissions,
    /// How long a suspect has to refute.
    pub suspicion: Suspicion,
    /// The largest datagram sent or accepted, in bytes. 128 to 65,507.
    pub max_packet_size: usize,
    /// The most active members; beyond it newcomers are refused and counted. At least 1.
    pub max_members: usize,
    /// The most down members remembered; beyond it those that were never active here are
    /// forgotten first, then those that have been down longest. At least 1.
    pub max_down_members: usize,
    /// How long a down member is remembered, so that late news of it is recognised as such.
    /// `None`: for ever. Not zero.
    pub remove_down_after: Option<Duration>,
    /// Whether a member that is down to us and speaks, or that we declared down ourselves, is
    /// told so, to come back at once under a renewed identity.
    pub notify_down_members: bool,
    /// Announce to random active members every now and then: repairs what gossip left out.
    pub periodic_announce: Option<Periodic>,
    /// Announce to down members every now and then, also while no member is active: heals
    /// partitions. Always to so many; every other one to whoever fell last, less and less often,
    /// the others to all in turn.
    pub periodic_announce_to_down_members: Option<Periodic>,
    /// Send what waits to be sent between probes, so that news travels faster than the protocol
    /// period. Never sends empty packets.
    pub periodic_gossip: Option<Periodic>,
    /// Let random members compare what we hold of the membership with what they hold, every now
    /// and then: they tell us what gossip did not. Not on foca's wire. `max_packet_size` must be
    /// 384 bytes or more.
    pub digest: Option<Periodic>,
    /// Ping an unknown sender, and believe it only after its Ack; until then its own Pings get a
    /// bare Ack, so that both sides may ask for this. For transports that do not prove where a
    /// datagram comes from. The ping's number has 8 bits: it keeps out whoever forges an address
    /// now and then, not who forges it hundreds of times.
    pub prove_joiners: bool,
    /// The most custom broadcasts that wait to be sent; beyond it the one sent most often goes.
    /// At least 1.
    pub max_broadcasts: usize,
    /// The share of each datagram, in percent, that updates leave to waiting custom broadcasts.
    /// 0 to 90.
    pub broadcast_share: u8,
    /// Lifeguard's local health (section IV-A): while we have reason to think that it is us who is
    /// slow, probe more slowly and wait longer, up to ninefold.
    pub local_health: bool,
    /// Lifeguard's buddy system (section IV-C): what we send to a suspect tells it of the suspicion
    /// first, so that it can refute at once.
    pub buddy_system: bool,
    /// Whom others asked to probe says that it is there, even if the target does not answer; who
    /// asked expects that. Not on foca's wire; needs `probe_period - probe_rtt` to be at least
    /// 100 ms, so that the answer is there in time.
    pub nacks: bool,
    /// Suspicions say who accuses, so that others can tell how many do. Not on foca's wire.
    pub accusers: bool,
    /// Our departure says that we leave rather than that we are down, so that others can tell it
    /// from a failure. Not on foca's wire.
    pub departures: bool,
    /// Speak exactly foca's wire and follow the one rule that it forces: a Down is final at
    /// whatever incarnation, since foca announces departures with 0. The agent then puts no
    /// envelope around its datagrams, and takes those with and without, until it ends.
    pub foca_wire: bool,
}

impl Config {
    /// The least that SWIM needs, on foca's wire: no gossip beside the probes, a fixed suspicion.
    #[must_use]
    pub fn simple() -> Self {
        Self {
            probe_period: Duration::from_millis(1500),
            probe_rtt: Duration::from_millis(500),
            num_indirect_probes: 3,
            transmissions: Transmissions::PerLog10(4),
            suspicion: Suspicion::Fixed(Duration::from_secs(3)),
            max_packet_size: 1400,
            max_members: 1 << 20,
            max_down_members: 1 << 16,
            remove_down_after: Some(Duration::from_secs(24 * 60 * 60)),
            notify_down_members: true,
            periodic_announce: None,
            periodic_announce_to_down_members: None,
            periodic_gossip: None,
            digest: None,
            prove_joiners: false,
            max_broadcasts: 1024,
            broadcast_share: 25,
            local_health: false,
            buddy_system: false,
            nacks: false,
            accusers: false,
            departures: false,
            foca_wire: true,
        }
    }

    /// For members on one machine.
    #[must_use]
    pub fn local() -> Self {
        Self {
            probe_period: Duration::from_secs(1),
            probe_rtt: Duration::from_millis(200),
            suspicion: Suspicion::Confirmed { min: 3, max: 6 },
            periodic_gossip: Some(Periodic::millis(100, 3)),
            periodic_announce: Some(Periodic::secs(15, 1)),
            periodic_announce_to_down_members: Some(Periodic::secs(15, 2)),
            digest: Some(Periodic::secs(2, 1)),
            local_health: true,
            buddy_system: true,
            nacks: true,
            accusers: true,
            departures: true,
            foca_wire: false,
            ..Self::simple()
        }
    }

    /// For members in one data centre.
    #[must_use]
    pub fn lan() -> Self {
        Self {
            probe_rtt: Duration::from_millis(500),
            suspicion: Suspicion::Confirmed { min: 4, max: 6 },
            periodic_gossip: Some(Periodic::millis(200, 3)),
            periodic_announce: Some(Periodic::secs(30, 1)),
            periodic_announce_to_down_members: Some(Periodic::secs(65, 2)),
            digest: Some(Periodic::secs(5, 1)),
            ..Self::local()
        }
    }

    /// For members around the world.
    #[must_use]
    pub fn wan() -> Self {
        Self {
            probe_period: Duration::from_secs(5),
            probe_rtt: Duration::from_secs(3),
            suspicion: Suspicion::Confirmed { min: 6, max: 6 },
            periodic_gossip: Some(Periodic::millis(500, 4)),
            periodic_announce: Some(Periodic::secs(60, 2)),
            periodic_announce_to_down_members: Some(Periodic::secs(125, 3)),
            digest: Some(Periodic::secs(20, 1)),
            ..Self::local()
        }
    }

    /// The same settings, on foca's wire: without what it has no words for.
    #[must_use]
    pub fn foca_wire(self) -> Self {
        Self {
            nacks: false,
            accusers: false,
            departures: false,
            foca_wire: true,
            digest: None,
            ..self
        }
    }

    /// Checks every rule.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut rules = self.rules().into_iter().chain(self.periodic_rules());
        let broken = rules.find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, rule)| Err(InvalidConfig { rule }))
    }

    /// Every rule but the [periodic ones](Self::periodic_rules), and whether it holds.
    fn rules(&self) -> [(bool, &'static str); 14] {
        let fan_out = 1..=Self::FAN_OUT_MAX;
        let table = 1..Self::TABLE_MAX;
        let forgets = self.remove_down_after.is_none_or(|after| !after.is_zero());
        [
            (!self.probe_rtt.is_zero(), "probe_rtt must not be zero"),
            (
                self.probe_rtt < self.probe_period,
                "probe_rtt must be below probe_period",
            ),
            (
                !self.nacks
                    || self.probe_period.saturating_sub(self.probe_rtt) >= Self::NACK_ROOM_MIN,
                "nacks need probe_period - probe_rtt to be at least 100 ms",
            ),
            (
                !self.foca_wire || !self.exceeds_foca_wire(),
                "foca_wire has no words for nacks, accusers, departures and digest",
            ),
            (
                fan_out.contains(&self.num_indirect_probes),
                "num_indirect_probes must be from 1 to 255",
            ),
            (
                self.transmissions.is_positive(),
                "transmissions must be at least 1",
            ),
            (self.suspicion.is_positive(), "suspicion must not be zero"),
            (
                (128..=65_507).contains(&self.max_packet_size),
                "max_packet_size must be from 128 to 65507 bytes",
            ),
            (
                table.contains(&self.max_members),
                "max_members must be from 1 to 2^30 - 1",
            ),
            (
                table.contains(&self.max_down_members),
                "max_down_members must be from 1 to 2^30 - 1",
            ),
            (forgets, "remove_down_after must not be zero"),
            (
                self.digest.is_none() || self.max_packet_size >= Self::DIGEST_PACKET_MIN,
                "digest needs a max_packet_size of 384 bytes or more",
            ),
            (
                table.contains(&self.max_broadcasts),
                "max_broadcasts must be from 1 to 2^30 - 1",
            ),
            (
                self.broadcast_share <= 90,
                "broadcast_share must be at most 90 percent",
            ),
        ]
    }

    fn exceeds_foca_wire(&self) -> bool {
        self.nacks || self.accusers || self.departures || self.digest.is_some()
    }

    /// The rules of what is done again and again.
    fn periodic_rules(&self) -> [(bool, &'static str); 4] {
        let timed = |task: Option<Periodic>| {
            task.is_none_or(|task| {
                !task.every.is_zero() && (1..=Self::FAN_OUT_MAX).contains(&task.members)
            })
        };
        [
            (
                timed(self.periodic_announce),
                "periodic_announce needs a time above zero and 1 to 255 members",
            ),
            (
                timed(self.periodic_announce_to_down_members),
                "periodic_announce_to_down_members needs a time above zero and 1 to 255 members",
            ),
            (
                timed(self.periodic_gossip),
                "periodic_gossip needs a time above zero and 1 to 255 members",
            ),
            (
                timed(self.digest),
                "digest needs a time above zero and 1 to 255 members",
            ),
        ]
    }

    /// A helper's nack is sent when a fifth of this is left: 20 ms for its way back.
    const NACK_ROOM_MIN: Duration = Duration::from_millis(100);
    const FAN_OUT_MAX: usize = 255;
    /// A digest, and as much beside it as the smallest packet has.
    const DIGEST_PACKET_MIN: usize = 4 * DIGEST_BUCKETS + 128;
    const TABLE_MAX: usize = 1 << 30;
}

impl Default for Config {
    /// [`Config::lan`].
    fn default() -> Self {
        Self::lan()
    }
}

/// Something that is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periodic {
    /// How often.
    pub every: Duration,
    /// To how many members each time.
    pub members: usize,
}

impl Periodic {
    /// Every so many milliseconds, to so many members.
    #[must_use]
    pub fn millis(every: u64, members: usize) -> Self {
        Self {
            every: Duration::from_millis(every),
            members,
        }
    }

    /// Every so many seconds, to so many members.
    #[must_use]
    pub fn secs(every: u64, members: usize) -> Self {
        Self {
            every: Duration::from_secs(every),
            members,
        }
    }
}

/// How often each update and broadcast is sent before it counts as known to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transmissions {
    /// λ·log10(n + 1) times, rounded up, n being the present number of active members, and at
    /// least 3 times (SWIM, section 4.1, where λ is a "small multiple").
    PerLog10(u8),
    /// Always so many times.
    Fixed(u8),
}

impl Transmissions {
    /// How often, in a cluster of `n` active members, ourselves included.
    #[must_use]
    pub fn at(self, n: usize) -> u8 {
        match self {
            Self::Fixed(times) => times,
            Self::PerLog10(lambda) => {
                let times = libm::ceil(f64::from(lambda) * log10(n.saturating_add(1)));
                // A float-to-integer cast saturates.
                (times as u8).max(3)
            }
        }
    }

    fn is_positive(self) -> bool {
        let (Self::PerLog10(factor) | Self::Fixed(factor)) = self;
        factor > 0
    }
}

/// How long a suspect has to refute before it is declared down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspicion {
    /// Always so long.
    Fixed(Duration),
    /// α·max(1, log10 n) protocol periods, n being the present number of active members
    /// (Lifeguard, section IV-B, "Min").
    PeriodsPerLog10(u8),
    /// The more members accuse it, the shorter (Lifeguard, section IV-B, "LHA-Suspicion"): from
    /// `max` times as long as [`PeriodsPerLog10`](Self::PeriodsPerLog10) of `min`, while there is
    /// one accuser, down to once as long, when [`Suspicion::CONFIRMATIONS`] others confirmed it.
    /// Without [`Config::accusers`] it is as `PeriodsPerLog10(min)`.
    Confirmed {
        /// α of the shortest timeout. At least 1.
        min: u8,
        /// How much longer the longest is. At least 1.
        max: u8,
    },
}

impl Suspicion {
    /// How many accusers beyond the first make the timeout the shortest, in a cluster that has so
    /// many: Lifeguard's K.
    pub const CONFIRMATIONS: u8 = 3;

    /// The longest wait, without any confirmation, in a cluster of `n` active members, ourselves
    /// included.
    #[must_use]
    pub fn at(self, n: usize, probe_period: Duration) -> Duration {
        self.confirmed(n, probe_period, 0, Self::expected(n))
    }

    /// How long after so many of the confirmations expected:
    /// `max - (max - min)·ln(C + 1)/ln(K + 1)`.
    pub(crate) fn confirmed(
        self,
        n: usize,
        probe_period: Duration,
        confirmations: u8,
        expected: u8,
    ) -> Duration {
        let (alpha, longest) = match self {
            Self::Fixed(timeout) => return timeout,
            Self::PeriodsPerLog10(alpha) => (alpha, 1.0),
            Self::Confirmed { min, max } => (min, f64::from(max)),
        };
        let ln = |count: u8| libm::log(f64::from(count) + 1.0);
        let share = match expected {
            0 => 1.0,
            _ => (ln(confirmations) / ln(expected)).min(1.0),
        };
        let periods = f64::from(alpha) * log10(n).max(1.0) * (longest - (longest - 1.0) * share);
        // Total: no rounding of a period makes the product panic.
        Duration::try_from_secs_f64(probe_period.as_secs_f64() * periods).unwrap_or(Duration::MAX)
    }

    /// How many confirmations a cluster of `n` can give: all but the suspect, the first accuser.
    pub(crate) fn expected(n: usize) -> u8 {
        // Below the bound it fits.
        n.saturating_sub(2).min(usize::from(Self::CONFIRMATIONS)) as u8
    }

    fn is_positive(self) -> bool {
        match self {
            Self::Fixed(timeout) => !timeout.is_zero(),
            Self::PeriodsPerLog10(alpha) => alpha > 0,
            Self::Confirmed { min, max } => min > 0 && max > 0,
        }
    }
}

fn log10(n: usize) -> f64 {
    libm::log10(n as f64)
}

/// A rule that a [`Config`] breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    rule: &'static str,
}

impl InvalidConfig {
    /// The rule, in words.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid configuration: {}", self.rule)
    }
}

impl core::error::Error for InvalidConfig {}

//! One interface to the three engines.

use std::{
    num::{NonZeroU8, NonZeroU32, NonZeroUsize},
    time::Duration,
};

use selkie::{
    Codec, Config, Engine, Header, Incarnation, Member, Notification, Periodic, Runtime, State,
    Suspicion, Transmissions,
    codecs::{BincodeCodec, PostcardCodec},
};

use crate::peer::{Heard, Peer};

/// Which engine, with which codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    SelkiePostcard,
    Foca2Postcard,
    SelkieBincode,
    Foca1Bincode,
    SelkieLegacyBincode,
    Foca1LegacyBincode,
}

impl Kind {
    pub(crate) fn is_selkie(self) -> bool {
        matches!(
            self,
            Self::SelkiePostcard | Self::SelkieBincode | Self::SelkieLegacyBincode
        )
    }

    /// What a datagram of this kind begins with.
    pub(crate) fn header(self, data: &[u8]) -> Header<Peer> {
        let header = match self {
            Self::SelkiePostcard | Self::Foca2Postcard => {
                PostcardCodec.decode_header(&mut &*data).ok()
            }
            Self::SelkieBincode | Self::Foca1Bincode => {
                BincodeCodec::standard().decode_header(&mut &*data).ok()
            }
            Self::SelkieLegacyBincode | Self::Foca1LegacyBincode => {
                BincodeCodec::legacy().decode_header(&mut &*data).ok()
            }
        };
        header.unwrap()
    }

    /// An engine of this kind.
    pub(crate) fn site(self, id: Peer, pace: Pace, seed: u64) -> Box<dyn Site> {
        let standard = bincode::config::standard();
        let legacy = bincode::config::legacy();
        match self {
            Self::SelkiePostcard => selkie(id, pace, seed, PostcardCodec),
            Self::SelkieBincode => selkie(id, pace, seed, BincodeCodec::standard()),
            Self::SelkieLegacyBincode => selkie(id, pace, seed, BincodeCodec::legacy()),
            Self::Foca2Postcard => Foca2::site(id, pace, seed, foca::PostcardCodec),
            Self::Foca1Bincode => Foca1::site(id, pace, seed, foca1::BincodeCodec(standard)),
            Self::Foca1LegacyBincode => Foca1::site(id, pace, seed, foca1::BincodeCodec(legacy)),
        }
    }
}

/// The settings, the same for each engine as far as it has them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// No extension at all.
    Simple,
    /// What both call their LAN preset, on foca's wire.
    Lan,
    /// For real sockets: quick to notice, slow enough to condemn that a busy machine is not taken
    /// for a dead member.
    #[cfg_attr(not(all(feature = "smol", feature = "udp")), expect(dead_code))]
    Quick,
}

impl Pace {
    /// Often enough that no broadcast misses a member of a small cluster by chance.
    const TRANSMISSIONS: u8 = 12;

    pub(crate) fn selkie(self) -> Config {
        let mut config = match self {
            Self::Simple => Config::simple(),
            Self::Lan => Config::lan().foca_wire(),
            Self::Quick => {
                let mut config = Config::local().foca_wire();
                config.probe_period = Duration::from_millis(300);
                config.probe_rtt = Duration::from_millis(100);
                config.suspicion = Suspicion::Fixed(Duration::from_millis(2000));
                config.periodic_gossip = Some(Periodic::millis(100, 3));
                config.periodic_announce = Some(Periodic::millis(1000, 1));
                config.periodic_announce_to_down_members = Some(Periodic::millis(1000, 2));
                config
            }
        };
        config.transmissions = Transmissions::Fixed(Self::TRANSMISSIONS);
        config
    }
}

/// An engine of any kind.
pub(crate) trait Site: Send {
    fn start(&mut self, out: &mut Outbox);
    fn announce(&mut self, to: Peer, out: &mut Outbox);
    /// Whether it was taken without an error.
    fn handle_data(&mut self, data: &[u8], out: &mut Outbox) -> bool;
    fn handle_timer(&mut self, timer: Timer, out: &mut Outbox);
    fn add_broadcast(&mut self, data: &[u8], out: &mut Outbox);
    fn leave(&mut self, out: &mut Outbox);

    fn identity(&self) -> Peer;
    /// All that is known, down members included.
    fn members(&self) -> Vec<Member<Peer>>;
    fn has_heard(&self, data: &[u8]) -> bool;

    /// Who is active, sorted.
    fn active(&self) -> Vec<Peer> {
        let active = |member: &Member<Peer>| member.state.is_active();
        let mut active: Vec<Peer> = self
            .members()
            .into_iter()
            .filter(active)
            .map(|m| m.id)
            .collect();
        active.sort_unstable();
        active
    }
}

/// A timer of any engine.
#[derive(Clone, Debug)]
pub(crate) enum Timer {
    Selkie(selkie::Timer<Peer>),
    Foca2(foca::Timer<Peer>),
    Foca1(foca1::Timer<Peer>),
}

/// What every engine tells its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Up(Peer),
    Down(Peer),
    Rename(Peer, Peer),
    Rejoin(Peer),
    Defunct,
}

/// What an engine puts out during one input.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) sent: Vec<(Peer, Vec<u8>)>,
    pub(crate) timers: Vec<(Timer, Duration)>,
    pub(crate) notices: Vec<Notice>,
}

impl Runtime<Peer> for Outbox {
    fn notify(&mut self, notification: Notification<'_, Peer>) {
        use selkie::Notice as Selkie;
        self.notices.extend(match notification {
            Selkie::MemberUp(&id) => Some(Notice::Up(id)),
            Selkie::MemberDown(&id) => Some(Notice::Down(id)),
            Selkie::Rename { before, after } => Some(Notice::Rename(*before, *after)),
            Selkie::Rejoin(&id) => Some(Notice::Rejoin(id)),
            Selkie::Defunct => Some(Notice::Defunct),
            _ => None,
        });
    }

    fn send_to(&mut self, to: &Peer, data: &[u8]) {
        self.sent.push((*to, data.to_vec()));
    }

    fn submit_after(&mut self, timer: selkie::Timer<Peer>, after: Duration) {
        self.timers.push((Timer::Selkie(timer), after));
    }
}

type Selkie<C> = Engine<Peer, C, Heard>;

fn selkie<C>(id: Peer, pace: Pace, seed: u64, codec: C) -> Box<dyn Site>
where
    C: Codec<Peer> + Send + 'static,
{
    Box::new(Engine::with_broadcasts(id, pace.selkie(), seed, codec, Heard::default()).unwrap())
}

impl<C: Codec<Peer> + Send> Site for Selkie<C> {
    fn start(&mut self, out: &mut Outbox) {
        Self::start(self, out);
    }

    fn announce(&mut self, to: Peer, out: &mut Outbox) {
        Self::announce(self, to, out).unwrap();
    }

    fn handle_data(&mut self, data: &[u8], out: &mut Outbox) -> bool {
        Self::handle_data(self, data, out).is_ok()
    }

    fn handle_timer(&mut self, timer: Timer, out: &mut Outbox) {
        if let Timer::Selkie(timer) = timer {
            Self::handle_timer(self, timer, out);
        }
    }

    fn add_broadcast(&mut self, data: &[u8], out: &mut Outbox) {
        assert!(Self::add_broadcast(self, data, out).unwrap());
    }

    fn leave(&mut self, out: &mut Outbox) {
        self.leave_cluster(out).unwrap();
    }

    fn identity(&self) -> Peer {
        *Self::identity(self)
    }

    fn members(&self) -> Vec<Member<Peer>> {
        self.membership_state()
            .map(|member| Member::new(*member.id, member.incarnation, member.state))
            .collect()
    }

    fn has_heard(&self, data: &[u8]) -> bool {
        self.handler().contains(data)
    }
}

macro_rules! foca_site {
    ($site:ident, $foca:ident, $rand:ident, $remember:expr) => {
        pub(crate) struct $site<C> {
            pub(crate) foca: $foca::Foca<Peer, C, $rand::rngs::SmallRng, Heard>,
            heard: Heard,
        }

        impl<C> $site<C>
        where
            C: $foca::Codec<Peer, Error: core::error::Error> + Send + 'static,
        {
            pub(crate) fn new(id: Peer, config: $foca::Config, seed: u64, codec: C) -> Self {
                let rng = $rand::SeedableRng::seed_from_u64(seed);
                let heard = Heard::default();
                let foca =
                    $foca::Foca::with_custom_broadcast(id, config, rng, codec, heard.clone());
                Self { foca, heard }
            }

            fn site(id: Peer, pace: Pace, seed: u64, codec: C) -> Box<dyn Site> {
                Box::new(Self::new(id, Self::config(pace), seed, codec))
            }

            pub(crate) fn config(pace: Pace) -> $foca::Config {
                let every = |millis, members| {
                    Some($foca::PeriodicParams {
                        frequency: Duration::from_millis(millis),
                        num_members: NonZeroUsize::new(members).unwrap(),
                    })
                };
                let mut config = match pace {
                    Pace::Simple => $foca::Config::simple(),
                    Pace::Lan => $foca::Config::new_lan(NonZeroU32::new(8).unwrap()),
                    Pace::Quick => {
                        let mut config = $foca::Config::simple();
                        config.probe_period = Duration::from_millis(300);
                        config.probe_rtt = Duration::from_millis(100);
                        config.suspect_to_down_after = Duration::from_millis(2000);
                        config.remove_down_after = $remember(Duration::from_secs(86_400));
                        config.periodic_gossip = every(100, 3);
                        config.periodic_announce = every(1000, 1);
                        config.periodic_announce_to_down_members = every(1000, 2);
                        config
                    }
                };
                config.max_transmissions = NonZeroU8::new(Pace::TRANSMISSIONS).unwrap();
                config.notify_down_members = true;
                config
            }
        }

        impl<C> Site for $site<C>
        where
            C: $foca::Codec<Peer, Error: core::error::Error> + Send + 'static,
        {
            fn start(&mut self, _out: &mut Outbox) {}

            fn announce(&mut self, to: Peer, out: &mut Outbox) {
                self.foca.announce(to, out).unwrap();
            }

            fn handle_data(&mut self, data: &[u8], out: &mut Outbox) -> bool {
                self.foca.handle_data(data, out).is_ok()
            }

            fn handle_timer(&mut self, timer: Timer, out: &mut Outbox) {
                if let Timer::$site(timer) = timer {
                    // An error here is about foca's own state, and foca goes on.
                    self.foca.handle_timer(timer, out).ok();
                }
            }

            fn add_broadcast(&mut self, data: &[u8], _out: &mut Outbox) {
                assert!(self.foca.add_broadcast(data).unwrap());
            }

            fn leave(&mut self, out: &mut Outbox) {
                self.foca.leave_cluster(out).unwrap();
            }

            fn identity(&self) -> Peer {
                *self.foca.identity()
            }

            fn members(&self) -> Vec<Member<Peer>> {
                let state = |state| match state {
                    $foca::State::Alive => State::Alive,
                    $foca::State::Suspect => State::Suspect,
                    $foca::State::Down => State::Down,
                };
                self.foca
                    .iter_membership_state()
                    .map(|member| {
                        let incarnation = Incarnation(member.incarnation());
                        Member::new(*member.id(), incarnation, state(member.state()))
                    })
                    .collect()
            }

            fn has_heard(&self, data: &[u8]) -> bool {
                self.heard.contains(data)
            }
        }

        impl $foca::Runtime<Peer> for Outbox {
            fn notify(&mut self, notification: $foca::Notification<'_, Peer>) {
                use $foca::Notification as Foca;
                self.notices.extend(match notification {
                    Foca::MemberUp(&id) => Some(Notice::Up(id)),
                    Foca::MemberDown(&id) => Some(Notice::Down(id)),
                    Foca::Rename(&before, &after) => Some(Notice::Rename(before, after)),
                    Foca::Rejoin(&id) => Some(Notice::Rejoin(id)),
                    Foca::Defunct => Some(Notice::Defunct),
                    Foca::Active | Foca::Idle => None,
                });
            }

            fn send_to(&mut self, to: Peer, data: &[u8]) {
                self.sent.push((to, data.to_vec()));
            }

            fn submit_after(&mut self, timer: $foca::Timer<Peer>, after: Duration) {
                self.timers.push((Timer::$site(timer), after));
            }
        }
    };
}

foca_site!(Foca2, foca, rand, Some);
foca_site!(Foca1, foca1, rand09, core::convert::identity);

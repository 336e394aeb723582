//! One engine of each kind, talked to by hand. Identities are socket addresses.

use core::fmt::Debug;
use std::{
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroU8,
};

use selkie::{
    AccumulatingRuntime, Codec, Config, Engine, Header, Incarnation, Member, Message, Transmissions,
};

use crate::peer::Heard;

/// Who the engine under test is.
pub(crate) fn a() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7000))
}

pub(crate) fn b() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 7001))
}

pub(crate) fn c() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3), 7002))
}

pub(crate) fn d() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 4], 65_535))
}

/// A header of a datagram to [`a`].
pub(crate) fn header(
    mut codec: impl Codec<SocketAddr>,
    src: SocketAddr,
    incarnation: u16,
    message: Message<SocketAddr>,
) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(incarnation),
        dst: a(),
        message,
    };
    let mut data = Vec::new();
    codec.encode_header(&header, &mut data).unwrap();
    data
}

/// What follows a header: updates.
pub(crate) fn updates(
    mut codec: impl Codec<SocketAddr>,
    updates: &[Member<SocketAddr>],
) -> Vec<u8> {
    let mut data = (updates.len() as u16).to_be_bytes().to_vec();
    for update in updates {
        codec.encode_member(update, &mut data).unwrap();
    }
    data
}

/// Datagrams that were sent, and to whom.
pub(crate) type Sent = Vec<(SocketAddr, Vec<u8>)>;

/// How often each update and broadcast is sent: more often than any of these tests does.
const TRANSMISSIONS: u8 = 50;

pub(crate) trait Subject {
    fn announce(&mut self, to: SocketAddr) -> Sent;
    fn gossip(&mut self) -> Sent;
    fn broadcast(&mut self) -> Sent;
    fn add_broadcast(&mut self, data: &[u8]);
    /// Makes members known, without spreading them.
    fn knows(&mut self, members: &[SocketAddr]);
    /// Takes in a datagram: the name of the error, if any, and what was sent.
    fn hears(&mut self, data: &[u8]) -> (Result<(), String>, Sent);
}

pub(crate) struct Selkie<C> {
    engine: Engine<SocketAddr, C, Heard>,
    runtime: AccumulatingRuntime<SocketAddr>,
}

impl<C: Codec<SocketAddr>> Selkie<C> {
    pub(crate) fn new(mut config: Config, codec: C) -> Self {
        config.transmissions = Transmissions::Fixed(TRANSMISSIONS);
        let mut runtime = AccumulatingRuntime::new();
        let mut engine = Engine::with_broadcasts(a(), config, 1, codec, Heard::default()).unwrap();
        engine.start(&mut runtime);
        Self { engine, runtime }
    }

    fn sent(&mut self) -> Sent {
        core::iter::from_fn(|| self.runtime.to_send()).collect()
    }
}

impl<C: Codec<SocketAddr>> Subject for Selkie<C> {
    fn announce(&mut self, to: SocketAddr) -> Sent {
        self.engine.announce(to, &mut self.runtime).unwrap();
        self.sent()
    }

    fn gossip(&mut self) -> Sent {
        self.engine.gossip(&mut self.runtime).unwrap();
        self.sent()
    }

    fn broadcast(&mut self) -> Sent {
        self.engine.broadcast(&mut self.runtime).unwrap();
        self.sent()
    }

    fn add_broadcast(&mut self, data: &[u8]) {
        let is_news = self.engine.add_broadcast(data, &mut self.runtime).unwrap();
        assert!(is_news);
    }

    fn knows(&mut self, members: &[SocketAddr]) {
        let members = members.iter().copied().map(Member::alive);
        self.engine.apply_many(members, &mut self.runtime);
    }

    fn hears(&mut self, data: &[u8]) -> (Result<(), String>, Sent) {
        let outcome = self.engine.handle_data(data, &mut self.runtime);
        (outcome.map_err(|error| variant(&error)), self.sent())
    }
}

macro_rules! foca_subject {
    ($name:ident, $foca:ident, $rand:ident) => {
        pub(crate) struct $name<C> {
            foca: $foca::Foca<SocketAddr, C, $rand::rngs::SmallRng, Heard>,
            runtime: $foca::AccumulatingRuntime<SocketAddr>,
        }

        impl<C> $name<C>
        where
            C: $foca::Codec<SocketAddr, Error: core::error::Error>,
        {
            pub(crate) fn new(codec: C) -> Self {
                let mut config = $foca::Config::simple();
                config.max_transmissions = NonZeroU8::new(TRANSMISSIONS).unwrap();
                config.notify_down_members = true;
                let rng = $rand::SeedableRng::seed_from_u64(1);
                let heard = Heard::default();
                Self {
                    foca: $foca::Foca::with_custom_broadcast(a(), config, rng, codec, heard),
                    runtime: $foca::AccumulatingRuntime::new(),
                }
            }

            fn sent(&mut self) -> Sent {
                core::iter::from_fn(|| self.runtime.to_send())
                    .map(|(to, data)| (to, data.to_vec()))
                    .collect()
            }
        }

        impl<C> Subject for $name<C>
        where
            C: $foca::Codec<SocketAddr, Error: core::error::Error>,
        {
            fn announce(&mut self, to: SocketAddr) -> Sent {
                self.foca.announce(to, &mut self.runtime).unwrap();
                self.sent()
            }

            fn gossip(&mut self) -> Sent {
                self.foca.gossip(&mut self.runtime).unwrap();
                self.sent()
            }

            fn broadcast(&mut self) -> Sent {
                self.foca.broadcast(&mut self.runtime).unwrap();
                self.sent()
            }

            fn add_broadcast(&mut self, data: &[u8]) {
                assert!(self.foca.add_broadcast(data).unwrap());
            }

            fn knows(&mut self, members: &[SocketAddr]) {
                let members = members.iter().copied().map($foca::Member::alive);
                self.foca
                    .apply_many(members, false, &mut self.runtime)
                    .unwrap();
            }

            fn hears(&mut self, data: &[u8]) -> (Result<(), String>, Sent) {
                let outcome = self.foca.handle_data(data, &mut self.runtime);
                (outcome.map_err(|error| variant(&error)), self.sent())
            }
        }
    };
}

foca_subject!(Foca2, foca, rand);
foca_subject!(Foca1, foca1, rand09);

/// The name of an error, without what it holds.
fn variant(error: &impl Debug) -> String {
    let error = format!("{error:?}");
    let name = error.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}

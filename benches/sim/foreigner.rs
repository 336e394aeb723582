//! foca's members, as machines to simulate. Also in tests/sim.

use std::{net::SocketAddrV4, num::NonZeroU32, time::Duration};

use foca::Foca;
use selkie::{
    Codec, Header, Identity, Incarnation, Member, Notice, State,
    codecs::PostcardCodec,
    sim::{Limits, Load, Machine, Port, Simulation},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id {
    addr: SocketAddrV4,
    life: u16,
}

impl Identity for Id {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life + 1;
        Some(Self { life, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

impl foca::Identity for Id {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        Identity::renew(self)
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        Identity::win_addr_conflict(self, adversary)
    }
}

pub(crate) struct Foreigner(
    Foca<Id, foca::PostcardCodec, rand::rngs::SmallRng, foca::NoCustomBroadcast>,
);

pub(crate) type Timer = foca::Timer<Id>;

/// Foca's way out.
struct Exit<'e, 'p>(&'e mut Port<'p, Id, Timer>);

impl foca::Runtime<Id> for Exit<'_, '_> {
    fn notify(&mut self, notification: foca::Notification<'_, Id>) {
        self.0.tell(match notification {
            foca::Notification::MemberUp(id) => Notice::MemberUp(id),
            foca::Notification::MemberDown(id) => Notice::MemberDown(id),
            foca::Notification::Rename(before, after) => Notice::Rename { before, after },
            foca::Notification::Rejoin(id) => Notice::Rejoin(id),
            foca::Notification::Active => Notice::Active,
            foca::Notification::Idle => Notice::Idle,
            foca::Notification::Defunct => Notice::Defunct,
        });
    }

    fn send_to(&mut self, to: Id, mut data: &[u8]) {
        let sent = data;
        // The same wire.
        let header: Header<Id> = PostcardCodec
            .decode_header(&mut data)
            .expect("what foca wrote");
        self.0.send(&to, header.message.kind(), sent);
    }

    fn submit_after(&mut self, timer: Timer, after: Duration) {
        self.0.after(after, timer);
    }
}

fn member(member: &foca::Member<Id>) -> Member<&Id> {
    let state = match member.state() {
        foca::State::Alive => State::Alive,
        foca::State::Suspect => State::Suspect,
        foca::State::Down => State::Down,
    };
    Member::new(member.id(), Incarnation(member.incarnation()), state)
}

impl Machine for Foreigner {
    type Id = Id;
    type Timer = Timer;

    fn start(&mut self, _port: &mut Port<'_, Id, Timer>) {}

    fn handle_data(&mut self, data: &[u8], port: &mut Port<'_, Id, Timer>) {
        let _ = self.0.handle_data(data, Exit(port));
    }

    fn handle_timer(&mut self, timer: Timer, port: &mut Port<'_, Id, Timer>) {
        let _ = self.0.handle_timer(timer, Exit(port));
    }

    fn announce(&mut self, to: Id, port: &mut Port<'_, Id, Timer>) {
        let _ = self.0.announce(to, Exit(port));
    }

    fn leave(&mut self, port: &mut Port<'_, Id, Timer>) {
        let _ = self.0.leave_cluster(Exit(port));
    }

    fn identity(&self) -> &Id {
        self.0.identity()
    }

    fn belief(&self, addr: &SocketAddrV4) -> Option<Member<&Id>> {
        let mut known = self.0.iter_membership_state();
        known.find(|known| known.id().addr == *addr).map(member)
    }

    fn beliefs(&self, each: &mut dyn FnMut(Member<&Id>)) {
        self.0.iter_membership_state().map(member).for_each(each);
    }

    fn num_active(&self) -> usize {
        self.0.num_members()
    }

    fn load(&self) -> Load {
        let active = self.num_active();
        Load {
            updates: self.0.updates_backlog(),
            broadcasts: self.0.custom_broadcast_backlog(),
            active,
            down: self.0.iter_membership_state().len() - active,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            packet_size: 1400,
            ..Limits::default()
        }
    }
}

/// So many of them that have joined at the first, with foca's settings for local networks.
pub(crate) fn foreigners(count: u16, seed: u64) -> Simulation<Foreigner> {
    let size = NonZeroU32::new(u32::from(count)).expect("somebody");
    let mut sim = Simulation::of(seed, move |id, seed| {
        let rng = rand::SeedableRng::seed_from_u64(seed);
        let config = foca::Config::new_lan(size);
        Foreigner(Foca::new(id, config, rng, foca::PostcardCodec))
    });
    for port in 1..=count {
        let addr = SocketAddrV4::new([10, 0, 0, 1].into(), port);
        sim.add(Id { addr, life: 0 });
    }
    sim.join_all(0);
    sim
}

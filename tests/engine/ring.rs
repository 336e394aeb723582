//! The last time that a broadcast is sent: not by chance, but to who comes next on a circle.

use selkie::{BroadcastHandler, Invalidates, Message, Periodic, State, Transmissions};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, swim},
    world::SECOND,
};

/// Takes everything for news, and lets it go to all members but those.
#[derive(Default)]
struct Takes {
    not_to: Vec<u16>,
}

struct Lasting;

impl Invalidates for Lasting {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl BroadcastHandler<Peer> for Takes {
    type Key = Lasting;

    fn receive_item(
        &mut self,
        _data: &[u8],
        _sender: Option<&Peer>,
    ) -> Result<Option<Lasting>, Box<dyn core::error::Error + Send + Sync>> {
        Ok(Some(Lasting))
    }

    fn should_add_broadcast_data(&self, member: &Peer) -> bool {
        !self.not_to.contains(&member.addr)
    }
}

/// A member that never probes, and knows these others.
fn knows(own: u16, others: impl IntoIterator<Item = u16>) -> Solo<Takes> {
    knows_with(Takes::default(), own, others)
}

fn knows_with(handler: Takes, own: u16, others: impl IntoIterator<Item = u16>) -> Solo<Takes> {
    let mut config = swim();
    config.probe_period = 10_000 * SECOND;
    let mut solo = Solo::build(peer(own), config, handler);
    for addr in others {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo
}

/// To whom a broadcast goes, in order.
fn receivers(solo: &mut Solo<Takes>) -> Vec<u16> {
    let added = solo.engine.add_broadcast(b"hello", &mut solo.runtime);
    assert!(added.unwrap());
    let sent = solo.passes(5 * SECOND);
    assert_eq!(solo.engine.broadcasts_backlog(), 0);
    let carriers = sent
        .iter()
        .filter(|(_, packet)| !packet.broadcasts.is_empty());
    carriers.map(|(to, _)| to.addr).collect()
}

#[test]
fn the_last_send_of_each_goes_to_the_same_member_and_no_other() {
    let mut solo = knows(1, 2..=20);
    let first = receivers(&mut solo);
    let Some(&successor) = first.last() else {
        panic!("nobody was sent it");
    };
    for _ in 0..20 {
        let to = receivers(&mut solo);
        // As often as the settings say, and none of the others by chance.
        assert_eq!(to.len(), 6, "{to:?}");
        let places = to
            .iter()
            .enumerate()
            .filter(|(_, addr)| **addr == successor);
        assert_eq!(
            places.map(|(place, _)| place).collect::<Vec<_>>(),
            [5],
            "{to:?}"
        );
    }
}

#[test]
fn all_members_stand_on_one_circle() {
    let members = 1..=30;
    let mut after = Vec::new();
    for own in members.clone() {
        // Each met the others in another order.
        let mut others: Vec<u16> = members.clone().filter(|other| *other != own).collect();
        fastrand::Rng::with_seed(own.into()).shuffle(&mut others);
        let to = receivers(&mut knows(own, others));
        after.push(*to.last().unwrap());
    }
    let (mut at, mut passed) = (1_u16, 0);
    loop {
        at = after[usize::from(at) - 1];
        passed += 1;
        if at == 1 {
            break;
        }
    }
    assert_eq!(passed, 30, "{after:?}");
}

#[test]
fn whoever_comes_and_goes_the_nearest_is_next() {
    let mut solo = knows(1, 2..=100);
    for _ in 0..20 {
        let to = receivers(&mut solo);
        let successor = *to.last().unwrap();
        let gone = *solo.engine.member(&successor).unwrap().id;
        solo.knows(gone, 0, State::Down);
        let next = *receivers(&mut solo).last().unwrap();
        assert_ne!(next, successor);
        // Whoever lives there now may be anywhere on the circle; whoever else comes, too.
        let returned = Peer {
            life: gone.life + 1,
            ..gone
        };
        solo.knows(returned, 0, State::Alive);
        let now = *receivers(&mut solo).last().unwrap();
        assert!([next, successor].contains(&now));
    }
    // The same as if it had known them from the start.
    let known = solo
        .engine
        .members()
        .map(|member| *member.id)
        .collect::<Vec<_>>();
    let mut fresh = knows(1, []);
    for id in known {
        fresh.knows(id, 0, State::Alive);
    }
    assert_eq!(receivers(&mut fresh).last(), receivers(&mut solo).last());
}

#[test]
fn nothing_waits_for_who_takes_no_broadcasts() {
    for own in 1..=20 {
        let others = 101..=110;
        let successor = *receivers(&mut knows(own, others.clone())).last().unwrap();
        let handler = Takes {
            not_to: vec![successor],
        };
        let to = receivers(&mut knows_with(handler, own, others));
        assert!(!to.is_empty() && !to.contains(&successor), "{to:?}");
    }
}

#[test]
fn the_others_come_first_where_there_are_few() {
    for count in 1..=4 {
        let mut solo = knows(1, 2..2 + count);
        let mut to = receivers(&mut solo);
        to.sort_unstable();
        to.dedup();
        assert_eq!(to.len(), usize::from(count), "{to:?}");
    }
}

#[test]
fn what_is_sent_twice_or_between_probes_alone_is_left_to_chance() {
    let mut solo = knows(1, 2..=20);
    let mut config = solo.engine.config().clone();
    config.transmissions = Transmissions::Fixed(2);
    solo.engine
        .set_config(config.clone(), &mut solo.runtime)
        .unwrap();
    let mut last = Vec::new();
    for _ in 0..20 {
        let to = receivers(&mut solo);
        assert_eq!(to.len(), 2);
        last.push(to[1]);
    }
    last.sort_unstable();
    last.dedup();
    assert!(last.len() > 5, "{last:?}");

    // Without gossip, nothing is kept for a member that is not about to be sent anything.
    config.transmissions = Transmissions::Fixed(3);
    config.periodic_gossip = None;
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    let added = solo.engine.add_broadcast(b"hello", &mut solo.runtime);
    assert!(added.unwrap());
    for addr in 2..=4 {
        let ping = Packet::new(peer(addr), peer(1), Message::Ping(selkie::ProbeNumber(1)));
        solo.hears(ping);
    }
    assert_eq!(solo.engine.broadcasts_backlog(), 0);
}

#[test]
fn more_than_a_packet_holds_goes_to_the_same_member_in_many() {
    let mut solo = knows(1, 2..=20);
    let mut config = solo.engine.config().clone();
    config.periodic_gossip = Some(Periodic::millis(200, 3));
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    let successor = *receivers(&mut solo).last().unwrap();
    for number in 0..20 {
        let data = [number; 600];
        let added = solo.engine.add_broadcast(&data, &mut solo.runtime);
        assert!(added.unwrap());
    }
    let sent = solo.passes(20 * SECOND);
    assert_eq!(solo.engine.broadcasts_backlog(), 0);
    let mut heard: Vec<u8> = sent
        .iter()
        .filter(|(to, _)| to.addr == successor)
        .flat_map(|(_, packet)| packet.broadcasts.iter().map(|data| data[0]))
        .collect();
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 20);
    let copies: usize = sent.iter().map(|(_, packet)| packet.broadcasts.len()).sum();
    assert_eq!(copies, 20 * 6, "no more than before");
}

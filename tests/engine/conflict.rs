//! Two that live under one address.

use selkie::{Message, Notice, State};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, swim},
};

fn life(addr: u16, life: u8) -> Peer {
    Peer { addr, life }
}

#[test]
fn the_loser_of_an_address_is_told_who_holds_it() {
    let mut solo = Solo::new(swim());
    solo.hears(Packet::new(life(2, 3), peer(1), Message::Gossip).incarnation(4));
    let said = solo.hears(Packet::new(
        life(2, 1),
        peer(1),
        Message::Ping(Default::default()),
    ));
    let verdict =
        Packet::new(peer(1), life(2, 1), Message::Gossip).member(life(2, 3), 4, State::Alive);
    assert_eq!(said, [(life(2, 1), verdict)]);
    assert_eq!(
        solo.engine.member(&2).unwrap().id,
        &life(2, 3),
        "the winner stays"
    );
}

#[test]
fn on_focas_wire_the_loser_of_an_address_gets_a_turn_undead() {
    let mut solo = Solo::new(swim().foca_wire());
    solo.meets(2);
    solo.hears(Packet::new(life(2, 3), peer(1), Message::Gossip));
    let said = solo.hears(Packet::new(peer(2), peer(1), Message::Gossip));
    assert_eq!(
        said,
        [(peer(2), Packet::new(peer(1), peer(2), Message::TurnUndead))]
    );
}

/// Two live processes with one name must not depose each other for ever.
#[test]
fn superseded_once_it_renews_past_the_other_and_superseded_again_it_gives_up() {
    let mut solo = Solo::new(swim());
    solo.meets(2);
    let claim =
        |dst, holder| Packet::new(peer(2), dst, Message::Gossip).member(holder, 0, State::Alive);
    solo.hears(claim(peer(1), life(1, 5)));
    assert_eq!(*solo.engine.identity(), life(1, 6));
    let conflict = Notice::AddrConflict {
        ours: peer(1),
        theirs: life(1, 5),
    };
    assert_eq!(solo.notices(), [conflict, Notice::Rejoin(life(1, 6))]);

    solo.hears(claim(life(1, 6), life(1, 7)));
    assert_eq!(*solo.engine.identity(), life(1, 6));
    let conflict = Notice::AddrConflict {
        ours: life(1, 6),
        theirs: life(1, 7),
    };
    assert_eq!(solo.notices(), [conflict, Notice::Defunct]);
}

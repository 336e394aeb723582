//! Which of two beliefs about a member stands.

use selkie::{Config, Message, Notice, State};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, suspected, swim},
};

const STATES: [State; 3] = [State::Alive, State::Suspect, State::Down];

/// The table of the protocol, written down a second time.
pub fn expected(known: (State, u16), heard: (State, u16), any_down: bool) -> (State, u16) {
    let (i, k) = (heard.1, known.1);
    let wins = match (known.0, heard.0) {
        (State::Down, _) => false,
        (_, State::Alive) => i > k,
        (State::Alive, State::Suspect) => i >= k,
        (State::Suspect, State::Suspect) => i > k,
        (_, State::Down) => i >= k || any_down,
        _ => unreachable!(),
    };
    if wins { (heard.0, i.max(k)) } else { known }
}

fn check_table(config: &Config, teller: u16) {
    for known in STATES.map(|state| (state, 5)) {
        for state in STATES {
            for incarnation in [0, 4, 5, 6, u16::MAX] {
                let mut solo = Solo::new(config.clone());
                solo.meets(3);
                solo.knows(peer(2), known.1, known.0);
                solo.hears_of(teller, peer(2), incarnation, state);
                assert_eq!(
                    solo.belief(2),
                    Some(expected(known, (state, incarnation), config.foca_wire)),
                    "{known:?} heard {state:?}({incarnation})"
                );
            }
        }
    }
}

#[test]
fn what_a_third_member_says_follows_the_table() {
    check_table(&swim(), 3);
}

#[test]
fn on_focas_wire_every_down_is_final() {
    check_table(&swim().foca_wire(), 3);
    check_table(&Config::simple(), 3);
}

#[test]
fn a_member_that_says_itself_that_it_goes_is_down_at_whatever_incarnation() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 5, State::Alive);
    let own = Packet::new(peer(2), peer(1), Message::Gossip).incarnation(5);
    solo.hears(own.member(peer(2), 0, State::Down));
    assert_eq!(solo.belief(2), Some((State::Down, 5)));
}

/// Never again: a late Down beats a refutation that everybody knows.
#[test]
fn a_late_down_does_not_beat_a_later_refutation() {
    let mut solo = Solo::new(swim());
    solo.meets(3);
    solo.knows(peer(2), 4, State::Suspect);
    solo.hears_of(3, peer(2), 5, State::Alive);
    solo.hears_of(3, peer(2), 4, State::Down);
    assert_eq!(solo.belief(2), Some((State::Alive, 5)));
}

#[test]
fn a_sender_is_at_least_alive_at_its_own_incarnation() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 5, State::Suspect);
    let says =
        |incarnation| Packet::new(peer(2), peer(1), Message::Gossip).incarnation(incarnation);
    solo.hears(says(5));
    assert_eq!(solo.belief(2), Some((State::Suspect, 5)), "not higher");
    solo.hears(says(6));
    assert_eq!(solo.belief(2), Some((State::Alive, 6)));
    assert_eq!(solo.notices(), [Notice::MemberRefuted(peer(2))]);
}

#[test]
fn what_is_not_news_is_not_spread_and_counted_as_stale() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(3), 0, State::Alive);
    solo.knows(peer(2), 5, State::Suspect);
    let before = solo.engine.counters().updates_stale;
    solo.hears_of(3, peer(2), 5, State::Suspect);
    solo.hears_of(3, peer(2), 4, State::Alive);
    solo.hears_of(3, peer(2), 4, State::Down);
    assert_eq!(solo.engine.counters().updates_stale, before + 3);
    assert_eq!(solo.engine.updates_backlog(), 0);
    solo.hears_of(3, peer(2), 6, State::Alive);
    assert_eq!(solo.engine.updates_backlog(), 1);
}

#[test]
fn the_winner_of_an_address_replaces_the_loser_whole() {
    let newer = Peer { addr: 2, life: 1 };
    for state in [State::Alive, State::Suspect] {
        let mut solo = Solo::new(swim());
        solo.knows(peer(3), 0, State::Alive);
        solo.knows(peer(2), 5, state);
        solo.hears_of(3, newer, 0, State::Alive);
        assert_eq!(solo.belief(2), Some((State::Alive, 0)));
        assert_eq!(*solo.engine.member(&2).unwrap().id, newer);
        let notices = solo.notices();
        assert_eq!(
            notices[0],
            Notice::Rename {
                before: peer(2),
                after: newer
            }
        );
        assert!(!notices.contains(&Notice::MemberUp(newer)));
        assert!(!notices.contains(&Notice::MemberDown(peer(2))));
        assert_eq!(solo.engine.num_members(), 2);
    }
}

#[test]
fn a_rename_precedes_the_member_going_down_or_coming_up() {
    let [newer, newest] = [1, 2].map(|life| Peer { addr: 2, life });
    let mut solo = Solo::new(swim());
    solo.knows(peer(3), 0, State::Alive);
    solo.knows(peer(2), 5, State::Alive);
    solo.hears_of(3, newer, 0, State::Down);
    let renamed = |before, after| Notice::Rename { before, after };
    assert_eq!(
        solo.notices(),
        [renamed(peer(2), newer), Notice::MemberDown(newer)]
    );
    solo.hears_of(3, newest, 0, State::Suspect);
    assert_eq!(
        solo.notices(),
        [
            renamed(newer, newest),
            Notice::MemberUp(newest),
            suspected(newest)
        ]
    );
}

/// Never again: the user is told the new name of somebody it never heard of.
#[test]
fn a_rename_is_told_of_those_only_that_were_active_here() {
    let [newer, newest] = [1, 2].map(|life| Peer { addr: 2, life });
    let mut solo = Solo::new(swim());
    solo.knows(peer(3), 0, State::Alive);
    solo.hears_of(3, peer(2), 0, State::Down);
    solo.hears_of(3, newer, 0, State::Down);
    assert_eq!(solo.notices(), []);
    solo.hears_of(3, newest, 0, State::Alive);
    assert_eq!(solo.notices(), [Notice::MemberUp(newest)]);
    // It is known by now, also when it is down.
    solo.hears_of(3, newest, 0, State::Down);
    let last = Peer { addr: 2, life: 3 };
    solo.hears_of(3, last, 0, State::Alive);
    let renamed = Notice::Rename {
        before: newest,
        after: last,
    };
    let told = [Notice::MemberDown(newest), renamed, Notice::MemberUp(last)];
    assert_eq!(solo.notices(), told);
}

#[test]
fn the_loser_of_an_address_is_neither_believed_nor_heard() {
    let winner = Peer { addr: 2, life: 3 };
    let mut solo = Solo::new(swim());
    solo.knows(peer(3), 0, State::Alive);
    solo.knows(winner, 0, State::Alive);
    solo.hears_of(3, Peer { addr: 2, life: 2 }, 9, State::Down);
    assert_eq!(*solo.engine.member(&2).unwrap().id, winner);
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
    let sent = solo.hears_of(2, peer(9), 0, State::Alive);
    assert_eq!(
        crate::solo::kinds(&sent),
        [(2, "gossip")],
        "told who holds the address"
    );
    assert_eq!(sent[0].0, peer(2), "told to the one that spoke");
    assert_eq!(solo.belief(9), None);
    assert_eq!(solo.engine.counters().dropped_from_down, 1);
}

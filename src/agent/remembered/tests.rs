use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Remembered;
use crate::Member;

fn addr(n: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], n))
}

fn member(n: u16) -> Member<SocketAddr> {
    Member::alive(addr(n))
}

fn ports(next: Vec<SocketAddr>) -> Vec<u16> {
    next.iter().map(SocketAddr::port).collect()
}

#[test]
fn all_come_in_turn_and_none_twice_in_a_round() {
    let mut remembered = Remembered::new((1..=5).map(member).collect());
    assert_eq!(ports(remembered.next(3, |_| false)), [1, 2, 3]);
    assert_eq!(ports(remembered.next(3, |_| false)), [4, 5, 1]);
    assert_eq!(ports(remembered.next(9, |_| false)), [2, 3, 4, 5, 1]);
}

#[test]
fn who_is_known_is_forgotten() {
    let mut remembered = Remembered::new((1..=5).map(member).collect());
    let next = remembered.next(9, |id| id.port() % 2 == 0);
    assert_eq!(ports(next), [1, 5, 3]);
    assert!(remembered.next(9, |_| true).is_empty());
    assert!(remembered.is_empty());
    assert!(remembered.next(9, |_| false).is_empty());
}

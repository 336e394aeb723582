use alloc::vec;

use super::*;

fn put(aside: &mut Aside<u8>, room: usize) -> Vec<u8> {
    let mut buf = vec![];
    aside.put(room, true, &mut buf);
    buf
}

#[test]
fn items_are_sent_as_often_as_they_should_be() {
    let mut aside = Aside::new(100);
    aside.add(1, 7, b"one".to_vec(), 2);
    aside.add(2, 7, b"two".to_vec(), 1);
    assert_eq!(put(&mut aside, 100), b"\x07\0\x03two\x07\0\x03one");
    let mut extra = vec![];
    aside.put(100, false, &mut extra);
    assert_eq!(extra, b"\x07\0\x03one");
    assert_eq!(put(&mut aside, 100), b"\x07\0\x03one");
    assert!(aside.is_empty());
    assert_eq!((put(&mut aside, 100).len(), aside.bytes()), (0, 0));
}

#[test]
fn what_has_no_room_waits() {
    let mut aside = Aside::new(100);
    aside.add(1, 7, b"one".to_vec(), 2);
    aside.add(2, 7, b"two".to_vec(), 2);
    assert_eq!(put(&mut aside, 5), b"");
    assert_eq!(put(&mut aside, 6), b"\x07\0\x03two");
    assert_eq!(put(&mut aside, 6), b"\x07\0\x03one");
}

#[test]
fn later_news_takes_the_place_of_earlier_and_the_oldest_goes_first() {
    let mut aside = Aside::new(8);
    aside.add(1, 7, b"one".to_vec(), 9);
    aside.add(1, 7, b"ONE".to_vec(), 9);
    aside.add(2, 7, b"two".to_vec(), 9);
    assert_eq!((aside.bytes(), aside.dropped()), (6, 0));
    aside.add(3, 7, b"three".to_vec(), 9);
    assert_eq!((aside.bytes(), aside.dropped()), (8, 1));
    assert_eq!(put(&mut aside, 100), b"\x07\0\x05three\x07\0\x03two");
    aside.add(4, 7, vec![0; 9], 9);
    assert_eq!((aside.bytes(), aside.dropped()), (8, 2));
}

#[test]
fn what_fits_nowhere_does_not_wait_for_ever() {
    let mut aside = Aside::new(100);
    aside.add(1, 7, b"small".to_vec(), 3);
    aside.add(2, 7, vec![0; 50], 2);
    for _ in 0..2 {
        assert_eq!(put(&mut aside, 20), b"\x07\0\x05small");
    }
    assert_eq!((aside.bytes(), aside.dropped()), (5, 1));
}

#[test]
fn however_much_waits_a_packet_is_filled_with_what_fits() {
    let mut aside = Aside::new(1 << 20);
    for key in 0..200 {
        aside.add(key, 7, vec![key; 10], 3);
    }
    aside.add(200, 7, vec![0; 90], 3);
    for _ in 0..2 {
        assert_eq!(put(&mut aside, 40)[3..13], *vec![199; 10]);
        aside.add(199, 7, vec![199; 10], 3);
    }
    // All are told in turn.
    let mut told = std::collections::HashSet::new();
    for _ in 0..200 {
        let buf = put(&mut aside, 40);
        told.extend(buf.chunks(13).map(|item| item[3]));
    }
    assert_eq!(told.len(), 200);
}

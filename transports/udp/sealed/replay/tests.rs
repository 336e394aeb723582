use super::Replays;

#[test]
fn each_number_is_new_once_in_any_order_within_the_window() {
    let mut replays = Replays::default();
    let session = [7; 16];
    for number in [5, 3, 9, 1030, 7, 1000, 8, 1031, 20_000, 18_977, 19_999] {
        assert!(replays.admit(&session, number), "{number}");
    }
    for number in [3, 5, 7, 8, 9, 1000, 1031, 18_977, 19_999, 20_000] {
        assert!(!replays.admit(&session, number), "{number}");
    }
    // Behind the window nobody knows.
    assert!(!replays.admit(&session, 18_976));
    assert!(replays.admit(&session, 18_978));
    assert!(replays.admit(&session, u64::MAX));
    assert!(!replays.admit(&session, u64::MAX));
    assert!(replays.admit(&session, u64::MAX - 1));
}

#[test]
fn senders_are_told_apart_and_the_quietest_is_forgotten_at_the_bound() {
    let mut replays = Replays::default();
    let session = |number: usize| (number as u128).to_be_bytes();
    for number in 0..Replays::SENDERS_MAX {
        assert!(replays.admit(&session(number), 1));
    }
    assert!(!replays.admit(&session(0), 1));
    assert!(replays.admit(&session(Replays::SENDERS_MAX), 1));
    assert_eq!(replays.senders.len(), Replays::SENDERS_MAX);
    assert!(!replays.admit(&session(0), 1));
    assert!(!replays.admit(&session(2), 1));
    assert!(replays.admit(&session(1), 1));
}

use core::time::Duration;
use std::time::UNIX_EPOCH;

use super::timestamp;

#[test]
fn points_in_time_are_utc_to_the_millisecond() {
    let at = UNIX_EPOCH + Duration::from_millis(1_000_000_000_007);
    assert_eq!(timestamp(at), "2001-09-09T01:46:40.007Z");
}

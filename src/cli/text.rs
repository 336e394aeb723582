//! Times, and what others say, as they are printed.

use core::time::Duration;
use std::time::SystemTime;

use selkie::admin::timestamp;

/// `40 ms`, `1.25 s`, `12.3 s`, `125 s`: three figures or fewer.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The present, in UTC, as RFC 3339 has it.
pub(crate) fn now() -> String {
    timestamp(SystemTime::now())
}

/// What others say, without what moves a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => printable.extend(char.escape_default()),
            false => printable.push(char),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{printable, seconds};

    #[test]
    fn spans_have_three_figures() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.00 s"),
            (9_994, "9.99 s"),
            (9_995, "10.0 s"),
            (99_940, "99.9 s"),
            (99_960, "100 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn what_others_say_moves_no_cursor() {
        assert_eq!(printable("köln\u{1b}[2J\n"), "köln\\u{1b}[2J\\n");
    }
}

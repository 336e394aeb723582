//! Whether something is what a page shows.

use crate::page::words;

/// Whether all of it is: `...` is anything in a line, and any lines alone on one.
pub(crate) fn is_shown(shown: &str, seen: &str) -> bool {
    let shown: Vec<String> = shown.lines().map(stable).collect();
    let seen: Vec<String> = seen.lines().map(stable).collect();
    lines_match(&shown, &seen)
}

/// A line without what differs from time to time.
fn stable(line: &str) -> String {
    let words = words(line);
    let stable: Vec<_> = words
        .split(' ')
        .map(|word| if is_time(word) { "TIME" } else { word })
        .collect();
    stable.join(" ")
}

/// As 2026-11-23T18:01:51.824Z.
fn is_time(word: &str) -> bool {
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

fn lines_match(shown: &[String], seen: &[String]) -> bool {
    match shown.split_first() {
        None => seen.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=seen.len()).any(|skipped| lines_match(rest, &seen[skipped..]))
        }
        Some((first, rest)) => seen
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && lines_match(rest, more)),
    }
}

fn line_matches(shown: &str, seen: &str) -> bool {
    let mut parts = shown.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = seen.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[test]
fn what_a_page_leaves_out_may_be_anything_and_all_else_is_as_it_shows() {
    let seen = "NAME  STATE\na     alive  2026-11-23T18:01:51.824Z\nb     down\n";
    for shown in [
        seen,
        "NAME STATE\n...\n",
        "...\nb down",
        "NAME STATE\na ... 1999-01-01T00:00:00.000Z\n...\nb d...n",
    ] {
        assert!(is_shown(shown, seen), "{shown}");
    }
    for shown in [
        "",
        "NAME STATE",
        "...\na alive",
        "...\nb ...up",
        "NAME STATE\n...\nc ...",
    ] {
        assert!(!is_shown(shown, seen), "{shown}");
    }
}

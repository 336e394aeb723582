//! Files fit in a head.

use crate::source::{files_below, read};

#[test]
fn files_are_short() {
    for (folder, lines_max) in [
        ("src", 520),
        ("codecs", 520),
        ("transports", 520),
        ("examples", 200),
        ("tests", 600),
    ] {
        let files = files_below(folder, ".rs");
        assert!(!files.is_empty(), "{folder} has no files");
        for path in files {
            let lines = read(&path).lines().count();
            assert!(lines <= lines_max, "{path} has {lines} lines: split it");
        }
    }
}

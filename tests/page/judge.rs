//! What holds of the page whatever it shows: nothing sticks out, nothing lies on anything else, and
//! all of it can be read.

use serde_json::json;

use crate::browser::Browser;

/// Looks at it in a window of this width, in both schemes.
#[track_caller]
pub(crate) fn check_looks(browser: &mut Browser, name: &str, width: u32) {
    browser.resize(width, 800);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let found = browser.read(&FAULTS.replace("WIDTH", &width.to_string()));
        assert_eq!(found, json!([]), "{name}, {scheme}, {width} px");
        browser.keep(&format!("{name}-{scheme}"));
    }
    browser.prefer("light");
}

/// Every text of its own: where it is, and how it stands out against what is behind it.
const FAULTS: &str = include_str!("faults.js");

//! How `selkie agent` ends.

use crate::fixture::{Agent, owned};

#[test]
fn a_second_signal_exits_at_once() {
    let shared = [
        "--transport",
        "udp",
        "--preset",
        "wan",
        "--bind",
        "127.0.0.1:0",
    ];
    let mut a = Agent::start("a", &owned(&[&shared[..], &["--name", "a"]].concat()));
    let seed = a.addr.to_string();
    let join = ["--name", "b", "--join", &seed];
    let mut b = Agent::start("b", &owned(&[&shared[..], &join].concat()));
    a.until_event("joined", "b");
    // Nobody acknowledges the departure: it takes its time.
    b.kill();
    a.signal("TERM");
    a.until("leaving", |event| event["event"] == "leaving");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(130));
}

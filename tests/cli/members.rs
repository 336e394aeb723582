//! `selkie agent`: members among each other.

use core::time::Duration;
use std::{fs, net::UdpSocket, time::Instant};

use crate::fixture::{Agent, Certs, check_failure, free_port, owned, run, stderr};

#[test]
fn members_over_quic_find_each_other_fail_return_and_leave() {
    let certs = Certs::new(&["a", "b", "c"]);
    let seed = free_port();
    // Before there is a seed.
    let mut a = Agent::start("a", &certs.args("a", &["--join", &seed.to_string()]));
    let mut b = Agent::start("b", &certs.args("b", &["--join", &seed.to_string()]));
    let mut c = Agent::start("c", &certs.at(seed, "c", &[]));
    for (agent, others) in [
        (&mut a, ["b", "c"]),
        (&mut b, ["a", "c"]),
        (&mut c, ["a", "b"]),
    ] {
        let mut missing = others.to_vec();
        agent.until("both others", |event| {
            if event["event"] == "joined" {
                missing.retain(|name| event["name"] != *name);
            }
            missing.is_empty()
        });
    }

    a.kill();
    for agent in [&mut b, &mut c] {
        agent.until_event("suspect", "a");
        agent.until_event("down", "a");
    }

    let generation = a.generation;
    let mut a = Agent::start("a", &certs.args("a", &["--join", &seed.to_string()]));
    assert!(a.generation > generation);
    for agent in [&mut b, &mut c] {
        let event = agent.until_event("renamed", "a");
        assert_eq!(event["addr"], a.addr.to_string());
        assert_eq!(event["before"]["generation"], generation);
        agent.until_event("joined", "a");
    }

    let asked = Instant::now();
    b.signal("TERM");
    for agent in [&mut a, &mut c] {
        agent.until_event("left", "b");
    }
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(b.wait(), Some(0));
}

#[test]
fn members_over_udp_speak_any_codec() {
    for codec in ["postcard", "bincode", "msgpack"] {
        let args = [
            "--bind",
            "127.0.0.1:0",
            "--transport",
            "udp",
            "--codec",
            codec,
        ];
        let mut a = Agent::start("a", &owned(&[&args[..], &["--name", "a"]].concat()));
        let seed = a.addr.to_string();
        let join = ["--name", "b", "--join", &seed];
        let mut b = Agent::start("b", &owned(&[&args[..], &join].concat()));
        a.until_event("joined", "b");
        b.until_event("joined", "a");
    }
}

#[test]
fn members_over_sealed_udp_find_each_other_and_strangers_do_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (ours, theirs) = (file("ours.key"), file("theirs.key"));
    for out in [&ours, &theirs] {
        let output = run(&["keys", "generate", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let text = fs::read_to_string(&ours).expect("a key");
    check_failure(&run(&["keys", "generate", "--out", &ours]), &["--force"]);
    assert_eq!(fs::read_to_string(&ours).expect("a key"), text);

    let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--seal-key"];
    let start = |name: &'static str, key: &str, more: &[&str]| {
        let args = [&args[..], &[key, "--name", name], more].concat();
        Agent::start(name, &owned(&args))
    };
    let mut a = start("a", &ours, &[]);
    let seed = a.addr.to_string();
    let _stranger = start("x", &theirs, &["--join", &seed]);
    let mut b = start("b", &ours, &["--join", &seed]);
    a.until("b", |event| {
        assert_ne!(event["name"], "x", "{event}");
        event["event"] == "joined" && event["name"] == "b"
    });
    b.until_event("joined", "a");

    // A new key, while they run.
    let new = file("new.key");
    assert!(run(&["keys", "generate", "--out", &new]).status.success());
    let new_text = fs::read_to_string(&new).expect("a key");
    fs::write(&ours, new_text + &text).expect("written");
    let _c = start("c", &new, &["--join", &seed]);
    for agent in [&mut a, &mut b] {
        agent.until("c", |event| {
            assert_ne!(event["event"], "suspect", "{event}");
            event["event"] == "joined" && event["name"] == "c"
        });
    }
}

#[test]
fn members_on_ipv6_find_each_other_through_a_dual_stack_socket() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6");
        return;
    }
    let shared = ["--transport", "udp", "--name"];
    let dual = ["a", "--bind", "[::]:0", "--advertise", "127.0.0.1:0"];
    let mut a = Agent::start("a", &owned(&[&shared[..], &dual].concat()));
    let v4 = a.addr.to_string();
    let v6 = format!("[::1]:{}", a.addr.port());
    let b = ["b", "--bind", "127.0.0.1:0", "--join", &v4];
    let mut b = Agent::start("b", &owned(&[&shared[..], &b].concat()));
    a.until_event("joined", "b");
    b.until_event("joined", "a");

    let dual = [
        "c",
        "--bind",
        "[::]:0",
        "--advertise",
        "[::1]:0",
        "--join",
        &v6,
    ];
    let mut c = Agent::start("c", &owned(&[&shared[..], &dual].concat()));
    a.until_event("joined", "c");
    c.until_event("joined", "a");
}

#[test]
fn members_of_another_authority_stay_strangers() {
    let ours = Certs::new(&["a", "b"]);
    let theirs = Certs::new(&["x"]);
    let mut a = Agent::start("a", &ours.args("a", &[]));
    let join = a.addr.to_string();
    let mut x = Agent::start("x", &theirs.args("x", &["--join", &join]));
    let mut b = Agent::start("b", &ours.args("b", &["--join", &join]));
    a.until_event("joined", "b");
    b.until_event("joined", "a");
    x.until_stderr("authority");
    for agent in [&mut a, &mut b, &mut x] {
        agent.signal("TERM");
        assert_eq!(agent.wait(), Some(0));
    }
    assert!(
        a.seen.iter().all(|event| event["name"] != "x"),
        "{:?}",
        a.seen
    );
    assert!(
        x.seen.iter().all(|event| event["event"] != "joined"),
        "{:?}",
        x.seen
    );
}

#[test]
fn unresolvable_seed_is_named_and_tried_again() {
    let args = ["--bind", "127.0.0.1:0", "--transport", "udp", "--name", "a"];
    let join = ["--join", "nobody.invalid:7946"];
    let mut a = Agent::start("a", &owned(&[&args[..], &join].concat()));
    a.until_stderr("nobody.invalid:7946");
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
}

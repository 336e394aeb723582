use alloc::{format, string::ToString};
use core::net::IpAddr;

use super::*;
use crate::Node;

fn may_speak(sender: &impl Fn() -> Node, names: &[&str], addrs: &[IpAddr]) -> bool {
    let source = Source {
        from: "10.0.0.9:1".parse().expect("an address"),
        peer: Some(ProvenPeer::new(
            names.iter().copied(),
            addrs.iter().copied(),
            [],
        )),
    };
    CertifiedSenders.may_speak(&Claim::new(&sender(), &source, false))
}

#[test]
fn a_peer_speaks_for_whom_its_certificate_names() {
    let node = || {
        let addr = "10.0.0.1:7946".parse().expect("an address");
        Node::new("db-1".parse().expect("a name"), addr, 1)
    };
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(may_speak(&node, &["db-1"], &[]));
    assert!(may_speak(&node, &["db-0", "db-1"], &[ip("10.0.0.1")]));
    assert!(may_speak(&node, &["db-1"], &[ip("::ffff:10.0.0.1")]));
    assert!(!may_speak(&node, &["db-1"], &[ip("10.0.0.2")]));
    assert!(!may_speak(&node, &["db-2"], &[]));
    assert!(!may_speak(&node, &[], &[]));
}

#[test]
fn identities_without_a_name_are_held_to_addresses() {
    let addr: SocketAddr = "10.0.0.1:7946".parse().expect("an address");
    let claims = |addrs: &[IpAddr]| {
        let source = Source {
            from: addr,
            peer: Some(ProvenPeer::new(["db-1"], addrs.iter().copied(), [])),
        };
        CertifiedSenders.may_speak(&Claim::new(&addr, &source, false))
    };
    assert!(claims(&[]));
    assert!(claims(&[addr.ip()]));
    assert!(!claims(&["10.0.0.2".parse().expect("an address")]));
}

#[test]
fn reasons_are_bounded() {
    let mut refusals = Refusals::default();
    for n in 0..100 {
        refusals.count(format!("reason {n}").into());
    }
    refusals.count("reason 3".into());
    let counted: Vec<_> = refusals.iter().map(|(r, n)| (r.to_string(), n)).collect();
    assert_eq!(counted.len(), Refusals::REASONS_MAX + 1);
    assert_eq!(counted[3], ("reason 3".to_string(), 2));
    let others = 100 - Refusals::REASONS_MAX as u64;
    assert_eq!(counted[32], ("other".to_string(), others));
}

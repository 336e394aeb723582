//! Those who take more than their share: strangers with handshakes that they do not end, members
//! with packets.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
};

use selkie::{
    Transport,
    transports::{
        certs::DevCa,
        quic::{Options, Quic, quinn},
    },
};
use smol::{Async, Task, future};

use crate::fixture::*;

#[test]
fn a_stranger_who_stalls_many_handshakes_keeps_no_member_out() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let Some(outside) = bind_elsewhere(2) else {
            return;
        };
        let staller = Staller::start(outside, left.local_addr());
        let endpoint = quinn_endpoint();
        let _stalled = attempts(&endpoint, staller.entry, 100);
        until(&left, "some are refused", || refused(&left) > 0).await;
        check_delivers(&right, &left, b"polite").await;
        check_delivers(&left, &right, b"polite, too").await;
        let counters = left.counters();
        assert!(counters.inbound_refused_source > 0, "{counters:?}");
        assert_eq!(counters.inbound_refused_busy, 0, "{counters:?}");
    });
}

#[test]
fn strangers_at_several_addresses_who_take_all_places_keep_no_member_out() {
    const EACH: usize = 24;
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let outside: Vec<_> = (2..6).filter_map(bind_elsewhere).collect();
        if outside.len() < 4 {
            return;
        }
        let start = |socket| Staller::start(socket, left.local_addr());
        let stallers: Vec<_> = outside.into_iter().map(start).collect();
        let endpoint = quinn_endpoint();
        let stall = |staller: &Staller| attempts(&endpoint, staller.entry, EACH);
        let _stalled: Vec<_> = stallers.iter().map(stall).collect();
        // The first of each need not prove where it is.
        let challenged = (stallers.len() * (EACH - 1)) as u64;
        until(&left, "they prove where they are", || {
            left.counters().inbound_challenged >= challenged
        })
        .await;
        check_delivers(&right, &left, b"polite").await;
        check_delivers(&left, &right, b"polite, too").await;
    });
}

#[test]
fn a_member_that_floods_leaves_room_for_the_packets_of_others() {
    let ca = ca();
    run(async {
        let (left, flooder, other) = (node(&ca), node(&ca), node(&ca));
        // Nobody receives, meanwhile.
        until(&left, "there is no room for more of it", || {
            for _ in 0..50 {
                let _ = smol::block_on(flooder.send(left.local_addr(), b"flood"));
            }
            left.counters().dropped_inbox_full > 0
        })
        .await;
        let before = left.counters().packets_in;
        other.send(left.local_addr(), b"polite").await.unwrap();
        until(&left, "the other's is taken", || {
            left.counters().packets_in > before
        })
        .await;
        let polite = (other.local_addr(), b"polite".to_vec());
        while !receive(&left).await.contains(&polite) {}
    });
}

#[test]
fn a_member_that_speaks_from_many_ports_leaves_connections_to_others() {
    const PEERS_MAX: usize = 8;
    let ca = ca();
    run(async {
        let options = Options::new().peers_max(PEERS_MAX);
        let here = addr("127.0.0.1", 0);
        let left = Quic::bind_with(here, &member(&ca), &options).unwrap();
        let (one, others) = (member(&ca), [node(&ca), node(&ca), node(&ca)]);
        let ports: Vec<_> = (0..2 * PEERS_MAX)
            .map(|_| Quic::bind(here, &one).unwrap())
            .collect();
        for port in &ports {
            port.send(left.local_addr(), b"again").await.unwrap();
        }
        until(&left, "it has half of them, and no more", || {
            left.counters().inbound_refused_share == (2 * PEERS_MAX - PEERS_MAX / 2) as u64
        })
        .await;
        assert_eq!(left.connections(), PEERS_MAX / 2);
        let mut again = 0;
        while again < PEERS_MAX / 2 {
            again += receive(&left).await.len();
        }
        for other in &others {
            check_delivers(other, &left, b"polite").await;
            check_delivers(&left, other, b"polite, too").await;
        }
        // What it gave back it may have again.
        let (kept, refused): (Vec<_>, Vec<_>) =
            ports.into_iter().partition(|port| port.connections() > 0);
        drop(kept);
        until(&left, "they are gone", || {
            left.connections() == others.len()
        })
        .await;
        until_delivers(&refused[0], &left, b"later").await;
    });
}

#[test]
fn who_waited_while_trust_changed_is_judged_by_the_new_one() {
    const PER_SOURCE_MAX: usize = 16;
    let (old, new) = (DevCa::new("old").unwrap(), DevCa::new("new").unwrap());
    run(async {
        let (left, polite) = (node(&old), node(&old));
        let Some(outside) = bind_elsewhere(2) else {
            return;
        };
        let late = Quic::bind(addr("127.0.0.2", 0), &member(&old)).unwrap();
        let staller = Staller::start(outside, left.local_addr());
        let endpoint = quinn_endpoint();
        let stalled = attempts(&endpoint, staller.entry, PER_SOURCE_MAX);
        let challenged = || left.counters().inbound_challenged;
        let others = PER_SOURCE_MAX as u64 - 1;
        // Challenged they were before that.
        until(&left, "they take all places", || {
            staller.num_begun() == PER_SOURCE_MAX
        })
        .await;
        late.send(left.local_addr(), b"late").await.unwrap();
        until(&left, "it is, too", || challenged() > others).await;
        // By the time of a whole handshake later, it has answered, and waits.
        check_delivers(&polite, &left, b"polite").await;
        left.replace_credentials(&member(&new)).unwrap();
        left.cut_old();
        drop(stalled);
        check_counts(&late, |counters| counters.dials_untrusted).await;
        assert_eq!((left.counters().packets_in, left.connections()), (1, 0));
    });
}

#[test]
fn only_a_few_may_begin_who_do_not_prove_where_they_are() {
    const STRANGERS: u8 = 60;
    const UNPROVEN_MAX: u64 = 8;
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let mut initials = initials(usize::from(STRANGERS)).await;
        for (host, initial) in (2..).zip(&mut initials) {
            let Some(silent) = bind_elsewhere(host) else {
                return;
            };
            silent.send_to(initial, left.local_addr()).unwrap();
        }
        let expected = u64::from(STRANGERS) - UNPROVEN_MAX;
        until(&left, "the others are challenged", || {
            left.counters().inbound_challenged >= expected
        })
        .await;
        check_delivers(&right, &left, b"polite").await;
        assert_eq!(refused(&left), 0, "{:?}", left.counters());
    });
}

#[test]
fn the_second_handshake_from_one_address_has_to_prove_where_it_is() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let Some(silent) = bind_elsewhere(2) else {
            return;
        };
        for initial in initials(3).await {
            silent.send_to(&initial, left.local_addr()).unwrap();
        }
        until(&left, "two are challenged", || {
            left.counters().inbound_challenged >= 2
        })
        .await;
        // From another address, and nobody else's is under way from there.
        check_delivers(&right, &left, b"polite").await;
        assert_eq!(left.counters().inbound_challenged, 2);
    });
}

/// How many handshakes were refused, for whatever reason.
fn refused(node: &Quic) -> u64 {
    let counters = node.counters();
    let refused = counters
        .iter()
        .filter(|(name, _)| name.starts_with("inbound_refused"));
    refused.map(|(_, count)| count).sum()
}

/// A socket at another address than that of the nodes, where loopback has more than one.
fn bind_elsewhere(host: u8) -> Option<UdpSocket> {
    match UdpSocket::bind((Ipv4Addr::new(127, 0, 0, host), 0)) {
        Ok(socket) => Some(socket),
        Err(error) => {
            eprintln!("this machine has no 127.0.0.{host}: {error}");
            None
        }
    }
}

/// Handshakes begun by somebody who has no certificate.
fn attempts(endpoint: &quinn::Endpoint, to: SocketAddr, count: usize) -> Vec<quinn::Connecting> {
    let mut tls = client_config(None);
    tls.alpn_protocols = vec![b"selkie/1".to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    (0..count)
        .map(|_| {
            endpoint
                .connect_with(config.clone(), to, "any.name")
                .unwrap()
        })
        .collect()
}

/// The first packets of so many handshakes.
async fn initials(count: usize) -> Vec<Vec<u8>> {
    let trap = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = quinn_endpoint();
    let _begun = attempts(&endpoint, trap.get_ref().local_addr().unwrap(), count);
    let mut initials = BTreeSet::new();
    let mut connections = BTreeSet::new();
    let mut buf = [0; 2048];
    while initials.len() < count {
        let (len, _) = trap.recv_from(&mut buf).await.unwrap();
        let packet = &buf[..len];
        // The rest is repetition: the destination's connection id comes sixth, after its length.
        if connections.insert(packet[6..6 + usize::from(packet[5])].to_vec()) {
            initials.insert(packet.to_vec());
        }
    }
    initials.into_iter().collect()
}

/// Stands between a client and a node. The client proves where it is, and there its handshake
/// stops: of what the node answers, only the request for that proof goes through.
struct Staller {
    entry: SocketAddr,
    begun: Begun,
    _relay: Task<()>,
}

/// The connection ids of those whose handshake the node began.
type Begun = Arc<Mutex<BTreeSet<Vec<u8>>>>;

impl Staller {
    fn start(outside: UdpSocket, node: SocketAddr) -> Self {
        let inside = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let entry = inside.get_ref().local_addr().unwrap();
        let outside = Async::new(outside).unwrap();
        let begun = Begun::default();
        let relay = smol::spawn(relay(inside, outside, node, begun.clone()));
        Self {
            entry,
            begun,
            _relay: relay,
        }
    }

    fn num_begun(&self) -> usize {
        self.begun.lock().unwrap().len()
    }
}

async fn relay(
    inside: Async<UdpSocket>,
    outside: Async<UdpSocket>,
    node: SocketAddr,
    begun: Begun,
) {
    let client = smol::lock::Mutex::new(None);
    let inwards = async {
        let mut buf = [0; 2048];
        loop {
            let (len, from) = inside.recv_from(&mut buf).await.unwrap();
            *client.lock().await = Some(from);
            outside.send_to(&buf[..len], node).await.unwrap();
        }
    };
    let outwards = async {
        let mut buf = [0; 2048];
        loop {
            let (len, _) = outside.recv_from(&mut buf).await.unwrap();
            // A long header, and of its types, Retry.
            let is_retry = buf[0] & 0xf0 == 0xf0;
            let is_initial = buf[0] & 0xf0 == 0xc0;
            if is_initial {
                let id = &buf[6..6 + usize::from(buf[5])];
                begun.lock().unwrap().insert(id.to_vec());
            }
            if let Some(client) = *client.lock().await
                && is_retry
            {
                inside.send_to(&buf[..len], client).await.unwrap();
            }
        }
    };
    future::or(inwards, outwards).await;
}

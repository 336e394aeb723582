//! SRV records, from a name server of our own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use selkie::{agent::Event, transports::MemoryNetwork};
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord,
    rdata::{A, RData, SRV},
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder, event_where},
};

const NAME: &str = "_gossip._udp.example.org";

/// What the server says.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    /// A host, and beside it its address.
    WithAddress(SocketAddr),
    /// A host that the system resolves.
    Localhost(u16),
    /// That it is too much for UDP, and there as `WithAddress`.
    ByTcp(SocketAddr),
    NoSuchName,
    Rubbish,
}

struct Server {
    addr: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// One for the rest of the process.
    fn start(answers: Answers) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind(ANY_PORT).unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let addr = udp.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            let mut buf = [0; 512];
            while let Ok((len, from)) = udp.recv_from(&mut buf) {
                count.fetch_add(1, Ordering::SeqCst);
                for answer in answer(&buf[..len], answers, false) {
                    udp.send_to(&answer, from).unwrap();
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let mut stream = stream.unwrap();
                let mut len = [0; 2];
                stream.read_exact(&mut len).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
                stream.read_exact(&mut query).unwrap();
                for answer in answer(&query, answers, true) {
                    let len = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    // In pieces.
                    stream.write_all(&len[..1]).unwrap();
                    stream
                        .write_all(&[&len[1..], &answer[..20]].concat())
                        .unwrap();
                    stream.write_all(&answer[20..]).unwrap();
                }
            }
        });
        Self { addr, asked }
    }
}

fn answer(query: &[u8], answers: Answers, is_tcp: bool) -> Vec<Vec<u8>> {
    let query = Packet::parse(query).unwrap();
    assert_eq!(query.questions[0].qname.to_string(), NAME);
    let mut packet = Packet::new_reply(query.id());
    packet.questions.clone_from(&query.questions);
    match answers {
        Answers::WithAddress(addr) => with_target(&mut packet, addr),
        Answers::ByTcp(addr) if is_tcp => with_target(&mut packet, addr),
        Answers::ByTcp(_) => packet.set_flags(PacketFlag::TRUNCATION),
        Answers::Localhost(port) => with_srv(&mut packet, "localhost", port),
        Answers::NoSuchName => *packet.rcode_mut() = RCODE::NameError,
        Answers::Rubbish => {
            let mut long = packet.build_bytes_vec().unwrap();
            // Says that 65,535 records follow.
            long[6..8].fill(0xff);
            return vec![long];
        }
    }
    let real = packet.build_bytes_vec_compressed().unwrap();
    if is_tcp {
        return vec![real];
    }
    // What others might send in its place comes first.
    let mut forged = Packet::new_reply(query.id().wrapping_add(1));
    forged.questions.clone_from(&query.questions);
    let mut other = Packet::new_reply(query.id());
    other.questions.clone_from(&query.questions);
    other.questions[0].qname = Name::new_unchecked("elsewhere.example.org");
    let forged = [forged, other].map(|packet| packet.build_bytes_vec().unwrap());
    forged.into_iter().chain([vec![0; 3], real]).collect()
}

fn with_target(packet: &mut Packet<'_>, addr: SocketAddr) {
    with_srv(packet, "db-1.example.org", addr.port());
    let SocketAddr::V4(addr) = addr else {
        panic!("an IPv4 address");
    };
    let host = Name::new_unchecked("DB-1.example.org");
    let ip = RData::A(A::from(*addr.ip()));
    let record = ResourceRecord::new(host, CLASS::IN, 5, ip);
    packet.additional_records.push(record);
}

fn with_srv<'a>(packet: &mut Packet<'a>, host: &'a str, port: u16) {
    for (target, port) in [(".", 9), ("ignored.example.org", 0), (host, port)] {
        let srv = RData::SRV(SRV {
            priority: 0,
            weight: 0,
            port,
            target: Name::new_unchecked(target),
        });
        let record = ResourceRecord::new(Name::new_unchecked(NAME), CLASS::IN, 5, srv);
        packet.answers.push(record);
    }
}

async fn check_joins(answers: impl FnOnce(SocketAddr) -> Answers) {
    let net = MemoryNetwork::new();
    let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
    let server = Server::start(answers(a.addr()));
    let built = builder("b", net.bind(ANY_PORT).unwrap())
        .seeds([NAME])
        .dns_servers([server.addr]);
    let (cluster, driver) = built.build().await.unwrap();
    let b = Agent::run(cluster, driver);
    b.knows(1).await;
    a.knows(1).await;
    assert!(server.asked.load(Ordering::SeqCst) >= 1);
}

#[test]
fn an_srv_name_leads_to_the_addresses_that_come_with_it() {
    smol::block_on(check_joins(Answers::WithAddress));
}

#[test]
fn an_srv_name_leads_to_hosts_that_the_system_resolves() {
    smol::block_on(check_joins(|addr| Answers::Localhost(addr.port())));
}

#[test]
fn what_is_too_much_for_udp_is_asked_for_by_tcp() {
    smol::block_on(check_joins(Answers::ByTcp));
}

async fn check_unresolved(answers: Answers, reason: &str) {
    let server = Server::start(answers);
    let built = builder("a", MemoryNetwork::new().bind(ANY_PORT).unwrap())
        .seeds([NAME])
        .dns_servers([server.addr]);
    let (cluster, driver) = built.build().await.unwrap();
    let mut events = cluster.events();
    let _a = Agent::run(cluster, driver);
    // And again: it is asked for ever.
    for _ in 0..2 {
        let is_it = |event: &Event<_>| match event {
            Event::SeedUnresolved { seed, reason: told } => {
                assert_eq!(seed.to_string(), NAME);
                told.contains(reason)
            }
            _ => false,
        };
        event_where(&mut events, &reason, is_it).await;
    }
}

#[test]
fn a_name_that_is_not_there_is_told_and_asked_for_again() {
    smol::block_on(check_unresolved(Answers::NoSuchName, "no such name"));
}

#[test]
fn an_answer_that_lies_about_its_length_is_refused() {
    smol::block_on(check_unresolved(Answers::Rubbish, "cannot be read"));
}

//! SRV records, which the system's resolver does not look up.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs, UdpSocket},
    time::Instant,
};

use resolv_conf::ScopedIp;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE, header_buffer, rdata::RData,
};

use crate::agent::choice::random;

/// Whether SRV names can be looked up.
pub(super) const IS_THERE: bool = true;

/// The addresses that the SRV records of a name lead to. Asks one server after the other, each
/// twice, by UDP, and by TCP for what is longer. Blocks.
pub(super) fn look_up(name: &str, servers: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
    let systems;
    let servers = if servers.is_empty() {
        systems = system_servers()?;
        &systems
    } else {
        servers
    };
    let servers = servers.iter().take(SERVERS_MAX);
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "no name server is known");
    for server in servers.clone().chain(servers) {
        match ask(name, *server) {
            Ok(targets) => return Ok(addresses(targets)),
            // It knows that there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn system_servers() -> io::Result<Vec<SocketAddr>> {
    let text = fs::read(SYSTEM_CONFIG).map_err(|error| {
        let reason = format!("no name server is known: {SYSTEM_CONFIG}: {error}");
        io::Error::new(error.kind(), reason)
    })?;
    let config = resolv_conf::Config::parse_with_errors(&text).0;
    let servers = config.get_nameservers_or_local().into_iter();
    // Which interface a link-local one is behind is for the system to find out.
    let unscoped = servers.filter(|server| !matches!(server, ScopedIp::V6(_, Some(_))));
    Ok(unscoped.map(|ip| SocketAddr::new(ip.into(), 53)).collect())
}

/// Where one record leads to.
struct Target {
    host: String,
    port: u16,
    /// Its addresses, if the answer had them.
    ips: Vec<IpAddr>,
}

fn addresses(targets: Vec<Target>) -> Vec<SocketAddr> {
    let addrs = targets.into_iter().flat_map(|target| {
        let Target { host, port, ips } = target;
        let resolved = match ips.is_empty() {
            true => (host, port).to_socket_addrs().ok(),
            false => None,
        };
        let told = ips.into_iter().map(move |ip| SocketAddr::new(ip, port));
        told.chain(resolved.into_iter().flatten())
    });
    addrs.collect()
}

fn ask(name: &str, server: SocketAddr) -> io::Result<Vec<Target>> {
    // 16 bits of it are the number of the query.
    let id = (random() >> 48) as u16;
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(io::Error::other)?;
    let question = Question::new(name, TYPE::SRV.into(), CLASS::IN.into(), false);
    query.questions.push(question);
    let bytes = query.build_bytes_vec().map_err(io::Error::other)?;
    let late = Instant::now() + TIMEOUT;

    match ask_by_udp(&query, &bytes, server, late)? {
        Answer::Whole(targets) => Ok(targets),
        Answer::Truncated => ask_by_tcp(&query, &bytes, server, late),
    }
}

fn ask_by_udp(
    query: &Packet<'_>,
    bytes: &[u8],
    server: SocketAddr,
    late: Instant,
) -> io::Result<Answer> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.send(bytes)?;
    let mut buf = [0; 4096];
    loop {
        socket.set_read_timeout(Some(rest(late)?))?;
        let len = socket.recv(&mut buf).map_err(timed_out)?;
        // Anybody could send one: only what answers the question ends it.
        let answer = buf.get(..len).map(|answer| read(query, answer));
        if let Some(Some(answer)) = answer {
            return answer;
        }
    }
}

fn ask_by_tcp(
    query: &Packet<'_>,
    bytes: &[u8],
    server: SocketAddr,
    late: Instant,
) -> io::Result<Vec<Target>> {
    let mut stream = TcpStream::connect_timeout(&server, rest(late)?)?;
    stream.set_write_timeout(Some(rest(late)?))?;
    let len = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), bytes].concat())?;
    let mut len = [0; 2];
    read_exact(&mut stream, &mut len, late)?;
    let mut buf = alloc::vec![0; usize::from(u16::from_be_bytes(len))];
    read_exact(&mut stream, &mut buf, late)?;
    match read(query, &buf).unwrap_or_else(|| Err(invalid()))? {
        Answer::Whole(targets) => Ok(targets),
        Answer::Truncated => Err(invalid()),
    }
}

fn read_exact(stream: &mut TcpStream, buf: &mut [u8], late: Instant) -> io::Result<()> {
    let mut unread = buf;
    while !unread.is_empty() {
        stream.set_read_timeout(Some(rest(late)?))?;
        let len = stream.read(unread).map_err(timed_out)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unread = unread.get_mut(len..).unwrap_or_default();
    }
    Ok(())
}

/// How much time is left.
fn rest(late: Instant) -> io::Result<Duration> {
    let rest = late.saturating_duration_since(Instant::now());
    match rest.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(rest),
    }
}

/// Some systems have another word for it.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the name server's answer cannot be read",
    )
}

enum Answer {
    Whole(Vec<Target>),
    /// It goes on where there is more room.
    Truncated,
}

/// What a message says to a query; `None` if it is no answer to it.
fn read(query: &Packet<'_>, message: &[u8]) -> Option<io::Result<Answer>> {
    let is_ours = header_buffer::id(message).ok()? == query.id()
        && header_buffer::has_flags(message, PacketFlag::RESPONSE).ok()?;
    if !is_ours {
        return None;
    }
    if header_buffer::has_flags(message, PacketFlag::TRUNCATION).ok()? {
        return Some(Ok(Answer::Truncated));
    }
    // The parser makes room for as many as are said to follow.
    let counts = [
        header_buffer::questions(message).ok()?,
        header_buffer::answers(message).ok()?,
        header_buffer::name_servers(message).ok()?,
        header_buffer::additional_records(message).ok()?,
    ];
    if counts
        .iter()
        .map(|&count| usize::from(count))
        .sum::<usize>()
        > message.len() / QUESTION_MIN
    {
        return Some(Err(invalid()));
    }
    let packet = Packet::parse(message).ok()?;
    let asked = |packet: &Packet<'_>| packet.questions.first().map(|q| q.qname.to_string());
    let is_same = |a: String, b: String| a.eq_ignore_ascii_case(&b);
    if !asked(query)
        .zip(asked(&packet))
        .is_some_and(|(a, b)| is_same(a, b))
    {
        return None;
    }
    Some(match packet.rcode() {
        RCODE::NoError => Ok(Answer::Whole(targets(&packet))),
        RCODE::NameError => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        rcode => Err(io::Error::other(format!("name server says {rcode:?}"))),
    })
}

fn targets(packet: &Packet<'_>) -> Vec<Target> {
    let records = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) if srv.port != 0 => Some(srv),
            _ => None,
        });
    let targets = records.filter(|srv| !srv.target.get_labels().is_empty());
    let targets = targets.take(TARGETS_MAX).map(|srv| {
        let beside = packet.additional_records.iter();
        let ips = beside.filter(|record| record.name == srv.target);
        let ips = ips.filter_map(|record| match &record.rdata {
            RData::A(a) => Some(IpAddr::V4(a.address.into())),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into())),
            _ => None,
        });
        Target {
            host: srv.target.to_string(),
            port: srv.port,
            ips: ips.collect(),
        }
    });
    targets.collect()
}

/// Where systems that have it say whom to ask.
const SYSTEM_CONFIG: &str = "/etc/resolv.conf";
/// How long one server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most servers asked: as many as the system's resolver asks.
const SERVERS_MAX: usize = 3;
/// The most records followed.
const TARGETS_MAX: usize = 256;
/// The bytes of the shortest question; records are longer.
const QUESTION_MIN: usize = 5;

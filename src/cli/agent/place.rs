//! Where a member lives, and what it is called.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{io, net::UdpSocket};

use selkie::{Name, Node};

use crate::{args::AgentArgs, failure::Failure};

/// Refuses addresses that the others cannot reach.
pub(super) fn check(args: &AgentArgs) -> Result<(), Failure> {
    let bind = args.bind;
    match args.advertise {
        None if bind.ip().is_unspecified() => {
            let ip = own_ip(bind.ip());
            Err(Failure::new(
                format!("cannot bind {bind} without --advertise"),
                format!(
                    "{} stands for all addresses of this machine, and the others need one",
                    bind.ip()
                ),
            )
            .hint(format!(
                "say where they reach us: --advertise {}",
                SocketAddr::new(ip, bind.port())
            )))
        }
        Some(addr) if addr.ip().is_unspecified() => Err(Failure::new(
            format!("cannot advertise {addr}"),
            format!("nobody can be reached at {}", addr.ip()),
        )
        .hint("--advertise needs an address at which the others reach us")),
        _ => Ok(()),
    }
}

/// Who we are, once it is known where we receive.
pub(super) fn identity(args: &AgentArgs, local: SocketAddr) -> Result<Node, Failure> {
    let mut addr = args.advertise.unwrap_or(local);
    if addr.port() == 0 {
        addr.set_port(local.port());
    }
    let name = match args.name {
        Some(name) => name,
        None => default_name(local.port())?,
    };
    Ok(Node::now(name, addr, None))
}

/// Why there is no socket.
pub(super) fn bind_failed(error: &io::Error) -> Failure {
    let failure = Failure::caused("cannot start the member", error);
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.hint(
            "another process has this port: stop it, or take another one; port 0 is any free one",
        ),
        io::ErrorKind::AddrNotAvailable => failure
            .hint("it is no address of this machine; what the others see goes to --advertise"),
        io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 are for root"),
        _ => failure,
    }
}

/// The host's name, as far as a member may be called that, and the port.
fn default_name(port: u16) -> Result<Name, Failure> {
    let host = gethostname::gethostname()
        .to_string_lossy()
        .to_ascii_lowercase();
    name_from(&host, port)
        .map_err(|error| Failure::caused("cannot name the member", &error).hint("give it a --name"))
}

fn name_from(host: &str, port: u16) -> Result<Name, selkie::InvalidName> {
    let suffix = format!("-{port}");
    let allowed = |c: &char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '_');
    let mut name: String = host
        .chars()
        .filter(allowed)
        .take(Name::LEN_MAX - suffix.len())
        .collect();
    if name.is_empty() {
        name.push_str("member");
    }
    name.push_str(&suffix);
    Name::new(&name)
}

/// The address from which this machine would speak to others; sends nothing.
fn own_ip(wildcard: IpAddr) -> IpAddr {
    let elsewhere: (IpAddr, IpAddr) = match wildcard {
        IpAddr::V4(_) => (wildcard, Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (
            wildcard,
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    };
    let speaks_from = || {
        let socket = UdpSocket::bind((elsewhere.0, 0))?;
        socket.connect((elsewhere.1, 9))?;
        io::Result::Ok(socket.local_addr()?.ip())
    };
    match (speaks_from(), wildcard) {
        (Ok(ip), _) if !ip.is_unspecified() => ip,
        (_, IpAddr::V4(_)) => Ipv4Addr::new(10, 0, 0, 1).into(),
        (_, IpAddr::V6(_)) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::name_from;

    #[test]
    fn any_host_makes_a_name() {
        for (host, name) in [
            ("db-1.example.org", "db-1.example.org-7946"),
            ("köln", "kln-7946"),
            ("", "member-7946"),
        ] {
            assert_eq!(name_from(host, 7946).expect("a name").as_str(), name);
        }
        let long = name_from(&"x".repeat(300), 65535).expect("a name");
        assert!(long.as_str().ends_with("xx-65535"));
    }
}

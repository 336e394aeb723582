//! QUIC, over IPv4 and IPv6.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use selkie::transports::{
    Quic,
    certs::DevCa,
    quic::{Credentials, Options},
};

use crate::conformance::Fixture;

mod v4 {
    conformance_tests!(super::Cluster::new(std::net::Ipv4Addr::LOCALHOST.into()));
    stream_tests!(super::Cluster::new(std::net::Ipv4Addr::LOCALHOST.into()));
}

mod v6 {
    conformance_tests!(super::Cluster::new(std::net::Ipv6Addr::LOCALHOST.into()));
}

struct Cluster {
    ip: IpAddr,
    ca: DevCa,
}

impl Cluster {
    fn new(ip: IpAddr) -> Self {
        let ca = DevCa::new("conformance").unwrap();
        Self { ip, ca }
    }

    fn bind_at(&self, addr: SocketAddr) -> io::Result<Quic> {
        let issued = self.ca.issue("member").unwrap();
        let credentials = Credentials::from_issued(&issued).unwrap();
        // What is waited for here is tried again and again: the sooner the better.
        let options = Options::new().redial_after(std::time::Duration::from_millis(100));
        Quic::bind_with(addr, &credentials, &options)
    }
}

impl Fixture for Cluster {
    type Transport = Quic;

    async fn bind(&self) -> Quic {
        self.bind_at((self.ip, 0).into()).unwrap()
    }

    async fn rebind(&self, addr: SocketAddr) -> io::Result<Quic> {
        self.bind_at(addr)
    }

    fn nobody(&self) -> SocketAddr {
        (self.ip, 1).into()
    }
}

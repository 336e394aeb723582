//! Whom to ask for SRV records.

use core::net::SocketAddr;

use super::Builder;

impl<C, T, I, H> Builder<C, T, I, H> {
    /// The name servers that are asked for SRV records ([`Seed`](crate::agent::Seed)), the first
    /// three of them in this order. By default those in `/etc/resolv.conf`; where there is no such file, there are
    /// none. Adds to those of former
    /// calls.
    pub fn dns_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.search.resolver.dns_servers.extend(servers);
        self
    }
}

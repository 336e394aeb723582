//! The UDP socket.

use alloc::format;
use core::net::SocketAddr;
use std::{io, net::UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// What we ask of the system; it may give less. The usual 208 KiB overflow when a whole cluster
/// answers at once.
const RECV_BUFFER_BYTES: usize = 2 << 20;

/// Binds, and says which address it was if that fails.
pub(super) fn bind(addr: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            // Some systems have it no other way.
            let _ = socket.set_only_v6(false);
        }
        let _ = socket.set_recv_buffer_size(RECV_BUFFER_BYTES);
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    bound().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot bind UDP {addr}: {error}"))
    })
}

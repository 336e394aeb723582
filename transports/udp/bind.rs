//! UDP and TCP at one address.

use alloc::format;
use core::net::SocketAddr;
use std::{
    io,
    net::{TcpListener, UdpSocket},
};

use super::companion::listen;

/// Binds UDP to an address, and TCP to the same if asked to.
pub(super) fn bind(
    addr: SocketAddr,
    has_streams: bool,
) -> io::Result<(UdpSocket, Option<TcpListener>)> {
    let mut tries = 0;
    loop {
        let socket = udp(addr)?;
        if !has_streams {
            return Ok((socket, None));
        }
        match listen(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, Some(listener))),
            // The port is any that is free for UDP; TCP may not find it so.
            Err(error)
                if addr.port() == 0
                    && error.kind() == io::ErrorKind::AddrInUse
                    && tries < TRIES_MAX =>
            {
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(addr).map_err(|error| {
        let reason = format!("cannot bind UDP address {addr}: {error}");
        io::Error::new(error.kind(), reason)
    })
}

/// How many ports are tried that are free for UDP.
const TRIES_MAX: usize = 64;

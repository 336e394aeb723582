//! Without feature `dns` there are no SRV names.

use alloc::vec::Vec;
use core::net::SocketAddr;
use std::io;

/// Whether SRV names can be looked up.
pub(super) const IS_THERE: bool = false;

pub(super) fn look_up(_name: &str, _servers: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
    Err(io::ErrorKind::Unsupported.into())
}

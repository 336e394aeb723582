//! Looking for others in a way of one's own.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    future::Future,
    hash::{Hash, Hasher},
    net::SocketAddr,
    pin::Pin,
};
use std::io;

/// Finds where others may live: from a registry, a cloud's interface, a database.
///
/// Given to [`Builder::discover`](super::super::Builder::discover). What it shows by `Debug` is
/// its name in [`Event::SeedUnresolved`](super::super::Event::SeedUnresolved).
///
/// ```
/// use core::{future::Future, net::SocketAddr, pin::Pin};
/// use std::io;
///
/// use selkie::agent::Discover;
///
/// #[derive(Debug)]
/// struct FromEnvironment;
///
/// impl Discover for FromEnvironment {
///     fn discover(
///         &self,
///     ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + '_>> {
///         Box::pin(async {
///             let peers = std::env::var("PEERS").map_err(io::Error::other)?;
///             let addrs = peers.split(',').map(str::parse).collect::<Result<_, _>>();
///             addrs.map_err(io::Error::other)
///         })
///     }
/// }
/// ```
pub trait Discover: fmt::Debug + Send + Sync + 'static {
    /// Looks again. At most one look is under way at a time.
    ///
    /// It is polled by the driver, and must not block it: what blocks belongs to a thread of its
    /// own, as with `smol::unblock`. It is given up after 30 s. Of what it finds, the first 1,024
    /// are taken.
    ///
    /// # Errors
    ///
    /// When it cannot look now. It is told ([`Event::SeedUnresolved`]), and asked again later. So
    /// is a look that finds nobody, and one that panics.
    ///
    /// [`Event::SeedUnresolved`]: super::super::Event::SeedUnresolved
    fn discover(&self) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + '_>>;
}

/// One of them, the same as itself only.
#[derive(Clone, Debug)]
pub(super) struct Source(pub(super) Arc<dyn Discover>);

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

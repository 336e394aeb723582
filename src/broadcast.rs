//! User data that spreads like membership updates do.

use alloc::boxed::Box;
use core::{convert::Infallible, error::Error, fmt};

/// Decides what becomes of custom broadcasts.
///
/// Data handed to [`Engine::add_broadcast`](crate::Engine::add_broadcast) is attached to outgoing
/// messages until it was sent often enough to have reached everybody, and every receiver's handler
/// is asked about it. The handler says whether it is news: news is kept, and spread on from there.
///
/// With [`Config::periodic_gossip`](crate::Config::periodic_gossip) that is certain where all
/// members see each other, no packet is lost, and no more waits than may; else it is likely. Nobody
/// acknowledges a broadcast.
///
/// # Contract
///
/// - A handler must recognise what it has seen: an item whose key is returned again and again
///   circulates for ever.
/// - It must not block: it runs inside the engine.
/// - An item is at most one datagram long; what comes in is from the network and may be anything.
pub trait BroadcastHandler<I> {
    /// What tells broadcasts apart, and which one makes which obsolete.
    type Key: Invalidates;

    /// Judges an item. `sender` is the member that sent it, `None` for our own.
    ///
    /// `Ok(Some(key))`: it is news, spread it under this key. `Ok(None)`: known or not wanted.
    ///
    /// # Errors
    ///
    /// When the item is not what it should be. The rest of the datagram is still handled; the
    /// first such error is returned by [`Engine::handle_data`](crate::Engine::handle_data).
    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&I>,
    ) -> Result<Option<Self::Key>, Box<dyn Error + Send + Sync>>;

    /// Whether broadcasts may be attached to messages to this member. By default, to all.
    fn should_add_broadcast_data(&self, member: &I) -> bool {
        let _ = member;
        true
    }
}

/// Which broadcasts a newer one makes obsolete.
///
/// News is compared with each broadcast that waits to be sent. That many are compared because of
/// one datagram at most as wait at its beginning, or 16,384 if that is more: what else is in it
/// is spread all the same, and what it makes obsolete then waits on until it was sent often
/// enough. So this saves room in packets; it is no promise that nothing obsolete is sent, and the
/// [handler](BroadcastHandler) of whoever receives that must recognise it.
pub trait Invalidates {
    /// Whether `other`, which still waits to be sent, need not be sent any more.
    fn invalidates(&self, other: &Self) -> bool;
}

impl Invalidates for Infallible {
    fn invalidates(&self, _other: &Self) -> bool {
        match *self {}
    }
}

/// The handler of a cluster without custom broadcasts: refuses them all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCustomBroadcast;

impl<I> BroadcastHandler<I> for NoCustomBroadcast {
    type Key = Infallible;

    fn receive_item(
        &mut self,
        _data: &[u8],
        _sender: Option<&I>,
    ) -> Result<Option<Infallible>, Box<dyn Error + Send + Sync>> {
        Err(Box::new(BroadcastsDisabledError))
    }
}

/// A custom broadcast arrived, or was to be sent, where there is no handler for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastsDisabledError;

impl fmt::Display for BroadcastsDisabledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom broadcasts are disabled: give the engine a broadcast handler")
    }
}

impl Error for BroadcastsDisabledError {}

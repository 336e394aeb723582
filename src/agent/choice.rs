//! What the builder was given, as types: a call that is missing is a compile error that names it.

use alloc::format;
use core::{
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
};
use std::collections::hash_map::RandomState;

use super::BuildError;
use crate::{Locate, Name, Node, Transport};

/// A part that the [`Builder`](super::Builder) was not given.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A part that the [`Builder`](super::Builder) was given.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<T>(pub(super) T);

/// A codec was given to the builder.
#[diagnostic::on_unimplemented(
    message = "the builder has no codec: call `.codec(..)` before `.build()`",
    label = "call `.codec(..)` before `.build()` or `.spawn()`",
    note = "the codecs that come with the crate are in `selkie::codecs`, one per feature"
)]
pub trait CodecChoice: sealed::Sealed {
    /// The codec.
    type Codec;

    #[doc(hidden)]
    fn into_codec(self) -> Self::Codec;
}

impl<C> CodecChoice for Chosen<C> {
    type Codec = C;

    fn into_codec(self) -> C {
        self.0
    }
}

/// A transport was given to the builder.
#[diagnostic::on_unimplemented(
    message = "the builder has no transport: call `.transport(..)` before `.build()`",
    label = "call `.transport(..)` before `.build()` or `.spawn()`",
    note = "the transports that come with the crate are in `selkie::transports`"
)]
pub trait TransportChoice: sealed::Sealed {
    /// The transport.
    type Transport: Transport;

    #[doc(hidden)]
    fn into_transport(self) -> Self::Transport;
}

impl<T: Transport> TransportChoice for Chosen<T> {
    type Transport = T;

    fn into_transport(self) -> T {
        self.0
    }
}

/// An identity, given to the builder or made by it.
#[diagnostic::on_unimplemented(
    message = "the builder was given something that is no identity of an agent",
    label = "an agent's identity is `Locate + Send + Sync + 'static`, its `Addr` `Send`"
)]
pub trait IdentityChoice: sealed::Sealed {
    /// Its type.
    type Identity: Locate<Addr: Send> + Send + Sync + 'static;

    #[doc(hidden)]
    fn into_identity(
        self,
        local: SocketAddr,
        past: Option<&Self::Identity>,
    ) -> Result<Self::Identity, BuildError>;
}

impl<I: Locate<Addr: Send> + Send + Sync + 'static> IdentityChoice for Chosen<I> {
    type Identity = I;

    fn into_identity(self, _local: SocketAddr, _past: Option<&I>) -> Result<I, BuildError> {
        Ok(self.0)
    }
}

impl IdentityChoice for Unset {
    type Identity = Node;

    fn into_identity(self, local: SocketAddr, past: Option<&Node>) -> Result<Node, BuildError> {
        if local.ip().is_unspecified() {
            return Err(BuildError::WildcardAddr { local });
        }
        let make_up = || {
            let name = format!("node-{:08x}", random() >> 32);
            Name::new(&name).expect("13 lower-case letters, digits and a hyphen")
        };
        let name = past.map_or_else(make_up, |past| *past.name());
        Ok(Node::now(name, local, past.map(Node::generation)))
    }
}

/// A number that others cannot guess.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

mod sealed {
    /// Keeps the choices to those made here.
    pub trait Sealed {}

    impl Sealed for super::Unset {}
    impl<T> Sealed for super::Chosen<T> {}
}

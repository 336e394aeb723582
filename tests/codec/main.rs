//! One suite that every codec passes, and the bytes that each must write.
#![cfg(any(feature = "postcard", feature = "bincode", feature = "msgpack"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

#[macro_use]
mod conformance;
#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "postcard")]
mod postcard;
mod values;

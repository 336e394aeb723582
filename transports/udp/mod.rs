//! Over UDP sockets, with streams over TCP at the same port.
//!
//! # Streams
//!
//! A connection begins with a greeting: what is spoken, in which version, and the port that the
//! packets of who opened it are from. Without a key, that port is a claim; the address is TCP's.
//! Everything after it is in chunks, the last of which says so: a connection that ends without
//! that broke, and is an error at the other side.
//!
//! # What hostile peers can do
//!
//! Open connections, as many and as long as [`Options`] allow: so many altogether, fewer from one
//! source and fewer still that have not greeted; each must greet in time, and breaks when it is
//! silent for too long while somebody waits for it. A chunk is at most 16 KiB: longer ones are
//! refused before they are read. [`Counters`] tell what was refused, and why. Who has many sources
//! can keep others from opening streams; packets go on.
//!
//! Over plain UDP also: send in the name of any address, and read what passes. The agent lets
//! newcomers prove that they receive where they say (`Builder::prove_joiners`), and sends about as
//! much to those who did not as came in their name, so that it is of no use for flooding others;
//! but who is on the way, or guesses long enough, is a member. Sealed UDP answers nothing that was not sealed
//! with a key of its own.

mod bind;
mod closing;
mod companion;
mod counters;
mod options;
mod places;
mod plain;
#[cfg(feature = "sealed")]
mod sealed;
mod socket;
mod stream;

#[cfg(feature = "sealed")]
pub use self::sealed::{
    InvalidKey, InvalidKeyId, Key, KeyChangeError, KeyFile, KeyFileError, KeyFileReason, KeyId,
    Keyring, KeyringError, SealedUdp,
};
pub use self::{counters::Counters, options::Options, plain::PlainUdp, stream::UdpStream};

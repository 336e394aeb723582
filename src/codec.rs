//! The seam between the engine and bytes.

use alloc::vec::Vec;

use crate::{Header, Member};

/// Turns headers and members into bytes and back.
///
/// The engine frames a datagram itself (counts and lengths are big-endian, whatever the codec)
/// and asks the codec for the two things that depend on the identity. The crate's own codecs are
/// in [`codecs`](crate::codecs); one of your own can do whatever they do.
///
/// # Contract
///
/// - `encode_*` appends to `buf` and leaves what is in it alone. After an error, whatever was
///   appended is cut off by the engine.
/// - `decode_*` takes its bytes from the front of `data` and moves `data` past them: what is left
///   belongs to whoever comes next. After an error the position does not matter.
/// - What was encoded decodes to an equal value, and encoding is deterministic, on all machines
///   alike: the engine encodes an update once and sends the bytes many times, and members compare
///   hashes of the bytes ([`Config::digest`](crate::Config::digest)).
/// - Decoding never panics and never allocates by a length that it has not compared with what is
///   there: the bytes come from the network.
/// - A message or state with a tag from the future is not an error: it decodes as
///   [`Message::Unknown`](crate::Message::Unknown) or [`State::Unknown`](crate::State::Unknown).
///   See [`Message::layout`](crate::Message::layout) and [`StateBody`](crate::StateBody).
pub trait Codec<I> {
    /// Why something could not be encoded or decoded.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Appends the header to `buf`.
    ///
    /// # Errors
    ///
    /// When the codec cannot represent the identity.
    fn encode_header(&mut self, header: &Header<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// Takes a header from the front of `data`.
    ///
    /// # Errors
    ///
    /// When the bytes are not a header.
    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<I>, Self::Error>;

    /// Appends the member to `buf`.
    ///
    /// # Errors
    ///
    /// When the codec cannot represent the identity.
    fn encode_member(&mut self, member: &Member<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// Takes a member from the front of `data`.
    ///
    /// # Errors
    ///
    /// When the bytes are not a member.
    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<I>, Self::Error>;
}

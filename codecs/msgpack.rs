//! MessagePack: read by every language.

use alloc::vec::Vec;
use core::fmt;
use std::io;

use rmp_serde::{
    Deserializer, Serializer,
    decode::{self, ReadReader},
    encode,
};
use serde::{Serialize, de::DeserializeOwned};

use super::parts::{self, Failure, Put, Take};
use crate::{Codec, Header, Member};

/// Headers and members in [MessagePack](https://msgpack.org), for clusters in which something
/// that is not Rust listens in.
///
/// A header and a member are sequences of MessagePack values, not arrays: tags and incarnations
/// are integers, identities are what their own `Serialize` makes of them, structs as arrays.
///
/// An identity may be nested 64 levels deep. A list that the bytes claim is allocated by up to
/// 1 MiB before it turns out to be missing.
///
/// ```
/// use core::net::SocketAddr;
/// use selkie::{Codec, Member, codecs::MsgpackCodec};
///
/// let member = Member::alive("10.0.0.1:7000".parse::<SocketAddr>()?);
/// let mut bytes = Vec::new();
/// MsgpackCodec.encode_member(&member, &mut bytes)?;
/// // {"V4": [[10, 0, 0, 1], 7000]}, 0, 0
/// assert_eq!(
///     bytes,
///     [0x81, 0xa2, b'V', b'4', 0x92, 0x94, 10, 0, 0, 1, 0xcd, 0x1b, 0x58, 0, 0],
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgpackCodec;

impl<I: Serialize + DeserializeOwned> Codec<I> for MsgpackCodec {
    type Error = MsgpackError;

    fn encode_header(&mut self, header: &Header<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        parts::put_header(header, Serializer::new(buf)).map_err(encode)
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<I>, Self::Error> {
        parts::take_header(reader(data)).map_err(decode)
    }

    fn encode_member(&mut self, member: &Member<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        let apart = |id: &I, bytes: &mut Vec<u8>| Serializer::new(bytes).put(id);
        parts::put_member(member, Serializer::new(buf), apart).map_err(encode)
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<I>, Self::Error> {
        parts::take_member(reader(data), |bytes| reader(bytes).take()).map_err(decode)
    }
}

/// Why [`MsgpackCodec`] could not write or read something.
#[derive(Debug)]
pub struct MsgpackError(Failure<encode::Error, decode::Error>);

impl fmt::Display for MsgpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for MsgpackError {}

fn encode(reason: encode::Error) -> MsgpackError {
    MsgpackError(Failure::Encode(reason))
}

fn decode(reason: decode::Error) -> MsgpackError {
    MsgpackError(Failure::Decode(reason))
}

fn reader<R: io::Read>(data: R) -> Deserializer<ReadReader<R>> {
    const DEPTH_MAX: usize = 64;
    let mut reader = Deserializer::new(data);
    reader.set_max_depth(DEPTH_MAX);
    reader
}

impl<W: io::Write> Put for Serializer<W> {
    type Error = encode::Error;

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }
}

impl<R: io::Read> Take for Deserializer<ReadReader<R>> {
    type Error = decode::Error;

    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Self::Error> {
        T::deserialize(self)
    }
}

//! Postcard: small, stable, without `std`.

use alloc::vec::Vec;
use core::fmt;

use ::postcard::{ser_flavors::Flavor, serialize_with_flavor, take_from_bytes};
use serde::{Serialize, de::DeserializeOwned};

use super::parts::{self, Failure, Put, Take};
use crate::{Codec, Header, Member};

/// Headers and members in [postcard](https://postcard.jamesmunns.com), the smallest of the formats
/// here and the one to take when nothing speaks against it.
///
/// A length that the bytes claim for a string or list is never allocated before the bytes are
/// there. Maps and sets are allocated by up to 2 MB for what they claim to hold.
///
/// ```
/// use core::net::SocketAddr;
/// use selkie::{Codec, Member, codecs::PostcardCodec};
///
/// let member = Member::alive("10.0.0.1:7000".parse::<SocketAddr>()?);
/// let mut bytes = Vec::new();
/// PostcardCodec.encode_member(&member, &mut bytes)?;
/// assert_eq!(bytes, [0, 10, 0, 0, 1, 0xd8, 0x36, 0, 0]);
///
/// let mut rest = &bytes[..];
/// assert_eq!(PostcardCodec.decode_member(&mut rest), Ok(member));
/// assert!(rest.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostcardCodec;

impl<I: Serialize + DeserializeOwned> Codec<I> for PostcardCodec {
    type Error = PostcardError;

    fn encode_header(&mut self, header: &Header<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        parts::put_header(header, buf).map_err(encode)
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<I>, Self::Error> {
        parts::take_header(Reader(data)).map_err(decode)
    }

    fn encode_member(&mut self, member: &Member<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        parts::put_member(member, buf, |id, mut bytes| bytes.put(id)).map_err(encode)
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<I>, Self::Error> {
        parts::take_member(Reader(data), |mut bytes| Reader(&mut bytes).take()).map_err(decode)
    }
}

/// Why [`PostcardCodec`] could not write or read something.
#[derive(Debug, PartialEq, Eq)]
pub struct PostcardError(Failure<::postcard::Error, ::postcard::Error>);

impl fmt::Display for PostcardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for PostcardError {}

fn encode(reason: ::postcard::Error) -> PostcardError {
    PostcardError(Failure::Encode(reason))
}

fn decode(reason: ::postcard::Error) -> PostcardError {
    PostcardError(Failure::Decode(reason))
}

impl Put for &mut Vec<u8> {
    type Error = ::postcard::Error;

    #[inline]
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        let mut short = Short {
            bytes: [0; SHORT_MAX],
            len: 0,
        };
        match serialize_with_flavor(value, &mut short) {
            Ok(()) => self.extend_from_slice(short.bytes.get(..short.len).unwrap_or_default()),
            Err(_) => serialize_with_flavor(value, Long(self))?,
        }
        Ok(())
    }

    #[inline]
    fn put_three<A: Serialize, B: Serialize, C: Serialize>(
        &mut self,
        values: (&A, &B, &C),
    ) -> Result<(), Self::Error> {
        self.put(&values)
    }
}

/// Takes what an identity and its neighbours usually have: bytes one by one, which a `Vec` would
/// ask each time whether it must grow.
struct Short {
    bytes: [u8; SHORT_MAX],
    len: usize,
}

const SHORT_MAX: usize = 64;

impl Flavor for &mut Short {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> ::postcard::Result<()> {
        let place = self.bytes.get_mut(self.len);
        *place.ok_or(::postcard::Error::SerializeBufferFull)? = byte;
        self.len += 1;
        Ok(())
    }

    fn finalize(self) -> ::postcard::Result<()> {
        Ok(())
    }
}

/// Takes any length.
struct Long<'a>(&'a mut Vec<u8>);

impl Flavor for Long<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> ::postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> ::postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> ::postcard::Result<()> {
        Ok(())
    }
}

struct Reader<'a, 'de>(&'a mut &'de [u8]);

impl Take for Reader<'_, '_> {
    type Error = ::postcard::Error;

    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Self::Error> {
        let (value, rest) = take_from_bytes(self.0)?;
        *self.0 = rest;
        Ok(value)
    }

    fn take_three<A, B, C>(&mut self) -> Result<(A, B, C), Self::Error>
    where
        A: DeserializeOwned,
        B: DeserializeOwned,
        C: DeserializeOwned,
    {
        self.take()
    }
}

//! Bincode 2, in both of its layouts.

use alloc::vec::Vec;
use core::fmt;

use ::bincode::{
    config::{self, Config},
    enc::write::Writer,
    error::{DecodeError, EncodeError},
    serde::{borrow_decode_from_slice, encode_into_writer},
};
use serde::{Serialize, de::DeserializeOwned};

use super::parts::{self, Failure, Put, Take};
use crate::{Codec, Header, Member};

/// Headers and members in bincode, for clusters that speak it already.
///
/// The crate behind it, bincode 2.0.1, is no longer maintained (RUSTSEC-2025-0141; no
/// vulnerability is known). New clusters are better served by postcard.
///
/// What the bytes claim to be longer than [`SIZE_MAX`](Self::SIZE_MAX) is refused; up to that, a
/// claimed string is allocated before it turns out to be missing, and so are up to 1 MiB for a
/// claimed list.
///
/// ```
/// use core::net::SocketAddr;
/// use selkie::{Codec, Member, codecs::BincodeCodec};
///
/// let member = Member::alive("10.0.0.1:7000".parse::<SocketAddr>()?);
/// let mut bytes = Vec::new();
/// BincodeCodec::standard().encode_member(&member, &mut bytes)?;
/// assert_eq!(bytes, [0, 10, 0, 0, 1, 0xfb, 0x58, 0x1b, 0, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BincodeCodec {
    integers: Integers,
}

impl BincodeCodec {
    /// The most bytes that an identity may decode to.
    pub const SIZE_MAX: usize = 65_536;

    /// Integers take as many bytes as they need: `bincode::config::standard()`.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            integers: Integers::Variable,
        }
    }

    /// Integers take as many bytes as their type, tags four: `bincode::config::legacy()`, the
    /// layout of bincode 1.
    #[must_use]
    pub fn legacy() -> Self {
        Self {
            integers: Integers::Fixed,
        }
    }
}

impl<I: Serialize + DeserializeOwned> Codec<I> for BincodeCodec {
    type Error = BincodeError;

    fn encode_header(&mut self, header: &Header<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        match self.integers {
            Integers::Variable => parts::put_header(header, Appender(buf, standard())),
            Integers::Fixed => parts::put_header(header, Appender(buf, legacy())),
        }
        .map_err(encode)
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<I>, Self::Error> {
        match self.integers {
            Integers::Variable => parts::take_header(Reader(data, standard())),
            Integers::Fixed => parts::take_header(Reader(data, legacy())),
        }
        .map_err(decode)
    }

    fn encode_member(&mut self, member: &Member<I>, buf: &mut Vec<u8>) -> Result<(), Self::Error> {
        match self.integers {
            Integers::Variable => put_member(member, buf, standard()),
            Integers::Fixed => put_member(member, buf, legacy()),
        }
        .map_err(encode)
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<I>, Self::Error> {
        match self.integers {
            Integers::Variable => take_member(data, standard()),
            Integers::Fixed => take_member(data, legacy()),
        }
        .map_err(decode)
    }
}

fn put_member<I: Serialize>(
    member: &Member<I>,
    buf: &mut Vec<u8>,
    config: impl Config,
) -> Result<(), EncodeError> {
    parts::put_member(member, Appender(buf, config), |id, bytes| {
        Appender(bytes, config).put(id)
    })
}

fn take_member<I: DeserializeOwned>(
    data: &mut &[u8],
    config: impl Config,
) -> Result<Member<I>, DecodeError> {
    parts::take_member(Reader(data, config), |mut bytes| {
        Reader(&mut bytes, config).take()
    })
}

/// Why [`BincodeCodec`] could not write or read something.
#[derive(Debug)]
pub struct BincodeError(Failure<EncodeError, DecodeError>);

impl fmt::Display for BincodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for BincodeError {}

fn encode(reason: EncodeError) -> BincodeError {
    BincodeError(Failure::Encode(reason))
}

fn decode(reason: DecodeError) -> BincodeError {
    BincodeError(Failure::Decode(reason))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Integers {
    Variable,
    Fixed,
}

// Without a limit, a claimed length is allocated whatever it is, and the process aborts.
fn standard() -> impl Config {
    config::standard().with_limit::<{ BincodeCodec::SIZE_MAX }>()
}

fn legacy() -> impl Config {
    config::legacy().with_limit::<{ BincodeCodec::SIZE_MAX }>()
}

struct Appender<'a, C>(&'a mut Vec<u8>, C);

impl<C: Config> Put for Appender<'_, C> {
    type Error = EncodeError;

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        encode_into_writer(value, Bytes(self.0), self.1)
    }
}

struct Bytes<'a>(&'a mut Vec<u8>);

impl Writer for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

struct Reader<'a, 'de, C>(&'a mut &'de [u8], C);

impl<C: Config> Take for Reader<'_, '_, C> {
    type Error = DecodeError;

    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Self::Error> {
        let (value, len) = borrow_decode_from_slice(self.0, self.1)?;
        *self.0 = self.0.get(len..).unwrap_or_default();
        Ok(value)
    }
}

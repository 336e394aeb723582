//! Headers and members as sequences of values that serde knows, whatever the format.

use alloc::vec::Vec;
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, Visitor},
};

use crate::{Fields, Header, Incarnation, Layout, Member, Message, ProbeNumber, StateBody};

/// Writes values, each after the last.
pub(super) trait Put {
    /// Why a value could not be written.
    type Error;

    /// Appends a value.
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error>;

    /// Appends three. A format in which a tuple is its parts does it in one go.
    fn put_three<A: Serialize, B: Serialize, C: Serialize>(
        &mut self,
        values: (&A, &B, &C),
    ) -> Result<(), Self::Error> {
        self.put(values.0)?;
        self.put(values.1)?;
        self.put(values.2)
    }
}

/// Reads values, each after the last.
pub(super) trait Take {
    /// Why a value could not be read.
    type Error: serde::de::Error;

    /// Takes a value from the front.
    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Self::Error>;

    /// Takes three. A format in which a tuple is its parts does it in one go.
    fn take_three<A, B, C>(&mut self) -> Result<(A, B, C), Self::Error>
    where
        A: DeserializeOwned,
        B: DeserializeOwned,
        C: DeserializeOwned,
    {
        Ok((self.take()?, self.take()?, self.take()?))
    }
}

pub(super) fn put_header<I: Serialize, P: Put>(
    header: &Header<I>,
    mut to: P,
) -> Result<(), P::Error> {
    to.put_three((&header.src, &header.src_incarnation.0, &header.dst))?;
    to.put(&header.message.tag())?;
    match header.message.fields() {
        Fields::None => Ok(()),
        Fields::Number(number) => to.put(&number.0),
        Fields::MemberAndNumber(member, number) => {
            to.put(member)?;
            to.put(&number.0)
        }
    }
}

pub(super) fn take_header<I: DeserializeOwned, T: Take>(
    mut from: T,
) -> Result<Header<I>, T::Error> {
    let (src, src_incarnation, dst) = from.take_three()?;
    let tag = from.take()?;
    let fields = match Message::<I>::layout(tag) {
        Layout::None => Fields::None,
        Layout::Number => Fields::Number(ProbeNumber(from.take()?)),
        Layout::MemberAndNumber => Fields::MemberAndNumber(from.take()?, ProbeNumber(from.take()?)),
    };
    let message = Message::from_parts(tag, fields)
        .ok_or_else(|| T::Error::custom("a message's fields do not fit its tag"))?;
    Ok(Header {
        src,
        src_incarnation: Incarnation(src_incarnation),
        dst,
        message,
    })
}

/// `put_apart` appends an identity to bytes of its own.
pub(super) fn put_member<I: Serialize, P: Put>(
    member: &Member<I>,
    mut to: P,
    put_apart: impl FnOnce(&I, &mut Vec<u8>) -> Result<(), P::Error>,
) -> Result<(), P::Error> {
    let tag = member.tag();
    to.put_three((&member.id, &member.incarnation.0, &tag))?;
    if StateBody::of(tag) != StateBody::None {
        let mut body = Body(Vec::new());
        if let Some(accuser) = &member.accuser {
            put_apart(accuser, &mut body.0)?;
        }
        to.put(&body)?;
    }
    Ok(())
}

/// `take_apart` reads an identity from bytes of its own.
pub(super) fn take_member<I: DeserializeOwned, T: Take>(
    mut from: T,
    take_apart: impl FnOnce(&[u8]) -> Result<I, T::Error>,
) -> Result<Member<I>, T::Error> {
    let (id, incarnation, tag) = from.take_three()?;
    let mut accuser = None;
    match StateBody::of(tag) {
        StateBody::None => {}
        StateBody::Accuser => {
            let Body(body) = from.take()?;
            accuser = Some(take_apart(&body)?);
        }
        StateBody::Ignored => {
            let PastBody = from.take()?;
        }
    }
    Ok(Member::from_parts(
        id,
        Incarnation(incarnation),
        tag,
        accuser,
    ))
}

/// What follows the tag of a state: an identity apart, or nothing.
struct Body(Vec<u8>);

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BodyVisitor).map(Self)
    }
}

struct BodyVisitor;

impl Visitor<'_> for BodyVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: serde::de::Error>(self, body: &[u8]) -> Result<Vec<u8>, E> {
        Ok(body.to_vec())
    }
}

/// What follows the tag of a state from the future, read past in place.
struct PastBody;

impl<'de> Deserialize<'de> for PastBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(PastBodyVisitor)
    }
}

struct PastBodyVisitor;

impl Visitor<'_> for PastBodyVisitor {
    type Value = PastBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: serde::de::Error>(self, _body: &[u8]) -> Result<PastBody, E> {
        Ok(PastBody)
    }
}

/// What went wrong in a format's crate, and which way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure<E, D> {
    Encode(E),
    Decode(D),
}

impl<E: fmt::Display, D: fmt::Display> fmt::Display for Failure<E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(reason) => write!(f, "cannot encode: {reason}"),
            Self::Decode(reason) => write!(f, "cannot decode: {reason}"),
        }
    }
}

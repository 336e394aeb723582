//! The codecs that come with the crate.
//!
//! Each stands behind a feature and works for every identity that serde can write and read. All
//! of them put a header on the wire as `src`, `src_incarnation`, `dst`, the message's tag and its
//! fields, and a member as `id`, `incarnation` and the state's tag, each as the format writes such
//! a value, with nothing in between.
//!
//! | feature | codec | bytes of a new member at `10.0.0.1:7000` | without `std` |
//! | --- | --- | --- | --- |
//! | `postcard` | `PostcardCodec` | 9 | yes |
//! | `bincode` | `BincodeCodec::standard()` | 10 | yes |
//! | `bincode` | `BincodeCodec::legacy()` | 16 | yes |
//! | `msgpack` | `MsgpackCodec` | 15, and one for each octet above 127 | no |
//!
//! With `bincode` and `postcard` the bytes are those of foca 1.0 and 2.0, which writes its enums'
//! numbers where tags are written here.
//!
//! What an identity reads is its own affair: a recursive type can be nested until the stack is
//! full, and elements of no size can be claimed by the million. Identities of bounded size, such
//! as [`Node`](crate::Node) and the socket addresses, have neither problem.

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(any(feature = "bincode", feature = "postcard", feature = "msgpack"))]
mod parts;
#[cfg(feature = "postcard")]
mod postcard;

#[cfg(feature = "bincode")]
pub use self::bincode::{BincodeCodec, BincodeError};
#[cfg(feature = "msgpack")]
pub use self::msgpack::{MsgpackCodec, MsgpackError};
#[cfg(feature = "postcard")]
pub use self::postcard::{PostcardCodec, PostcardError};

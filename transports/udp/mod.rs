//! Over UDP sockets.

mod plain;

pub use self::plain::PlainUdp;

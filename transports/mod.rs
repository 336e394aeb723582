//! The transports that come with the crate.

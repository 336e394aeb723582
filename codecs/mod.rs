//! The codecs that come with the crate.

//! What ARCHITECTURE.md and the README say about the source, held against the source.
//!
//! These tests read text. What they find is a place and a rule, for people to look at.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the source has failed"
)]

mod documents;
mod imports;
mod sizes;
mod source;

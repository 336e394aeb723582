//! What the fuzz targets do with their input. Each body panics if something is wrong.
//!
//! Shared by the targets of cargo-fuzz and by `tests/fuzz.rs`, which runs them for a moment on
//! stable Rust.

mod decode;
mod engine;
mod handle_data;
mod input;
mod operations;
mod streams;

pub use self::{
    decode::{decode_bincode, decode_msgpack, decode_postcard},
    handle_data::handle_data,
    operations::operations,
    streams::{queries, sync},
};

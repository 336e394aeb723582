//! Lines on stdout. Unlike with `println!`, that nobody reads them is an error, not a panic.

use core::fmt;
use std::io::{self, Write, stdout};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a line.
pub(crate) fn line(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a value as JSON, on a line.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// What to say when it did not work.
pub(crate) fn failed(error: &io::Error) -> Failure {
    Failure::caused("cannot write to stdout", error)
}

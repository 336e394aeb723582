//! Lines on stdout and stderr. Unlike with `println!` and `eprintln!`, that nobody reads them is no
//! panic: of stdout it is an error, and of stderr there is nobody to tell.

use core::fmt;
use std::io::{self, Write, stderr, stdout};

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

/// Prints a line on stderr.
pub(crate) fn error(text: impl fmt::Display) {
    let _ = writeln!(stderr(), "{text}");
}

/// What to say when it did not work.
pub(crate) fn failed(error: &io::Error) -> Failure {
    Failure::caused("cannot write to stdout", error)
}

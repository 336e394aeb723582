//! The command `selkie`.
fn main() {}

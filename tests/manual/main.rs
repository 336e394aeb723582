//! The manual, carried out: every command that a page tells to type is typed, in order, and answers
//! as the page shows.
//!
//! What a page has between fences says by its language what becomes of it:
//!
//! - `sh`: it is run by `sh -eu`, in a folder of the page's own. What begins with `selkie agent`,
//!   `selkie watch` or `selkie top` is left running, as in a terminal of its own, until the page is
//!   over.
//! - `text`, behind it: what that shows. `...` stands for anything within a line, and alone on a line
//!   for any lines; times are not compared, nor is how many blanks are in a row. Without it nothing is
//!   compared. Shown failures begin with `selkie: `, and exit with 1; all else exits with 0. What only
//!   asks is asked again until it answers so.
//! - `console`: lines behind `$ ` are for elsewhere: `pages.rs` has all of
//!   them. Of `selkie` itself, its help knows the options.
//! - `toml`, `yaml`, `dockerfile`: parts of files that other tests read.
//!
//! 127.0.0.1 is another address of loopback in each page, so that nothing else has its ports.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod help;
mod ops;
mod page;
mod pages;
mod presets;
mod shown;
mod terminal;

//! The status page in a real browser: headless Chromium, driven by its DevTools protocol.
//!
//! That takes Debian's `chromium`. Where it is not there, each test says so on stderr and passes;
//! but where `CI` is set it fails. With `SELKIE_PAGE_SHOTS` set to a folder, what was seen is put
//! there.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod browser;
mod cluster;
mod crowd;
#[path = "../cli/fixture.rs"]
#[allow(dead_code, reason = "it is that of tests/cli, which uses all of it")]
mod fixture;
mod foreign;
mod judge;

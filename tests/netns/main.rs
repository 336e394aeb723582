//! `selkie agent` between real hosts: network namespaces that the tests make themselves, with a
//! router between them that loses, cuts and narrows. Over each transport; who is declared what, and
//! how long it takes to heal.
//!
//! That takes root, `ip` (iproute2) and `nft` (nftables). Where it cannot be done, each test says
//! why on stderr and passes. What was measured is printed: `cargo test --features cli --test netns
//! -- --nocapture`.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod addresses;
mod cluster;
mod loss;
mod member;
mod mtu;
mod network;
mod partitions;
mod pauses;

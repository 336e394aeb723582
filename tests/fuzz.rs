//! The fuzz targets, each for a moment: on what is in `fuzz/seeds`, on random bytes, and on
//! mixtures of both, always the same.
#![cfg(all(
    feature = "bincode",
    feature = "postcard",
    feature = "msgpack",
    feature = "smol"
))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

use std::{fs, path::Path};

use fastrand::Rng;

#[path = "../fuzz/src/lib.rs"]
mod bodies;

#[test]
fn decode_bincode() {
    run("decode_bincode", 20_000, bodies::decode_bincode);
}

#[test]
fn decode_postcard() {
    run("decode_postcard", 20_000, bodies::decode_postcard);
}

#[test]
fn decode_msgpack() {
    run("decode_msgpack", 20_000, bodies::decode_msgpack);
}

#[test]
fn handle_data() {
    run("handle_data", 5_000, bodies::handle_data);
}

#[test]
fn operations() {
    run("operations", 2_000, bodies::operations);
}

#[test]
fn queries() {
    run("queries", 1_000, bodies::queries);
}

#[test]
fn sync() {
    run("sync", 1_000, bodies::sync);
}

fn run(target: &str, rounds: usize, body: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "no seeds for {target}");
    for seed in &seeds {
        body(seed);
    }
    let mut rng = Rng::with_seed(1);
    for _ in 0..rounds {
        let input = input(&seeds, &mut rng);
        let trial = std::panic::AssertUnwindSafe(|| body(&input));
        if std::panic::catch_unwind(trial).is_err() {
            panic!("{target} fails on {input:02x?}");
        }
    }
}

/// In the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read(path).unwrap())
        .collect()
}

/// Random bytes, or a seed that was tampered with.
fn input(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = if rng.u8(..4) == 0 {
        let len = rng.usize(..400);
        core::iter::repeat_with(|| rng.u8(..)).take(len).collect()
    } else {
        let seed = |rng: &mut Rng| &seeds[rng.usize(..seeds.len())][..];
        let (head, tail) = (seed(rng), seed(rng));
        let cut = |rng: &mut Rng, data: &[u8]| rng.usize(..=data.len());
        [&head[..cut(rng, head)], &tail[cut(rng, tail)..]].concat()
    };
    for _ in 0..rng.usize(..4) {
        if !input.is_empty() {
            let at = rng.usize(..input.len());
            input[at] = rng.u8(..);
        }
    }
    input
}

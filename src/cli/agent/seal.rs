//! The keys of sealed UDP: a file that may change, and strangers who have none of them.

use core::time::Duration;
use std::path::Path;

use selkie::transports::{
    SealedUdp,
    udp::{KeyFile, KeyFileError, Keyring},
};
use smol::Timer;

use super::{papers::Papers, place};
use crate::{args::AgentArgs, failure::Failure, print};

/// How often file and counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Binds with the keys of a file, and follows it.
pub(super) fn bind(args: &AgentArgs, file: &Path) -> Result<(SealedUdp, Papers), Failure> {
    let keyring = read(file)?;
    let udp = SealedUdp::bind(args.bind, &keyring).map_err(|error| place::bind_failed(&error))?;
    smol::spawn(follow(udp.keyring(), file.into())).detach();
    smol::spawn(watch(udp.clone())).detach();
    Ok((udp, Papers::keys(KeyFile::new(&keyring, file))))
}

/// The keys of a file.
pub(super) fn read(file: &Path) -> Result<Keyring, Failure> {
    Keyring::from_file(file).map_err(|error| keys_failed(&error))
}

/// Takes up the keys whenever they change.
async fn follow(keyring: Keyring, file: Box<Path>) {
    let mut has_failed = false;
    loop {
        Timer::after(LOOK_EVERY).await;
        let (ring, path) = (keyring.clone(), file.clone());
        // Where the file does not answer, nothing but this waits for it.
        match smol::unblock(move || ring.reload(path)).await {
            Ok(()) => has_failed = false,
            // Perhaps it is being written.
            Err(error) if !core::mem::replace(&mut has_failed, true) => {
                print::error(keys_failed(&error).hint("the former ones stay in use"));
            }
            Err(_) => {}
        }
    }
}

/// Says once that there are strangers.
async fn watch(udp: SealedUdp) {
    while udp.counters().datagrams_unopened == 0 {
        Timer::after(LOOK_EVERY).await;
    }
    let why = "what it sends is sealed with none of our keys, for another cluster, or not";
    let failure = Failure::new("refused a stranger", why);
    print::error(failure.hint("all members need a key that the others have"));
}

fn keys_failed(error: &KeyFileError) -> Failure {
    Failure::caused("cannot use the keys", error)
        .hint("a file as `selkie keys generate` makes it will do")
}

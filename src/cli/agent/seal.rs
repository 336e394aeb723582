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
    smol::spawn(follow(udp.clone(), file.into())).detach();
    Ok((udp, Papers::keys(KeyFile::new(&keyring, file))))
}

/// The keys of a file.
pub(super) fn read(file: &Path) -> Result<Keyring, Failure> {
    Keyring::from_file(file).map_err(|error| keys_failed(&error))
}

/// Takes up the keys whenever they change, and says once that there are strangers.
async fn follow(udp: SealedUdp, file: Box<Path>) {
    let keyring = udp.keyring();
    let (mut has_failed, mut has_strangers) = (false, false);
    loop {
        Timer::after(LOOK_EVERY).await;
        match keyring.reload(&file) {
            Ok(()) => has_failed = false,
            // Perhaps it is being written.
            Err(error) if !core::mem::replace(&mut has_failed, true) => {
                print::error(keys_failed(&error).hint("the former ones stay in use"));
            }
            Err(_) => {}
        }
        let refused = udp.counters().datagrams_unopened > 0;
        if refused && !core::mem::replace(&mut has_strangers, true) {
            let why = "what it sends is sealed with none of our keys, for another cluster, or not";
            let failure = Failure::new("refused a stranger", why);
            print::error(failure.hint("all members need a key that the others have"));
        }
    }
}

fn keys_failed(error: &KeyFileError) -> Failure {
    Failure::caused("cannot use the keys", error)
        .hint("a file as `selkie keys generate` makes it will do")
}

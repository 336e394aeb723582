//! Being told to stop.

use std::process;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

use crate::failure::Failure;

/// Waits for SIGINT or SIGTERM.
#[derive(Debug)]
pub(super) struct Stop {
    signals: Signals,
}

impl Stop {
    /// From here on the signals no longer end the process by themselves.
    pub(super) fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        let wanted = [Signal::Int, Signal::Term];
        #[cfg(not(unix))]
        let wanted = [Signal::Int];
        let signals = Signals::new(wanted)
            .map_err(|error| Failure::caused("cannot listen for signals", &error))?;
        Ok(Self { signals })
    }

    /// The next one, by name.
    pub(super) async fn asked(&mut self) -> &'static str {
        loop {
            match self.signals.next().await {
                Some(Ok(Signal::Int)) => return "SIGINT",
                Some(Ok(Signal::Term)) => return "SIGTERM",
                Some(Ok(_) | Err(_)) => {}
                None => core::future::pending().await,
            }
        }
    }

    /// Ends the process at the next one, with the code that shells use for an interrupt.
    pub(super) async fn or_exit(mut self) -> ! {
        let signal = self.asked().await;
        eprintln!("selkie: second {signal}: exiting at once, the others have to find out");
        process::exit(130)
    }
}

//! Being told to stop, or to read the settings again.

use core::fmt;
use std::process;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

use crate::{failure::Failure, print};

/// Waits for SIGINT, SIGTERM or SIGHUP.
#[derive(Debug)]
pub(super) struct Stop {
    signals: Signals,
}

impl Stop {
    /// From here on the signals no longer end the process by themselves.
    pub(super) fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        let wanted = [Signal::Int, Signal::Term, Signal::Hup];
        #[cfg(not(unix))]
        let wanted = [Signal::Int];
        let signals = Signals::new(wanted)
            .map_err(|error| Failure::caused("cannot listen for signals", &error))?;
        Ok(Self { signals })
    }

    /// The next one.
    pub(super) async fn asked(&mut self) -> Asked {
        loop {
            match self.signals.next().await {
                Some(Ok(Signal::Int)) => return Asked::Int,
                Some(Ok(Signal::Term)) => return Asked::Term,
                Some(Ok(Signal::Hup)) => return Asked::Hup,
                Some(Ok(_) | Err(_)) => {}
                None => core::future::pending().await,
            }
        }
    }

    /// Ends the process at the next one, with the code that shells have for it.
    pub(super) async fn or_exit(mut self) -> ! {
        let signal = loop {
            match self.asked().await {
                Asked::Hup => {}
                signal => break signal,
            }
        };
        print::error(format_args!(
            "selkie: {signal} while leaving: exiting at once, the others have to find out"
        ));
        process::exit(signal.exit_code())
    }
}

/// A signal that asks something of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Int,
    Term,
    /// Not to stop, but to read the settings again.
    Hup,
}

impl Asked {
    /// 128 and the signal's number.
    fn exit_code(self) -> i32 {
        match self {
            Self::Int => 130,
            Self::Term => 143,
            Self::Hup => 129,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
            Self::Hup => "SIGHUP",
        })
    }
}

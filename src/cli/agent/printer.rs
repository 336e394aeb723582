//! What happens, on stdout: whoever reads it may take their time.

use core::time::Duration;
use std::io;

use selkie::admin::Happening;
use serde::Serialize;
use smol::{Task, Timer, future};

use crate::{
    print,
    text::{now, printable},
};

/// Prints one line after the other, beside all else.
pub(super) struct Printer {
    json: bool,
    printing: Option<Task<io::Result<()>>>,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            printing: None,
        }
    }

    /// Prints a line, once those before are.
    pub(super) fn print(&mut self, happening: Happening) {
        let (json, time) = (self.json, now());
        let print = move || line(json, &time, &happening);
        self.printing = Some(match self.printing.take() {
            None => smol::unblock(print),
            Some(before) => smol::spawn(async {
                before.await?;
                smol::unblock(print).await
            }),
        });
    }

    /// Whether something is not printed yet, or not known to be.
    pub(super) fn is_printing(&self) -> bool {
        self.printing.is_some()
    }

    /// Waits until all is printed. The error is that of printing.
    pub(super) async fn printed(&mut self) -> io::Result<()> {
        let Some(printing) = &mut self.printing else {
            return Ok(());
        };
        let printed = printing.await;
        self.printing = None;
        printed
    }

    /// Waits for that, but not for long, and whether or not somebody reads: whoever has us end may
    /// have had our reader end.
    pub(super) async fn printed_soon(&mut self) {
        let late = async {
            Timer::after(LAST_MAX).await;
            Ok(())
        };
        let _ = future::or(self.printed(), late).await;
    }
}

/// Prints a line, with the time.
pub(super) fn line(json: bool, time: &str, happening: &Happening) -> io::Result<()> {
    if json {
        print::json(&Stamped { time, happening })
    } else {
        let text = printable(&happening.to_string());
        print::line(format_args!("{time}  {text}"))
    }
}

#[derive(Serialize)]
struct Stamped<'a> {
    time: &'a str,
    #[serde(flatten)]
    happening: &'a Happening,
}

/// How long to wait for the last lines.
const LAST_MAX: Duration = Duration::from_secs(1);

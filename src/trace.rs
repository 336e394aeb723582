//! Logging through `tracing`, or through macros that compile to nothing: call sites carry no
//! `#[cfg]`.

#![allow(
    unused_imports,
    dead_code,
    reason = "who logs depends on the features; the macros are there for all"
)]

#[cfg(feature = "tracing")]
mod on {
    use core::{fmt::Debug, future::Future};

    use tracing::instrument::{Instrument, Instrumented};
    pub(crate) use tracing::{debug, trace, warn};

    /// Runs `future` within a span that says which node it works for.
    pub(crate) fn within_node<F: Future>(node: &impl Debug, future: F) -> Instrumented<F> {
        future.instrument(tracing::debug_span!("node", id = ?node))
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use core::{fmt::Debug, future::Future};

    macro_rules! nothing {
        ($($event:tt)*) => {{}};
    }
    pub(crate) use nothing as debug;
    pub(crate) use nothing as trace;
    pub(crate) use nothing as warn;

    /// Leaves `future` as it is.
    pub(crate) fn within_node<F: Future>(_node: &impl Debug, future: F) -> F {
        future
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{debug, trace, warn, within_node};
#[cfg(feature = "tracing")]
pub(crate) use on::{debug, trace, warn, within_node};

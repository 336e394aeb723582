//! Logging through `tracing`, or through macros that compile to nothing: call sites carry no
//! `#[cfg]`.

#![allow(
    unused_imports,
    unused_macros,
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

    /// Mentions the fields, so that what is only logged counts as used, and evaluates none.
    macro_rules! nothing {
        ($message:literal) => {{}};
        ($(%)? $(?)? $value:ident, $($rest:tt)*) => {{
            let _ = || { let _ = &$value; };
            $crate::trace::nothing!($($rest)*)
        }};
        ($field:ident = $(%)? $(?)? $value:expr, $($rest:tt)*) => {{
            let _ = || { let _ = &$value; };
            $crate::trace::nothing!($($rest)*)
        }};
    }
    pub(crate) use nothing;
    pub(crate) use nothing as debug;
    pub(crate) use nothing as trace;
    pub(crate) use nothing as warn;

    /// Leaves `future` as it is.
    pub(crate) fn within_node<F: Future>(_node: &impl Debug, future: F) -> F {
        future
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{debug, nothing, trace, warn, within_node};
#[cfg(feature = "tracing")]
pub(crate) use on::{debug, trace, warn, within_node};

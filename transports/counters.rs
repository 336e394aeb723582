//! How often what happened: what each transport's counters are made of.

use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often what happened, since the transport was made. They only grow, and wrap.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// The counters with their names, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $name: $crate::transports::counters::Count,)*
        }

        impl Tally {
            pub(super) fn counters(&self) -> Counters {
                Counters {
                    $($name: self.$name.get(),)*
                }
            }
        }
    };
}

/// A counter that grows.
#[derive(Debug, Default)]
pub(in crate::transports) struct Count(AtomicU64);

impl Count {
    pub(in crate::transports) fn one(&self) {
        self.many(1);
    }

    pub(in crate::transports) fn many(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(in crate::transports) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

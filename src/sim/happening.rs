//! What goes on, for those who watch.

use core::fmt;

use crate::Notification;

/// Something that happens in a simulation: what a [watcher](super::Simulation::watch) is told.
///
/// Printing them is a log of the run.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// sim.watch(|at, happening| {
///     if let Happening::Notified { node, notice, .. } = happening {
///         println!("{at:?}: node {node} is told {notice:?}");
///     }
/// });
/// sim.run_for(Duration::from_secs(10));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Happening<'h, I> {
    /// A node sent a packet.
    Sent {
        /// Who.
        from: usize,
        /// To whom, if there ever was a node at that address.
        to: Option<usize>,
        /// What sort of message.
        kind: &'static str,
        /// The packet.
        data: &'h [u8],
    },
    /// A packet did not make it.
    Lost {
        /// Whose.
        from: usize,
        /// To whom, if there ever was a node at that address.
        to: Option<usize>,
        /// What sort of message.
        kind: &'static str,
        /// Why.
        fate: Fate,
    },
    /// A packet is handed to a node.
    Received {
        /// Whose.
        from: usize,
        /// Who receives it.
        to: usize,
        /// What sort of message.
        kind: &'static str,
        /// The packet.
        data: &'h [u8],
    },
    /// A node tells its user something.
    Notified {
        /// Who.
        node: usize,
        /// The node that it is about, if it is about one.
        subject: Option<usize>,
        /// What.
        notice: Notification<'h, I>,
    },
    /// Something was done to a node, such as `crash`.
    Done {
        /// To which; `None` when to the network.
        node: Option<usize>,
        /// What.
        what: &'static str,
    },
}

/// Why a packet was not handed to anybody.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// sim.watch(|_, happening| {
///     if let Happening::Lost { fate, .. } = happening {
///         assert_eq!(*fate, Fate::Cut);
///     }
/// });
/// sim.partition([0], [1]);
/// sim.run_for(Duration::from_secs(10));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// The network lost it.
    Lost,
    /// A partition is between the two.
    Cut,
    /// It is larger than its link allows.
    TooBig,
    /// The receiver's inbox, or the sender's outbox, is full.
    Overflow,
    /// There never was a node at that address.
    Nobody,
    /// The receiver is not up.
    Down,
}

impl<I: fmt::Debug> fmt::Display for Happening<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                from,
                to,
                kind,
                data,
            } => write!(f, "{from} -> {}: {kind}, {} bytes", Whom(*to), data.len()),
            Self::Lost {
                from,
                to,
                kind,
                fate,
            } => write!(f, "{from} -> {}: {kind} lost: {fate:?}", Whom(*to)),
            Self::Received { from, to, kind, .. } => write!(f, "{to} <- {from}: {kind}"),
            Self::Notified { node, notice, .. } => write!(f, "{node} notices: {notice:?}"),
            Self::Done { node, what } => write!(f, "{what} of {}", Whom(*node)),
        }
    }
}

struct Whom(Option<usize>);

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(node) => node.fmt(f),
            None => f.write_str("nobody"),
        }
    }
}

//! What the builder is told of the agent itself, beside the engine's [`Config`](crate::Config).

use alloc::sync::Arc;
use core::fmt;

use super::admission::{Admission, CertifiedSenders, SenderRule};
use crate::{InvalidName, Name};

/// See the methods of [`Builder`](super::Builder).
pub(super) struct Settings {
    pub(super) cluster: Result<Name, InvalidName>,
    pub(super) senders: Arc<dyn SenderRule>,
    pub(super) admission: Option<Arc<dyn Admission>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster: Name::new("selkie"),
            senders: Arc::new(CertifiedSenders),
            admission: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

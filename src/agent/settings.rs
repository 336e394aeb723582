//! What the builder is told of the agent itself, beside the engine's [`Config`](crate::Config).

use crate::{InvalidName, Name};

/// See the methods of [`Builder`](super::Builder).
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) cluster: Result<Name, InvalidName>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster: Name::new("selkie"),
        }
    }
}

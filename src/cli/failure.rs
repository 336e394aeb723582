//! What went wrong, in one line, and what to do about it, in another.

use core::{error::Error, fmt};

/// Why a command failed: printed as `selkie: what: why`, then `hint: hint`.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
            hint: None,
        }
    }

    /// With all the causes of an error, unless an outer one already spells the inner one out.
    pub(crate) fn caused(what: impl Into<String>, error: &dyn Error) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let inner = error.to_string();
            if !why.contains(&inner) {
                why.push_str(": ");
                why.push_str(&inner);
            }
            source = error.source();
        }
        Self::new(what, why)
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The one line, without the hint.
    pub(crate) fn reason(&self) -> String {
        format!("{}: {}", self.what, self.why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "selkie: {}: {}", self.what, self.why)?;
        for line in self.hint.iter().flat_map(|hint| hint.lines()) {
            write!(f, "\nhint: {line}")?;
        }
        Ok(())
    }
}

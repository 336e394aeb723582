//! Credentials from a development authority.

use super::{Credentials, CredentialsError};
use crate::transports::certs::Issued;

impl Credentials {
    /// From what [`DevCa::issue`](crate::transports::certs::DevCa::issue) gave.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]
    pub fn from_issued(issued: &Issued) -> Result<Self, CredentialsError> {
        Self::from_pem(issued.ca_pem(), issued.cert_pem(), issued.key_pem())
    }
}

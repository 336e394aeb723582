//! Why credentials cannot be used.

use alloc::string::{String, ToString};
use core::{error, fmt, time::Duration};
use std::io;

use rustls::{
    CertificateError, Error,
    pki_types::{UnixTime, pem},
};

/// Why credentials cannot be used. `name` says which part, with its file if it came from one.
#[derive(Debug)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    Unreadable {
        /// Which one.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It is not well-formed PEM.
    BrokenPem {
        /// Which one.
        name: String,
        /// Why.
        source: pem::Error,
    },
    /// There is no certificate in it.
    NoCertificate {
        /// Which one.
        name: String,
    },
    /// There is no private key in it.
    NoPrivateKey {
        /// Which one.
        name: String,
    },
    /// It is no public key, or no line of a list of them.
    BrokenKey {
        /// Which one.
        name: String,
    },
    /// There is no public key in the list.
    NoPublicKey {
        /// Which one.
        name: String,
    },
    /// The key is not the one that the certificate is for.
    KeyMismatch {
        /// The private key.
        key: String,
        /// The certificate.
        cert: String,
    },
    /// The certificate was valid only until some time ago.
    Expired {
        /// Which one.
        name: String,
        /// How long ago.
        ago: Duration,
    },
    /// The certificate will be valid after some time. Or the clock is wrong.
    NotValidYet {
        /// Which one.
        name: String,
        /// After how long.
        after: Duration,
    },
    /// The certificate was not signed by the authority, whose members would refuse it.
    OtherAuthority {
        /// Which one.
        name: String,
    },
    /// The TLS library, and so every peer, refuses it for some other reason.
    Refused {
        /// Which one.
        name: String,
        /// Why.
        source: Error,
    },
}

impl CredentialsError {
    pub(super) fn refused(name: &str, source: Error) -> Self {
        let name = name.to_string();
        let between = |from: UnixTime, to: UnixTime| {
            Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()))
        };
        match source {
            Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
                Self::Expired {
                    name,
                    ago: between(not_after, time),
                }
            }
            Error::InvalidCertificate(CertificateError::NotValidYetContext {
                time,
                not_before,
            }) => Self::NotValidYet {
                name,
                after: between(time, not_before),
            },
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::OtherAuthority { name },
            source => Self::Refused { name, source },
        }
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { name, source } => write!(f, "{name} cannot be read: {source}"),
            Self::BrokenPem { name, source } => write!(f, "{name} is broken: {source}"),
            Self::NoCertificate { name } => write!(f, "{name} has no certificate in it"),
            Self::NoPrivateKey { name } => write!(f, "{name} has no private key in it"),
            Self::BrokenKey { name } => write!(f, "{name} is no public key"),
            Self::NoPublicKey { name } => write!(f, "{name} has no public key in it"),
            Self::KeyMismatch { key, cert } => write!(f, "{key} does not belong to {cert}"),
            Self::Expired { name, ago } => write!(f, "{name} expired {} ago", Span(*ago)),
            Self::NotValidYet { name, after } => {
                write!(f, "{name} is not valid before {} from now", Span(*after))
            }
            Self::OtherAuthority { name } => {
                write!(f, "{name} was not signed by the cluster's authority")
            }
            Self::Refused { name, source } => write!(f, "{name} is not usable: {source}"),
        }
    }
}

impl error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::BrokenPem { source, .. } => Some(source),
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A time span in its largest whole unit.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
        match units.iter().find(|(unit, _)| secs >= unit * 2) {
            Some((unit, name)) => write!(f, "{} {name}", secs / unit),
            None => write!(f, "{secs} s"),
        }
    }
}

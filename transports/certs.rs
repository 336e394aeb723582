//! A certificate authority for development, tests and small private clusters.
//!
//! ```no_run
//! use selkie::transports::certs::DevCa;
//!
//! let ca = DevCa::new("my cluster")?;
//! ca.write_to("ca-directory")?; // ca.pem and ca-key.pem: keep the latter to yourself
//! ca.issue("db-1")?.write_to("db-1-directory")?; // ca.pem, db-1.pem and db-1-key.pem
//! # Ok::<(), selkie::transports::certs::CertsError>(())
//! ```

use alloc::{
    format,
    string::{String, ToString},
    vec,
};
use core::{error, fmt, net::IpAddr, time::Duration};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, string::Ia5String,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use time::OffsetDateTime;

/// How long an authority's certificate is valid unless said otherwise: ten years.
pub const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * DAY_SECS);

/// How long a member's certificate is valid unless said otherwise: one year.
pub const MEMBER_VALIDITY: Duration = Duration::from_secs(365 * DAY_SECS);

/// The most bytes in a member's name: one label of a DNS name.
pub const NAME_LEN_MAX: usize = 63;

const DAY_SECS: u64 = 86_400;

/// Certificates are valid from a while ago, for the sake of clocks that are late.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// A certificate authority whose private key is in memory (ECDSA, P-256).
///
/// Nothing is known to it of what it issued, nor can it revoke that: who needs more brings
/// certificates from an authority that can.
pub struct DevCa {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
}

impl DevCa {
    /// A new authority, valid for [`CA_VALIDITY`], with a new key. `cluster` goes into its name.
    ///
    /// # Errors
    ///
    /// [`CertsError::Failed`] when there is no randomness to be had.
    pub fn new(cluster: &str) -> Result<Self, CertsError> {
        Self::with_validity(cluster, CA_VALIDITY)
    }

    /// As [`new`](Self::new), with another validity.
    ///
    /// # Errors
    ///
    /// [`CertsError::Failed`] when there is no randomness to be had, or the validity ends beyond
    /// the year 9999.
    pub fn with_validity(cluster: &str, validity: Duration) -> Result<Self, CertsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{cluster} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, SystemTime::now(), validity)?;
        let key = KeyPair::generate()?;
        let cert_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            cert_pem,
        })
    }

    /// An authority made before: its certificate and its private key.
    ///
    /// # Errors
    ///
    /// [`CertsError::Failed`] when one of them is not what it should be;
    /// [`CertsError::KeyMismatch`] when they do not belong together.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, CertsError> {
        let key = KeyPair::from_pem(key)?;
        let der = CertificateDer::from_pem_slice(cert.as_bytes())
            .map_err(|source| CertsError::Failed(source.to_string()))?;
        let public = key.public_key_raw();
        if !der.windows(public.len()).any(|part| part == public) {
            return Err(CertsError::KeyMismatch);
        }
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            cert_pem: cert.to_string(),
        })
    }

    /// As [`from_pem`](Self::from_pem), from the files that [`write_to`](Self::write_to) made.
    ///
    /// # Errors
    ///
    /// [`CertsError`]
    pub fn read_from(dir: impl AsRef<Path>) -> Result<Self, CertsError> {
        let read = |file: &str| {
            let path = dir.as_ref().join(file);
            fs::read_to_string(&path).map_err(|source| CertsError::File { path, source })
        };
        Self::from_pem(&read(CA_FILE)?, &read(CA_KEY_FILE)?)
    }

    /// The authority's certificate, in PEM: what every member is given.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's private key, in PEM: what nobody is given.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Writes `ca.pem` and `ca-key.pem`, the latter readable by its owner only. The directory is
    /// made if need be.
    ///
    /// # Errors
    ///
    /// [`CertsError::File`], also when a file of that name exists: none is overwritten.
    pub fn write_to(&self, dir: impl AsRef<Path>) -> Result<(), CertsError> {
        let dir = dir.as_ref();
        make_dir(dir)?;
        write_new(&dir.join(CA_KEY_FILE), &self.key_pem(), Readers::Owner)?;
        write_new(&dir.join(CA_FILE), &self.cert_pem, Readers::Everybody)
    }

    /// A certificate for a member, valid for [`MEMBER_VALIDITY`], with a new key. The name goes
    /// into it as common name and as DNS name.
    ///
    /// # Errors
    ///
    /// [`CertsError::InvalidName`] unless the name has 1 to [`NAME_LEN_MAX`] letters, digits,
    /// hyphens, underscores and dots (ASCII), and begins with a letter or digit;
    /// [`CertsError::ReservedName`] for `ca` and `ca-key`, in upper or lower case.
    pub fn issue(&self, name: &str) -> Result<Issued, CertsError> {
        self.issue_for(name, SystemTime::now(), MEMBER_VALIDITY)
    }

    /// As [`issue`](Self::issue), valid from some other time on, and for some other time.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue); [`CertsError::Failed`] when the validity ends beyond the year
    /// 9999.
    pub fn issue_for(
        &self,
        name: &str,
        from: SystemTime,
        validity: Duration,
    ) -> Result<Issued, CertsError> {
        self.issue_at(name, &[], from, validity)
    }

    /// As [`issue_for`](Self::issue_for), for a member that lives at these addresses only. None at
    /// all: anywhere.
    ///
    /// # Errors
    ///
    /// As [`issue_for`](Self::issue_for).
    pub fn issue_at(
        &self,
        name: &str,
        addrs: &[IpAddr],
        from: SystemTime,
        validity: Duration,
    ) -> Result<Issued, CertsError> {
        if !is_valid(name) {
            return Err(CertsError::InvalidName { name: name.into() });
        }
        // Some file systems tell no upper case from lower.
        if ["ca", "ca-key"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            return Err(CertsError::ReservedName { name: name.into() });
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(name)?)];
        let addrs = addrs.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addrs);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, from, validity)?;
        let key = KeyPair::generate()?;
        Ok(Issued {
            name: name.into(),
            cert: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
            ca: self.cert_pem.clone(),
        })
    }
}

impl fmt::Debug for DevCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevCa").finish_non_exhaustive()
    }
}

/// What a member needs: its certificate, the private key to it, and the authority's certificate.
#[derive(Clone)]
pub struct Issued {
    name: String,
    cert: String,
    key: String,
    ca: String,
}

impl Issued {
    /// The member's certificate, in PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert
    }

    /// The member's private key, in PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// The authority's certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// Writes `ca.pem`, `NAME.pem` and `NAME-key.pem`, the latter readable by its owner only. The
    /// directory is made if need be; a `ca.pem` that is there already stays if it is the same.
    ///
    /// # Errors
    ///
    /// [`CertsError::File`], also when a file of that name exists: none is overwritten.
    pub fn write_to(&self, dir: impl AsRef<Path>) -> Result<(), CertsError> {
        let dir = dir.as_ref();
        make_dir(dir)?;
        let ca = dir.join(CA_FILE);
        if fs::read_to_string(&ca).ok().as_ref() != Some(&self.ca) {
            write_new(&ca, &self.ca, Readers::Everybody)?;
        }
        let key = dir.join(format!("{}-key.pem", self.name));
        write_new(&key, &self.key, Readers::Owner)?;
        let cert = dir.join(format!("{}.pem", self.name));
        write_new(&cert, &self.cert, Readers::Everybody)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A new private key, for a member of a cluster without an authority (ECDSA, P-256).
pub struct MemberKey(KeyPair);

impl MemberKey {
    /// Another one each time.
    ///
    /// # Errors
    ///
    /// [`CertsError::Failed`] when there is no randomness to be had.
    pub fn generate() -> Result<Self, CertsError> {
        Ok(Self(KeyPair::generate()?))
    }

    /// The private key, in PEM: the member's own.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The public key, in PEM: for the others to pin.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.0.public_key_pem()
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberKey").finish_non_exhaustive()
    }
}

/// Why there is no certificate, or no file of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertsError {
    /// A member's name that cannot be part of a certificate, or of a file's name.
    InvalidName {
        /// The name.
        name: String,
    },
    /// A member's name that would give its certificate the name of a file of the authority:
    /// `ca.pem` or `ca-key.pem`.
    ReservedName {
        /// The name.
        name: String,
    },
    /// The authority's private key is not the one that its certificate is for.
    KeyMismatch,
    /// The certificate library gave up, and says why.
    Failed(String),
    /// A file could not be read or written.
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for CertsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { name } => write!(
                f,
                "member name {name:?} is not made of 1 to {NAME_LEN_MAX} letters, digits, '-', \
                 '_' and '.', beginning with a letter or digit"
            ),
            Self::ReservedName { name } => write!(
                f,
                "member name {name:?} is reserved: {name}.pem is for the authority"
            ),
            Self::KeyMismatch => f.write_str("authority's key does not belong to its certificate"),
            Self::Failed(why) => write!(f, "cannot make certificate: {why}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl error::Error for CertsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<rcgen::Error> for CertsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

const CA_FILE: &str = "ca.pem";

const CA_KEY_FILE: &str = "ca-key.pem";

fn is_valid(name: &str) -> bool {
    name.len() <= NAME_LEN_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn set_validity(
    params: &mut CertificateParams,
    from: SystemTime,
    validity: Duration,
) -> Result<(), CertsError> {
    let beyond = || CertsError::Failed("validity ends beyond the year 9999".into());
    let backdated = from.checked_sub(BACKDATED).unwrap_or(from);
    let since_epoch = from.duration_since(SystemTime::UNIX_EPOCH);
    let end_secs = since_epoch
        .unwrap_or_default()
        .as_secs()
        .checked_add(validity.as_secs())
        .and_then(|secs| i64::try_from(secs).ok())
        .ok_or_else(beyond)?;
    params.not_before = OffsetDateTime::from(backdated);
    params.not_after = OffsetDateTime::from_unix_timestamp(end_secs).map_err(|_| beyond())?;
    Ok(())
}

enum Readers {
    Owner,
    Everybody,
}

fn make_dir(dir: &Path) -> Result<(), CertsError> {
    fs::create_dir_all(dir).map_err(|source| CertsError::File {
        path: dir.into(),
        source,
    })
}

fn write_new(path: &Path, text: &str, readers: Readers) -> Result<(), CertsError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match readers {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o644,
        });
    }
    #[cfg(not(unix))]
    let _ = readers;
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| CertsError::File {
            path: path.into(),
            source,
        })
}

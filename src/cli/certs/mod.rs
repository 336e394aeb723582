//! `selkie certs`: an authority for development, and what it issues.

pub(crate) mod files;
pub(crate) mod together;

use core::time::Duration;
use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64ct::{Base64, Encoding};
use selkie::{
    Name,
    admin::timestamp,
    transports::{
        certs::{CertsError, DevCa, MemberKey},
        quic::{Credentials, PinnedKeys, PublicKey},
    },
};

use self::files::Readers;
use crate::{
    args::{CertsInitArgs, CertsIssueArgs, CertsKeyArgs, CertsPinArgs},
    failure::Failure,
    print,
};

/// Runs `selkie certs init`.
pub(crate) fn init(args: &CertsInitArgs) -> Result<(), Failure> {
    let force_means = "members whose certificates the former authority signed must get new ones";
    let (cert, key) = ca_files(&args.dir);
    if !args.force {
        files::check_absent(&[&cert, &key], force_means)?;
    }
    let ca = DevCa::new(&args.cluster).map_err(|error| certs_failed(&error))?;
    files::make_dir(&args.dir)?;
    let pems = (ca.cert_pem(), ca.key_pem());
    write_pair((&cert, &key), (pems.0, &pems.1), args.force, force_means)?;
    print::line(format_args!(
        "wrote {}  certificate of the authority, for every member\n\
         wrote {}  its private key, for nobody: it makes members\n\
         next: selkie certs issue NAME{}",
        cert.display(),
        key.display(),
        dir_option(&args.dir)
    ))
    .map_err(|error| print::failed(&error))
}

/// Runs `selkie certs issue`.
pub(crate) fn issue(args: &CertsIssueArgs) -> Result<(), Failure> {
    let force_means = "a member that runs with the former ones can go on doing so";
    check_name(args.name)?;
    let out = args.out.as_ref().unwrap_or(&args.dir);
    let cert = out.join(format!("{}.pem", args.name));
    let key = out.join(format!("{}-key.pem", args.name));
    if !args.force {
        files::check_absent(&[&cert, &key], force_means)?;
    }
    let (ca_cert, ca_key) = ca_files(&args.dir);
    together::finish(&[None, Some(ca_cert.clone()), Some(ca_key.clone())])?;
    let ca = DevCa::from_pem(&files::read(&ca_cert)?, &files::read(&ca_key)?)
        .map_err(|error| certs_failed(&error))?;
    let now = SystemTime::now();
    let validity = Duration::from_secs(u64::from(args.days) * 24 * 60 * 60);
    let issued = ca
        .issue_at(args.name.as_str(), &args.addrs, now, validity)
        .map_err(|error| certs_failed(&error))?;
    files::make_dir(out)?;
    let pems = (issued.cert_pem(), issued.key_pem());
    write_pair((&cert, &key), pems, args.force, force_means)?;
    let (cert, key, ca) = (cert.display(), key.display(), ca_cert.display());
    let until = timestamp(now + validity);
    let name = args.name;
    print::line(format_args!(
        "wrote {cert}  certificate of {name}, valid until {until}\n\
         wrote {key}  its private key, for this member alone\n\
         next: selkie agent --name {name} --bind 127.0.0.1:7946 \\\n  \
         --ca {ca} --cert {cert} --key {key}",
    ))
    .map_err(|error| print::failed(&error))
}

/// Writes a certificate and its key, by force in the place of others.
fn write_pair(
    (cert, key): (&Path, &Path),
    (cert_pem, key_pem): (&str, &str),
    force: bool,
    force_means: &str,
) -> Result<(), Failure> {
    if force {
        let paths = [None, Some(cert.to_owned()), Some(key.to_owned())];
        return together::replace(&paths, &[None, Some(cert_pem), Some(key_pem)]);
    }
    files::write(key, key_pem, Readers::Owner, false, force_means)?;
    files::write(cert, cert_pem, Readers::All, false, force_means)
}

/// Runs `selkie certs key`.
pub(crate) fn key(args: &CertsKeyArgs) -> Result<(), Failure> {
    let force_means = "the others must get the line of the new one";
    check_name(args.name)?;
    let path = key_file(&args.dir, args.name);
    let key = MemberKey::generate().map_err(|error| certs_failed(&error))?;
    files::make_dir(&args.dir)?;
    let pem = key.key_pem();
    files::write(&path, &pem, Readers::Owner, args.force, force_means)?;
    print::error(format_args!(
        "wrote {}  private key of {}, for this member alone; its line for --pins:",
        path.display(),
        args.name
    ));
    print_pin(args.name, &pem)
}

/// Runs `selkie certs pin`.
pub(crate) fn pin(args: &CertsPinArgs) -> Result<(), Failure> {
    let usual = key_file(Path::new("certs"), args.name);
    let path = args.key.as_ref().unwrap_or(&usual);
    let pem = std::fs::read_to_string(path).map_err(|error| {
        Failure::caused(format!("cannot read {}", path.display()), &error)
            .hint("make one: selkie certs key NAME; or say where it is: --key FILE")
    })?;
    print_pin(args.name, &pem)
}

fn print_pin(name: Name, pem: &str) -> Result<(), Failure> {
    let failed = |error: &dyn core::error::Error| {
        Failure::caused("cannot use the key", error)
            .hint("a private key in PEM is wanted, as `selkie certs key` makes it")
    };
    let credentials = Credentials::from_pinned(pem, &PinnedKeys::new());
    let credentials = credentials.map_err(|error| failed(&error))?;
    let key = credentials.public_key().map(PublicKey::as_der);
    let key = Base64::encode_string(key.unwrap_or_default());
    print::line(format_args!("{name} {key}")).map_err(|error| print::failed(&error))
}

fn key_file(dir: &Path, name: Name) -> PathBuf {
    dir.join(format!("{name}-key.pem"))
}

/// Refuses names whose certificate would have the name of a key, before anything is looked at.
/// The library refuses those of the authority alone: it overwrites nothing.
fn check_name(name: Name) -> Result<(), Failure> {
    if name.as_str() == "ca" || name.as_str().ends_with("-key") {
        let why = format!("{name}.pem is for the authority, or for the key of another member");
        return Err(Failure::new(format!("cannot issue for {name}"), why).hint("take another name"));
    }
    Ok(())
}

fn ca_files(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("ca.pem"), dir.join("ca-key.pem"))
}

/// What to type so that the next command looks at the same place.
fn dir_option(dir: &Path) -> String {
    if dir == Path::new("certs") {
        String::new()
    } else {
        format!(" --dir {}", dir.display())
    }
}

fn certs_failed(error: &CertsError) -> Failure {
    let failure = Failure::caused("cannot make certificates", error);
    match error {
        CertsError::KeyMismatch => {
            failure.hint("ca.pem and ca-key.pem must come from one `selkie certs init`")
        }
        CertsError::InvalidName { .. } | CertsError::ReservedName { .. } => {
            failure.hint("take another name")
        }
        _ => failure,
    }
}

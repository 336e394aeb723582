//! Where requests come in.

use alloc::format;
use core::net::SocketAddr;
use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use smol::{
    Async,
    net::{TcpListener, TcpStream, unix::UnixStream},
};

/// By which way a request came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Unix,
    Http,
}

/// A place where [`Admin::serve`](super::Admin::serve) answers.
#[derive(Debug)]
pub struct Listener(pub(super) Inner);

#[derive(Debug)]
pub(super) enum Inner {
    Unix(UnixSocket),
    Http(TcpListener, SocketAddr),
}

/// A socket in the file system, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: Async<std::os::unix::net::UnixListener>,
    path: PathBuf,
    /// Device and inode: another one's socket at this path is not ours to remove.
    file: (u64, u64),
}

/// Who asks.
pub(super) enum Asker {
    Unix(UnixStream),
    Http(TcpStream),
}

impl Listener {
    /// A Unix socket at this path, for its owner only (0600). Takes the place of one that nobody
    /// listens at any more. The folder has to exist, and nobody else should be able to write there:
    /// see [`default_socket`].
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse): somebody listens there.
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists): there is a file that is no socket. Others:
    /// those of the file system, also for a path of more than some hundred bytes.
    pub fn unix(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        refuse_if_taken(&path)?;
        // Nobody else gets in between the socket and its permissions: it is made in a folder that
        // only we may enter, and moved to its place.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let workshop = folder
            .unwrap_or(Path::new("."))
            .join(format!(".{:x}", fastrand::u32(..)));
        fs::DirBuilder::new().mode(0o700).create(&workshop)?;
        let made = make(&workshop.join("s"), &path);
        let _ = fs::remove_dir(&workshop);
        made.map(|socket| Self(Inner::Unix(socket)))
    }

    /// An address on loopback, to be read only. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is not on loopback, and those of the
    /// socket.
    pub fn http(addr: SocketAddr) -> io::Result<Self> {
        if !addr.ip().is_loopback() {
            let why = format!("{addr} is not on loopback: whoever reaches it could read along");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = Async::<std::net::TcpListener>::bind(addr)?;
        let addr = listener.get_ref().local_addr()?;
        Ok(Self(Inner::Http(listener.into(), addr)))
    }

    /// Where it listens, if that is an address.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Inner::Unix(_) => None,
            Inner::Http(_, addr) => Some(*addr),
        }
    }

    pub(super) fn way(&self) -> Way {
        match &self.0 {
            Inner::Unix(_) => Way::Unix,
            Inner::Http(..) => Way::Http,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Asker> {
        match &self.0 {
            Inner::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok(Asker::Unix(stream.into()))
            }
            Inner::Http(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Asker::Http(stream))
            }
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|it| (it.dev(), it.ino()) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make(draft: &Path, path: &Path) -> io::Result<UnixSocket> {
    let listener = Async::<std::os::unix::net::UnixListener>::bind(draft)?;
    let placed = fs::set_permissions(draft, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::symlink_metadata(draft))
        .and_then(|made| fs::rename(draft, path).map(|()| (made.dev(), made.ino())));
    if placed.is_err() {
        let _ = fs::remove_file(draft);
    }
    Ok(UnixSocket {
        listener,
        path: path.into(),
        file: placed?,
    })
}

fn refuse_if_taken(path: &Path) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        let why = format!("{} exists, and is no socket", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            let why = format!("another agent listens at {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, why))
        }
        Err(_) => Ok(()),
    }
}

/// Where the sockets of this user's agents are: `$XDG_RUNTIME_DIR/selkie`, or `/tmp/selkie-UID`.
/// The folder need not be there.
///
/// # Errors
///
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if there is such a folder, and it is not
/// ours only: in a folder for all somebody else may have been there before.
pub fn default_directory() -> io::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let folder = match runtime.filter(|it| it.is_absolute() && it.is_dir()) {
        Some(runtime) => runtime.join("selkie"),
        None => Path::new("/tmp").join(format!("selkie-{uid}")),
    };
    match fs::symlink_metadata(&folder) {
        Ok(there) if !there.is_dir() || there.uid() != uid || there.mode() & 0o077 != 0 => {
            let why = format!("{} is not a folder of ours only", folder.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
        Ok(_) => Ok(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(folder),
        Err(error) => Err(error),
    }
}

/// Where the socket of the agent of this name, in the cluster of this name, is by default:
/// `CLUSTER@NAME.sock` in the [usual folder](default_directory), which is made if it is not there.
///
/// # Errors
///
/// Those of the file system, and of [`default_directory`].
pub fn default_socket(cluster: &str, name: &str) -> io::Result<PathBuf> {
    let folder = default_directory()?;
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // No name has an @. Somebody may have made it first, just now.
    default_directory().map(|folder| folder.join(format!("{cluster}@{name}.sock")))
}

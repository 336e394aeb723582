//! A connection to an agent, and why there is none.

use core::net::SocketAddr;
use std::{
    fs, io,
    os::unix::net::UnixStream as StdUnixStream,
    path::{Path, PathBuf},
};

use futures::{AsyncRead, AsyncWrite};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use selkie::admin::default_directory;
use serde_json::Value;
use smol::net::{TcpStream, unix::UnixStream};
use smol_hyper::rt::FuturesIo;

use super::args::At;
use crate::{failure::Failure, text::printable};

/// Where an agent answers.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Unix(PathBuf),
    Http(SocketAddr),
}

impl Place {
    /// Where the agent that is meant answers.
    pub(super) fn find(at: &At) -> Result<Self, Failure> {
        let Some(admin) = &at.admin else {
            return only(at).map(Self::Unix);
        };
        let Some(addr) = admin.strip_prefix("http://") else {
            return Ok(Self::Unix(admin.into()));
        };
        let addr = addr.trim_end_matches('/').parse();
        addr.map(Self::Http).map_err(|error| {
            Failure::new(format!("cannot ask at {admin}"), error)
                .hint("what --admin-http printed will do, such as http://127.0.0.1:9464")
        })
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Value, Failure> {
        let response = self.open(method, path, body).await?;
        self.read(response).await
    }

    /// Reads an answer to its end. What was refused is a failure.
    pub(super) async fn read(&self, response: Response<Incoming>) -> Result<Value, Failure> {
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| self.broken(&error))?.to_bytes();
        let value: Value = serde_json::from_slice(&body).map_err(|error| self.broken(&error))?;
        match status {
            StatusCode::OK => Ok(value),
            status => Err(refused(status, value["error"].as_str().unwrap_or_default())),
        }
    }

    /// Asks for what has no end.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        match self {
            Self::Unix(socket) => {
                let stream = UnixStream::connect(socket).await;
                let stream = stream.map_err(|error| no_socket(socket, &error))?;
                self.request(stream, "selkie", method, path, body).await
            }
            Self::Http(addr) => {
                let stream = TcpStream::connect(addr).await.map_err(|error| {
                    Failure::caused(format!("no agent answers at http://{addr}"), &error)
                        .hint("does the agent run, and was it given this --admin-http?")
                })?;
                let host = addr.to_string();
                self.request(stream, &host, method, path, body).await
            }
        }
    }

    async fn request(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        host: &str,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        let handshake = http1::handshake(FuturesIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(&error))?;
        smol::spawn(connection).detach();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.broken(&error))?;
        let response = sender.send_request(request).await;
        response.map_err(|error| self.broken(&error))
    }

    pub(super) fn broken(&self, error: &dyn core::error::Error) -> Failure {
        let place = match self {
            Self::Unix(socket) => socket.display().to_string(),
            Self::Http(addr) => format!("http://{addr}"),
        };
        Failure::caused(format!("the agent at {place} did not answer"), error)
            .hint("has it just stopped, and is it selkie that listens there?")
    }
}

fn refused(status: StatusCode, why: &str) -> Failure {
    let failure = Failure::new("the agent refused", printable(why));
    match status {
        StatusCode::FORBIDDEN => failure.hint("leave --admin out, or give it the agent's socket"),
        StatusCode::PRECONDITION_FAILED => failure.hint(
            "see `selkie keys list`; --force does it nonetheless, and those members do not \
             understand us then",
        ),
        StatusCode::NOT_FOUND => failure.hint("`selkie members` lists whom it knows"),
        _ => failure,
    }
}

fn no_socket(socket: &Path, error: &io::Error) -> Failure {
    let failure = Failure::caused(format!("no agent answers at {}", socket.display()), error);
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            failure.hint("only the user that runs the agent may ask it: try as that one, or sudo")
        }
        io::ErrorKind::ConnectionRefused => {
            failure.hint("the agent that listened there is dead: start it again")
        }
        _ => failure.hint("does the agent run, and was it given this path as --admin?"),
    }
}

/// The socket of the one agent that is meant, of those of this user.
fn only(at: &At) -> Result<PathBuf, Failure> {
    let folder = default_directory().map_err(|error| {
        Failure::caused("cannot look for an agent", &error).hint("say where it is: --admin PATH")
    })?;
    let files = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut sockets: Vec<(String, PathBuf)> = files
        .filter_map(|file| {
            let label = file.file_name().to_str()?.strip_suffix(".sock")?.to_owned();
            let (cluster, name) = label.split_once('@')?;
            let is_meant = at.agent.is_none_or(|it| it.as_str() == name)
                && at.cluster.is_none_or(|it| it.as_str() == cluster);
            is_meant.then(|| (label, file.path()))
        })
        .collect();
    if sockets.len() > 1 {
        // The dead do not answer, and leave theirs behind.
        sockets.retain(|(_, path)| StdUnixStream::connect(path).is_ok());
    }
    sockets.sort();
    match sockets.as_slice() {
        [(_, path)] => Ok(path.clone()),
        [] => Err(Failure::new(
            "no agent to ask",
            format!("{} has no socket of it", folder.display()),
        )
        .hint(
            "start one: selkie agent --help\n\
             or say where it is: --admin PATH, as the agent was given, as the user that runs it",
        )),
        several => {
            let names: Vec<_> = several.iter().map(|(label, _)| label.as_str()).collect();
            Err(Failure::new("several agents run here", names.join(", "))
                .hint("say which one, cluster@name: --agent NAME, and --cluster NAME if need be"))
        }
    }
}

//! Where an agent is asked: its admin channel.

use std::{
    io,
    thread::{self, JoinHandle},
};

use selkie::{
    Cluster, Node,
    admin::{Admin, Listener, default_socket},
    metrics::Metrics,
};
use smol::channel::{Receiver, Sender, bounded};

use super::papers::Change;
use crate::{args::AgentArgs, failure::Failure, print};

/// Answers until it is closed.
pub(super) struct Desk {
    open: Sender<()>,
    serving: Vec<JoinHandle<()>>,
}

impl Desk {
    /// Opens what was asked for, and, unless it was asked for not to, the socket at its usual
    /// place: an agent does without the latter.
    pub(super) fn open(
        args: &AgentArgs,
        cluster: &Cluster<Node>,
        metrics: Metrics<Node>,
        change: Option<Change>,
    ) -> Result<Self, Failure> {
        let listeners = listeners(args, cluster)?;
        let facts = [
            ("cluster", args.cluster.to_string()),
            ("transport", args.transport_name().to_owned()),
        ];
        let facts = facts.map(|(name, fact)| (name.to_owned(), fact));
        let admin = Admin::with_facts(metrics, facts);
        if let Some(change) = change {
            admin.on_change(change);
        }
        let (open, closed) = bounded(1);
        let serving = listeners
            .into_iter()
            .map(|listener| serve(&admin, listener, closed.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self { open, serving })
    }

    /// Answers what was asked, and no more.
    pub(super) async fn close(self) {
        drop(self.open);
        for thread in self.serving {
            // A panic was told of where it was.
            let _ = smol::unblock(|| thread.join()).await;
        }
    }
}

fn listeners(args: &AgentArgs, cluster: &Cluster<Node>) -> Result<Vec<Listener>, Failure> {
    let mut listeners = Vec::new();
    if let Some(path) = &args.admin {
        listeners.push(Listener::unix(path).map_err(|error| {
            Failure::caused(format!("cannot be asked at {}", path.display()), &error)
                .hint("give another path as --admin, in a folder that only we write to")
        })?);
    } else if !args.no_admin {
        match usual(args, cluster) {
            Ok(listener) => listeners.push(listener),
            Err(error) => print::error(
                Failure::caused("nobody can ask this agent at its usual socket", &error)
                    .hint("give it another one, --admin PATH, or none, --no-admin"),
            ),
        }
    }
    if let Some(addr) = args.admin_http {
        let listener = Listener::http(addr).map_err(|error| {
            Failure::caused(format!("cannot be asked at http://{addr}"), &error)
                .hint("take another port as --admin-http; 0 is any free one")
        })?;
        if let Some(addr) = listener.http_addr() {
            print::error(format_args!("selkie: the status page is at http://{addr}/"));
            print::error(format_args!("selkie: metrics are at http://{addr}/metrics"));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// On a thread of its own: a large answer takes its time, in which the agent has others to answer,
/// and so has the other listener.
fn serve(
    admin: &Admin,
    listener: Listener,
    closed: Receiver<()>,
) -> Result<JoinHandle<()>, Failure> {
    let until = async move {
        // An error: nobody can send any more.
        let _ = closed.recv().await;
    };
    let serving = admin.clone().serve(listener, until);
    let thread = thread::Builder::new().name("selkie-admin".to_owned());
    let started = thread.spawn(|| smol::block_on(serving));
    started.map_err(|error| Failure::caused("cannot answer anybody", &error))
}

fn usual(args: &AgentArgs, cluster: &Cluster<Node>) -> io::Result<Listener> {
    let name = *cluster.identity().name();
    Listener::unix(default_socket(args.cluster.as_str(), name.as_str())?)
}

//! Where an agent is asked: its admin channel.

use std::io;

use selkie::{
    Cluster, Node,
    admin::{Admin, Listener, default_socket},
    metrics::Metrics,
};
use smol::{
    Task,
    channel::{Receiver, Sender, bounded},
};

use super::papers::Change;
use crate::{args::AgentArgs, failure::Failure, print};

/// Answers until it is closed.
pub(super) struct Desk {
    open: Sender<()>,
    serving: Vec<Task<()>>,
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
        let mut desk = Self {
            open,
            serving: Vec::new(),
        };
        if let Some(path) = &args.admin {
            let listener = Listener::unix(path).map_err(|error| {
                Failure::caused(format!("cannot be asked at {}", path.display()), &error)
                    .hint("give another path as --admin, in a folder that only we write to")
            })?;
            desk.serve(&admin, listener, &closed);
        } else if !args.no_admin {
            match usual(args, cluster) {
                Ok(listener) => desk.serve(&admin, listener, &closed),
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
            desk.serve(&admin, listener, &closed);
        }
        Ok(desk)
    }

    /// Answers what was asked, and no more.
    pub(super) async fn close(self) {
        drop(self.open);
        for task in self.serving {
            task.await;
        }
    }

    fn serve(&mut self, admin: &Admin, listener: Listener, closed: &Receiver<()>) {
        let closed = closed.clone();
        let until = async move {
            // An error: nobody can send any more.
            let _ = closed.recv().await;
        };
        let serving = admin.clone().serve(listener, until);
        self.serving.push(smol::spawn(serving));
    }
}

fn usual(args: &AgentArgs, cluster: &Cluster<Node>) -> io::Result<Listener> {
    let name = *cluster.identity().name();
    Listener::unix(default_socket(args.cluster.as_str(), name.as_str())?)
}

//! What an agent tells its operator, and does for it: from the program that it is part of, over a
//! Unix socket, and, to read only, over HTTP on loopback.
//!
//! [`Admin`] has the calls. [`Admin::serve`] answers the same as JSON over HTTP/1.1, at a
//! [`Listener`]:
//!
//! | request | what it answers, or does |
//! | --- | --- |
//! | `GET /` | the status page: all of this for people, live, in a browser |
//! | `GET /v1/members` | [`Admin::members`] |
//! | `GET /v1/info` | [`Admin::info`] |
//! | `GET /v1/stats` | [`Admin::stats`] |
//! | `GET /v1/probing` | [`Admin::probing`] |
//! | `GET /v1/why` | [`Admin::accusations`] |
//! | `GET /v1/why/NAME` | [`Admin::why`] |
//! | `GET /v1/events` | [`Happening`]s, stamped with their `time`, one per line, until it is closed |
//! | `GET /metrics` | [`Admin::metrics`] |
//! | `POST /v1/join` | [`Admin::join`] at what the body says |
//! | `POST /v1/broadcast` | [`Admin::broadcast`] of the body |
//! | `POST /v1/send/NAME` | [`Admin::send`] of the body; `?unacknowledged` for best effort |
//! | `POST /v1/metadata` | [`Admin::set_metadata`] to the body |
//! | `POST /v1/down/NAME` | [`Admin::down`] |
//! | `POST /v1/leave` | [`Admin::leave`] |
//! | `POST /v1/rtt` | [`Admin::distances`] |
//! | `POST /v1/rtt/TO`, `POST /v1/rtt/FROM/TO` | [`Admin::distance`] |
//! | `POST /v1/reach` | [`Admin::reach`] |
//! | `POST /v1/clocks` | [`Admin::clocks`] |
//! | `POST /v1/credentials` | [`Admin::credentials`] |
//! | `POST /v1/keys/add` | [`Admin::change`]: [`AddKey`](CredentialChange::AddKey) of the body |
//! | `POST /v1/keys/use/ID`, `POST /v1/keys/remove/ID` | [`Admin::change`]; `?force` if need be |
//! | `POST /v1/certs/reload` | [`Admin::change`]: [`Reload`](CredentialChange::Reload) |
//! | `POST /v1/certs/install` | [`Admin::change`]: [`Install`](CredentialChange::Install), [`Installing`] as JSON |
//!
//! What makes other members answer questions is a `POST`, too, though it changes nothing.
//!
//! At each listener 64 connections are answered at a time, further ones wait; and beside those there
//! are 32 readers of events, further ones are refused with 503. Neither takes the places of the
//! other, nor of another listener. Who reads nothing of an answer for 30 seconds gets no more of it;
//! readers of events may take their time.
//!
//! What was refused is `{"error": "..."}`, with a status that says whose fault it is. The members
//! have an `ETag`: whoever asks again with it as `If-None-Match` is answered with 304 until something
//! changed.
//!
//! # Who may ask
//!
//! The Unix socket is its owner's only, and takes everything. An address on loopback can be reached
//! by whoever has an account on the machine, and by web pages in their browsers: it takes `GET`
//! only, and none of those changes anything. Requests that were made in the name of another host,
//! or by a page from elsewhere, are refused, so that no page reads along.

mod answers;
mod asking;
mod changing;
mod comparing;
mod guard;
mod happening;
mod histogram;
mod listener;
mod page;
mod patience;
mod routes;
mod serve;

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, net::SocketAddr, str::FromStr, sync::atomic::Ordering::Relaxed};
use std::{sync::OnceLock, time::SystemTime};

use ::metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use time::OffsetDateTime;

pub use self::{
    answers::{
        Accused, Asked, Broadcasted, Confirmation, Counts, Declared, Entry, Info, Joined, Left,
        Probes, Said,
    },
    asking::{ClockOffset, Credential, Difference, Distance, Reach, Reached},
    changing::{CredentialChange, Installing},
    happening::{Chronicle, Happening, Who},
    listener::{Listener, default_directory, default_socket},
};
use self::{changing::Changing, serve::Readers};
use crate::{
    Cluster, Node,
    agent::{CommandError, MemberInfo, MessageError, QueryError, Seed},
    metrics::Metrics,
};

/// What can be asked of an agent of [`Node`]s. Cheap to clone.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    metrics: Metrics<Node>,
    recorder: PrometheusRecorder,
    since: SystemTime,
    facts: BTreeMap<String, String>,
    changing: OnceLock<Changing>,
    readers: Arc<Readers>,
}

impl Admin {
    /// Of the agent that these metrics are of.
    #[must_use]
    pub fn new(metrics: Metrics<Node>) -> Self {
        Self::with_facts(metrics, [])
    }

    /// As [`new`](Self::new), with what [`info`](Self::info) is to tell beside what it knows by
    /// itself, such as the cluster's name.
    #[must_use]
    pub fn with_facts(
        metrics: Metrics<Node>,
        facts: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        ::metrics::with_local_recorder(&recorder, || {
            metrics.describe_numbers();
            describe_gauge!(
                READERS,
                "At present: readers of events at the admin channel."
            );
            describe_counter!(
                READERS_REFUSED,
                "Readers of events refused at the admin channel: there were too many."
            );
        });
        Self(Arc::new(Inner {
            metrics,
            recorder,
            since: SystemTime::now(),
            facts: facts.into_iter().collect(),
            changing: OnceLock::new(),
            readers: Arc::default(),
        }))
    }

    /// The agent.
    #[must_use]
    pub fn cluster(&self) -> &Cluster<Node> {
        self.0.metrics.cluster()
    }

    /// All members, ourselves first, down ones included.
    #[must_use]
    pub fn members(&self) -> Vec<Entry> {
        let members = self.cluster().members();
        let ourselves = Entry::ourselves(self.cluster(), self.0.since);
        let others = members.iter().map(Entry::other);
        core::iter::once(ourselves).chain(others).collect()
    }

    /// Something that is another whenever [`members`](Self::members) are others: of this agent, in
    /// this process.
    fn edition(&self) -> String {
        let cluster = self.cluster();
        let (id, own) = (cluster.identity(), cluster.metadata());
        let said = own.map_or(0, |metadata| metadata.version());
        let started = timestamp(self.0.since);
        let (version, status) = (cluster.members().version(), cluster.status());
        format!("{started} {} {status:?} {said} {version}", id.generation())
    }

    /// The agent itself.
    #[must_use]
    pub fn info(&self) -> Info {
        Info::of(&self.0.metrics, self.0.since, &self.0.facts)
    }

    /// What was counted: see [`Stats`](crate::agent::Stats), those of the transport with
    /// `transport_` before their names. Also `admin_readers`, who read events [here](Self::serve) at
    /// present, and `admin_readers_refused`.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<String, u64> {
        let stats = self.cluster().stats();
        let own = stats.iter().map(|(name, value)| (name.to_owned(), value));
        let transport = stats.transport.iter();
        let transport = transport.map(|(name, value)| (format!("transport_{name}"), *value));
        let readers = &self.0.readers;
        let admin = [
            ("admin_readers", &readers.present),
            ("admin_readers_refused", &readers.refused),
        ];
        let admin = admin.map(|(name, value)| (name.to_owned(), value.load(Relaxed)));
        own.chain(transport).chain(admin).collect()
    }

    fn readers(&self) -> Arc<Readers> {
        self.0.readers.clone()
    }

    /// Whom the agent probes at this moment, and who probed it last.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn probing(&self) -> Result<Probes, Refused> {
        Ok(Probes::from(self.cluster().probing().await?))
    }

    /// Who was suspected or declared down of late, and why, the last one first.
    #[must_use]
    pub fn accusations(&self) -> Vec<Accused> {
        let all = self.cluster().accusations();
        all.iter().rev().map(Accused::from).collect()
    }

    /// Why a member was suspected or declared down of late, the last time first.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchMember`] if there is none of this name, nor was there one of late.
    pub fn why(&self, name: &str) -> Result<Vec<Accused>, Refused> {
        let all = self.cluster().accusations();
        let about = all
            .iter()
            .rev()
            .filter(|it| it.member.name().as_str() == name);
        let about: Vec<_> = about.map(Accused::from).collect();
        if about.is_empty() {
            self.member(name)?;
        }
        Ok(about)
    }

    /// The [metrics](crate::metrics) of this moment, as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> String {
        let Inner {
            metrics,
            recorder,
            readers,
            ..
        } = &*self.0;
        let stats = metrics.cluster().stats();
        let latencies = histogram::render(&stats.probe_latency);
        ::metrics::with_local_recorder(recorder, || {
            metrics.record_numbers(stats);
            gauge!(READERS).set(readers.present.load(Relaxed) as f64);
            counter!(READERS_REFUSED).absolute(readers.refused.load(Relaxed));
        });
        recorder.handle().render() + &latencies
    }

    /// Asks whoever lives at `ADDRESS:PORT` or `HOST:PORT` to let us in, once.
    ///
    /// # Errors
    ///
    /// [`Refused`]: it is no such place, or the agent does not do so.
    pub async fn join(&self, place: &str) -> Result<Joined, Refused> {
        let seed = Seed::from_str(place).map_err(|error| Refused::Invalid(error.to_string()))?;
        let resolved = smol::net::resolve(place).await;
        let addrs = resolved
            .map_err(|error| Refused::Invalid(format!("cannot look up {seed}: {error}")))?;
        let mut announced: Vec<SocketAddr> = Vec::new();
        let mut refused = None;
        for addr in addrs {
            match self.cluster().announce(addr).await {
                Ok(()) => announced.push(addr),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if announced.is_empty() => Err(error.into()),
            _ => Ok(Joined { announced }),
        }
    }

    /// Leaves the cluster: see [`Cluster::leave`]. The agent stops.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn leave(&self) -> Result<Left, Refused> {
        let departure = self.cluster().leave().await?;
        Ok(Left {
            acked: departure.acked,
            wanted: departure.wanted,
        })
    }

    /// Spreads bytes to all members: see [`Cluster::broadcast`].
    ///
    /// # Errors
    ///
    /// [`Refused`]: too big, or the agent takes no broadcasts.
    pub async fn broadcast(&self, bytes: Vec<u8>) -> Result<Broadcasted, Refused> {
        let is_news = self.cluster().broadcast(bytes).await?;
        Ok(Broadcasted { is_news })
    }

    /// Sends bytes to the member of this name, and waits until they wait to be read there, or, with
    /// `is_acknowledged` false, does not: see [`Cluster::send_reliably`] and [`Cluster::send`].
    ///
    /// # Errors
    ///
    /// [`Refused`]: no such member, or it was not to be reached, or does not read messages.
    pub async fn send(
        &self,
        name: &str,
        bytes: Vec<u8>,
        is_acknowledged: bool,
    ) -> Result<(), Refused> {
        let to = self.member(name)?.id;
        let sent = match is_acknowledged {
            true => self.cluster().send_reliably(&to, bytes).await,
            false => self.cluster().send(&to, bytes).await,
        };
        Ok(sent?)
    }

    /// Says something else of ourselves: see [`Cluster::set_metadata`].
    ///
    /// # Errors
    ///
    /// [`Refused`]: too big, or stopped.
    pub async fn set_metadata(&self, bytes: Vec<u8>) -> Result<(), Refused> {
        Ok(self.cluster().set_metadata(bytes).await?)
    }

    /// Declares the member of this name failed: see [`Cluster::declare_down`].
    ///
    /// # Errors
    ///
    /// [`Refused`]: no such member, or stopped.
    pub async fn down(&self, name: &str) -> Result<Declared, Refused> {
        let member = self.member(name)?.id;
        let was_active = self.cluster().declare_down(&member).await?;
        Ok(Declared { was_active })
    }

    fn member(&self, name: &str) -> Result<MemberInfo<Node>, Refused> {
        let members = self.cluster().members();
        let member = members
            .iter()
            .find(|member| member.id.name().as_str() == name);
        let refused = || Refused::NoSuchMember {
            name: name.to_owned(),
        };
        member.cloned().ok_or_else(refused)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("metrics", &self.0.metrics)
            .finish_non_exhaustive()
    }
}

/// Why something asked for was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// Nobody else is called so, as far as we know.
    NoSuchMember {
        /// What was asked for.
        name: String,
    },
    /// What was asked makes no sense.
    Invalid(String),
    /// The agent does not do that: it says why.
    Command(CommandError),
    /// The message was not delivered.
    Message(MessageError),
    /// The other member did not answer.
    Query(QueryError),
    /// Other members are not ready for a change of keys: which ones, and why.
    Unready(String),
    /// What the agent proves itself by was not changed: why.
    Change(String),
    /// The agent has stopped.
    Stopped,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchMember { name } => write!(f, "no other member is called {name}"),
            Self::Invalid(why) | Self::Unready(why) | Self::Change(why) => f.write_str(why),
            Self::Command(source) => source.fmt(f),
            Self::Message(source) => source.fmt(f),
            Self::Query(source) => source.fmt(f),
            Self::Stopped => CommandError::Stopped.fmt(f),
        }
    }
}

impl core::error::Error for Refused {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Command(source) => Some(source),
            Self::Message(source) => Some(source),
            Self::Query(source) => Some(source),
            _ => None,
        }
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Stopped => Self::Stopped,
            error => Self::Command(error),
        }
    }
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Stopped => Self::Stopped,
            error => Self::Query(error),
        }
    }
}

impl From<MessageError> for Refused {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

const READERS: &str = "selkie_admin_readers";
const READERS_REFUSED: &str = "selkie_admin_readers_refused_total";

/// A point in time as all of this writes it: in UTC, as RFC 3339 has it, to the millisecond.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests;

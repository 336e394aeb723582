//! Whom we trust at present, and the TLS settings that follow from it.

use alloc::{sync::Arc, vec::Vec};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use quinn::{ClientConfig, Connection, ServerConfig, TransportConfig};

use super::{
    Credentials, Options,
    counters::Tally,
    credentials::Stranger,
    paths::WIDE,
    tls::{self, PROTOCOL},
};
use crate::transport::{Fingerprints, ProvenPeer};

/// What new connections are made with. Those that are there already keep what they began with.
pub(super) struct Trust {
    transport: Arc<TransportConfig>,
    /// The same, for paths that are known to be wide.
    wide: Arc<TransportConfig>,
    tally: Arc<Tally>,
    now: Mutex<Now>,
}

struct Now {
    credentials: Credentials,
    protocol: Vec<u8>,
    client: ClientConfig,
    server: Arc<ServerConfig>,
    /// Grows with every change and every cut: what begun before one has a lower number.
    epoch: Epoch,
    /// When the credentials were replaced.
    replaced: Epoch,
    /// What was begun before is not let in any more.
    floor: Epoch,
}

impl Now {
    fn cut(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.floor = self.epoch;
    }
}

/// Between which changes of trust something was begun.
pub(super) type Epoch = u64;

impl Trust {
    /// With the settings for those that connect to us.
    pub(super) fn new(
        credentials: &Credentials,
        options: &Options,
        tally: &Arc<Tally>,
    ) -> io::Result<(Self, ServerConfig)> {
        let transport = Arc::new(tls::transport(options)?);
        let mut wide = tls::transport(options)?;
        wide.initial_mtu(WIDE);
        let (client, server) = tls::quic_configs(credentials, &transport, PROTOCOL, tally)?;
        let now = Now {
            credentials: credentials.clone(),
            protocol: PROTOCOL.to_vec(),
            client,
            server: Arc::new(server.clone()),
            epoch: 0,
            replaced: 0,
            floor: 0,
        };
        let trust = Self {
            transport,
            wide: Arc::new(wide),
            tally: tally.clone(),
            now: Mutex::new(now),
        };
        Ok((trust, server))
    }

    /// The settings for a dial that begins now, along a path that is wide or not.
    pub(super) fn client(&self, is_wide: bool) -> (ClientConfig, Epoch) {
        let now = self.now();
        let mut client = now.client.clone();
        if is_wide {
            client.transport_config(self.wide.clone());
        }
        (client, now.epoch)
    }

    /// The settings for a handshake that a peer began, and that goes on now: those of when it came
    /// may be old by the time it has its turn.
    pub(super) fn server(&self, is_wide: bool) -> (Arc<ServerConfig>, Epoch) {
        let now = self.now();
        let mut server = now.server.clone();
        if is_wide {
            Arc::make_mut(&mut server).transport_config(self.wide.clone());
        }
        (server, now.epoch)
    }

    /// Whether what was begun at that time may still become a connection.
    pub(super) fn lets_in(&self, epoch: Epoch) -> bool {
        epoch >= self.now().floor
    }

    /// Who the other end of a connection is.
    pub(super) fn peer(&self, conn: &Connection) -> Result<Option<ProvenPeer>, Stranger> {
        let credentials = self.now().credentials.clone();
        credentials.peer(conn)
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        self.now().credentials.fingerprints()
    }

    pub(super) fn not_after(&self) -> Option<SystemTime> {
        self.now().credentials.not_after()
    }

    /// From now on, new connections are made with these. `serve` is given the settings for those
    /// that connect to us.
    pub(super) fn replace(
        &self,
        credentials: &Credentials,
        serve: impl FnOnce(ServerConfig),
    ) -> io::Result<()> {
        let mut now = self.now();
        let (client, server) =
            tls::quic_configs(credentials, &self.transport, &now.protocol, &self.tally)?;
        now.server = Arc::new(server.clone());
        serve(server);
        now.credentials = credentials.clone();
        now.client = client;
        now.epoch = now.epoch.saturating_add(1);
        now.replaced = now.epoch;
        Ok(())
    }

    /// From now on, new connections are made with members of this cluster only, and none that was
    /// begun before is let in.
    pub(super) fn enter_cluster(
        &self,
        cluster: &str,
        serve: impl FnOnce(ServerConfig),
    ) -> io::Result<()> {
        let mut now = self.now();
        let protocol = tls::cluster_protocol(cluster);
        let (client, server) =
            tls::quic_configs(&now.credentials, &self.transport, &protocol, &self.tally)?;
        now.server = Arc::new(server.clone());
        serve(server);
        now.client = client;
        now.protocol = protocol;
        now.cut();
        Ok(())
    }

    /// No connection that was begun before the credentials were replaced is let in any more.
    /// Returns since when they are the present ones.
    pub(super) fn cut_old(&self) -> Epoch {
        let mut now = self.now();
        now.floor = now.floor.max(now.replaced);
        now.replaced
    }

    /// No connection that was begun before now is let in any more.
    pub(super) fn cut(&self) {
        self.now().cut();
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

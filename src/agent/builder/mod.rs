//! Putting an agent together.

#[cfg(feature = "dns")]
mod dns;
mod search;
mod settings;

use alloc::{boxed::Box, format, sync::Arc};
use core::fmt;

use self::{search::Search, settings::Settings};
use super::{
    BuildError, Cluster, Driver, Event, Stats,
    admission::{Door, Proof},
    choice::{self, Chosen, CodecChoice, IdentityChoice, TransportChoice, Unset},
    driver::{Agent, Lifeline},
    envelope::Envelope,
    inputs::{COMMANDS_MAX, Inputs},
    inside::Inside,
    latency::Stopwatch,
    leave::Phase,
    messages::Lanes,
    metadata::Known,
    news::News,
    outputs::Outputs,
    queries::Queries,
    remembered::Remembered,
    seeds::Seeds,
    shared::Shared,
    sync::Syncing,
};
use crate::{
    BroadcastHandler, Codec, Config, Engine, Identity, Locate, NoCustomBroadcast, Transport, trace,
};

/// Puts an agent together: a codec and a transport, and, all optional, an identity, settings,
/// seeds and a handler of custom broadcasts.
///
/// What a codec needs of identities it says itself; the ones in [`codecs`](crate::codecs) need
/// `serde`'s traits.
#[must_use = "an agent is there once it is built or spawned"]
pub struct Builder<C = Unset, T = Unset, I = Unset, H = NoCustomBroadcast> {
    codec: C,
    transport: T,
    identity: I,
    broadcasts: H,
    config: Config,
    search: Search,
    rng_seed: Option<u64>,
    settings: Settings,
}

impl Builder {
    /// Nothing chosen yet.
    pub fn new() -> Self {
        Self {
            codec: Unset,
            transport: Unset,
            identity: Unset,
            broadcasts: NoCustomBroadcast,
            config: Config::lan(),
            search: Search::default(),
            rng_seed: None,
            settings: Settings::default(),
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, I, H> Builder<Unset, T, I, H> {
    /// How packets are written. The same for all members.
    pub fn codec<C>(self, codec: C) -> Builder<Chosen<C>, T, I, H> {
        Builder {
            codec: Chosen(codec),
            transport: self.transport,
            identity: self.identity,
            broadcasts: self.broadcasts,
            config: self.config,
            search: self.search,
            rng_seed: self.rng_seed,
            settings: self.settings,
        }
    }
}

impl<C, I, H> Builder<C, Unset, I, H> {
    /// How packets travel. The same for all members.
    pub fn transport<T: Transport>(self, transport: T) -> Builder<C, Chosen<T>, I, H> {
        Builder {
            codec: self.codec,
            transport: Chosen(transport),
            identity: self.identity,
            broadcasts: self.broadcasts,
            config: self.config,
            search: self.search,
            rng_seed: self.rng_seed,
            settings: self.settings,
        }
    }
}

impl<C, T, H> Builder<C, T, Unset, H> {
    /// Who we are. By default a [`Node`](crate::Node) with a name made up for it, `node-` and
    /// eight hexadecimal digits, that lives where the transport receives.
    pub fn identity<I>(self, identity: I) -> Builder<C, T, Chosen<I>, H>
    where
        I: Locate<Addr: Send> + Send + Sync + 'static,
    {
        Builder {
            codec: self.codec,
            transport: self.transport,
            identity: Chosen(identity),
            broadcasts: self.broadcasts,
            config: self.config,
            search: self.search,
            rng_seed: self.rng_seed,
            settings: self.settings,
        }
    }
}

impl<C, T, I> Builder<C, T, I, NoCustomBroadcast> {
    /// What becomes of custom broadcasts. By default there are none.
    pub fn broadcasts<H>(self, handler: H) -> Builder<C, T, I, H> {
        Builder {
            codec: self.codec,
            transport: self.transport,
            identity: self.identity,
            broadcasts: handler,
            config: self.config,
            search: self.search,
            rng_seed: self.rng_seed,
            settings: self.settings,
        }
    }
}

impl<C, T, I, H> Builder<C, T, I, H> {
    /// The settings. By default [`Config::lan`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Makes every choice that is left to chance follow from this number, for tests. By default
    /// nobody can guess it.
    pub fn rng_seed(mut self, seed: u64) -> Self {
        self.rng_seed = Some(seed);
        self
    }

    /// Builds the agent and starts it on smol's global executor, at once. What happens
    /// before [`Cluster::events`] is called shows there in who is introduced. To miss no event, use
    /// [`build`](Self::build).
    ///
    /// # Errors
    ///
    /// [`BuildError`]: what to change.
    pub async fn spawn(self) -> Result<Cluster<I::Identity>, BuildError>
    where
        I: IdentityChoice,
        C: CodecChoice<Codec: Codec<I::Identity> + Send + 'static>,
        T: TransportChoice,
        H: BroadcastHandler<I::Identity, Key: Send> + Send + 'static,
    {
        let (cluster, driver) = self.build().await?;
        smol::spawn(driver).detach();
        Ok(cluster)
    }

    /// Builds the agent: its handle, and the task to run on an executor of one's own. Nothing
    /// happens before that task is polled, so that whoever takes the events first misses none:
    ///
    #[cfg_attr(feature = "postcard", doc = "```")]
    #[cfg_attr(not(feature = "postcard"), doc = "```ignore")]
    /// use futures::StreamExt;
    /// use selkie::{Builder, Name, Node, Transport, agent::Event};
    /// use selkie::{codecs::PostcardCodec, transports::MemoryNetwork};
    ///
    /// # smol::block_on(async {
    /// let network = MemoryNetwork::new();
    /// # let addr = "10.0.0.1:7946".parse()?;
    /// # let node = Node::now(Name::new("first")?, addr, None);
    /// # let first = Builder::new().codec(PostcardCodec).transport(network.bind(addr)?);
    /// # let first = first.identity(node.clone()).spawn().await?;
    /// let (cluster, driver) = Builder::new()
    ///     .codec(PostcardCodec)
    ///     .transport(network.bind("10.0.0.2:7946".parse()?)?)
    ///     .seeds(["10.0.0.1:7946"])
    ///     .build()
    ///     .await?;
    /// let mut events = cluster.events();
    /// smol::spawn(driver).detach();
    /// assert_eq!(events.next().await, Some(Event::Joined(node)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`]: what to change.
    pub async fn build(self) -> Result<(Cluster<I::Identity>, Driver), BuildError>
    where
        I: IdentityChoice,
        C: CodecChoice<Codec: Codec<I::Identity> + Send + 'static>,
        T: TransportChoice,
        H: BroadcastHandler<I::Identity, Key: Send> + Send + 'static,
    {
        self.config.validate()?;
        let search = self.search;
        let seeds = search.seeds?;
        let cluster = self.settings.cluster.map_err(BuildError::Cluster)?;
        let transport = Arc::new(self.transport.into_transport());
        let local = transport.local_addr();
        let rng_seed = self.rng_seed.unwrap_or_else(choice::random);
        let mut codec = self.codec.into_codec();

        let past = search
            .snapshot
            .recall(cluster.as_str(), rng_seed, &mut codec)
            .await;
        let identity = self.identity.into_identity(local, past.own.as_ref())?;
        let identity = named(past.outdo(identity))?;

        let mut config = self.config;
        let proof = Proof::new(self.settings.prove_joiners, &*transport);
        proof.settle(&mut config);
        let is_bare = config.foca_wire;
        let limits = self.settings.limits;
        let datagram_max = config.max_packet_size;
        let asked = Box::new(Arc::downgrade(&transport));
        let shared = Shared::new(identity.clone(), config.clone(), &limits, local, asked);
        let mut engine = Engine::with_broadcasts(
            identity.clone(),
            config,
            rng_seed,
            codec,
            Inside::new(self.broadcasts, shared.clone()),
        )
        .map_err(BuildError::from_engine)?;
        let remembered = Remembered::new(past.others);
        let (mut news, mut stats) = (News::default(), Stats::default());
        let saver = search
            .snapshot
            .begin(cluster.as_str(), &identity, &remembered, engine.codec_mut())
            .await;
        let (saver, unsaved) =
            saver.map_or((None, None), |(saver, trouble)| (Some(saver), trouble));
        for reason in past.trouble.into_iter().chain(unsaved) {
            stats.snapshots_failed += 1;
            news.events.push(Event::SnapshotFailed { reason });
        }

        let is_marked = !transport.enter_cluster(cluster.as_str());
        let envelope = Envelope::new(&cluster, is_marked, is_bare);
        let door = Door::new(self.settings.senders, self.settings.admission, &shared);
        let (sender, receiver) = smol::channel::bounded(COMMANDS_MAX);
        let seeds = Seeds::new(seeds, search.resolver, search.period, rng_seed);
        let mut agent = Agent {
            engine,
            inputs: Inputs::new(transport.clone(), receiver, seeds, saver, &limits),
            outputs: Outputs::new(transport.clone(), envelope, door, datagram_max, &limits),
            transport,
            lifeline: Lifeline(shared.clone()),
            news,
            stats,
            stopwatch: Stopwatch::default(),
            phase: Phase::Running,
            remembered,
            proof,
            sync: Syncing::new(self.settings.sync_period, &limits, rng_seed),
            metadata: Known::new(&limits),
            lanes: Lanes::new(shared.mailbox.clone(), &limits),
            queries: Queries::new(),
        };
        agent.begin_metadata(self.settings.metadata)?;
        // Boxed: a future holds what it is called with twice.
        let run = Box::new(agent).run();
        let driver = Driver::new(trace::within_node(&identity, run));
        Ok((Cluster::new(shared, sender), driver))
    }
}

fn named<I: Identity>(identity: I) -> Result<I, BuildError> {
    if identity.names_member() {
        return Ok(identity);
    }
    let identity = format!("{identity:?}");
    Err(BuildError::Nameless { identity })
}

impl<C, T, I, H> fmt::Debug for Builder<C, T, I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("search", &self.search)
            .finish_non_exhaustive()
    }
}

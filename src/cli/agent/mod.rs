//! `selkie agent`: a real member.

mod bulletin;
mod desk;
mod papers;
mod pins;
mod place;
mod reload;
mod seal;
mod signals;
mod trust;

use std::io::{self, stderr};

use futures::{
    StreamExt,
    future::{Either, select},
    stream::select_all,
};
use selkie::{
    Builder, Cluster, Codec, Node, Transport,
    admin::{Chronicle, Happening},
    agent::{Event, Seed, UserMessage},
    codecs::{BincodeCodec, MsgpackCodec, PostcardCodec},
    metrics::Metrics,
    transports::{
        PlainUdp,
        quic::{CredentialFiles, Credentials, CredentialsError, Quic},
    },
};
use serde::Serialize;
use smol::channel::Receiver;
use tracing_subscriber::EnvFilter;

use self::{
    bulletin::Bulletins,
    desk::Desk,
    papers::Papers,
    pins::Pins,
    reload::reload,
    signals::{Asked, Stop},
};
use crate::{
    args::{AgentArgs, CodecKind, TransportKind},
    failure::Failure,
    print,
    text::{now, printable},
};

/// Runs the command.
pub(crate) fn run(args: AgentArgs) -> Result<(), Failure> {
    if let Some(filter) = &args.log {
        log(filter)?;
    }
    place::check(&args)?;
    if args.pins.is_some() && args.transport != TransportKind::Quic {
        let why = "only over QUIC members prove themselves by keys of their own";
        let failure = Failure::new("cannot use --pins with UDP", why);
        return Err(failure.hint("leave --transport udp out, or --pins"));
    }
    if args.seal_key.is_some() && args.transport == TransportKind::Quic {
        let why = "QUIC seals by itself, with certificates";
        let failure = Failure::new("cannot use --seal-key with QUIC", why);
        return Err(failure.hint("give --transport udp, or leave --seal-key out"));
    }
    if args.check {
        return check(&args);
    }
    smol::block_on(async {
        let stop = Stop::new()?;
        match args.transport {
            TransportKind::Quic => {
                if let Some((pins, credentials)) = Pins::read(&args)? {
                    return pinned(args, pins, &credentials, stop).await;
                }
                let mut files = credential_files(&args)?;
                // If it cannot be done, what is there may do.
                if let Err(failure) = papers::finish_installing(&paths(&args)) {
                    print::error(failure);
                }
                let credentials = files.read().map_err(|error| credentials_failed(&error))?;
                let quic = Quic::bind(args.bind, &credentials)
                    .map_err(|error| place::bind_failed(&error))?;
                let papers = Papers::certificates(&quic, &files, paths(&args));
                smol::spawn(trust::watch(quic.clone(), trust::CERTIFICATES)).detach();
                smol::spawn(quic.follow(files)).detach();
                speak(args, quic, papers, stop).await
            }
            TransportKind::Udp => match &args.seal_key {
                Some(file) => {
                    let (udp, papers) = seal::bind(&args, file)?;
                    speak(args, udp, papers, stop).await
                }
                None => {
                    let udp = PlainUdp::bind(args.bind);
                    let udp = udp.map_err(|error| place::bind_failed(&error))?;
                    speak(args, udp, Papers::none(), stop).await
                }
            },
        }
    })
}

/// A member that is known by its key.
async fn pinned(
    args: AgentArgs,
    pins: Pins,
    credentials: &Credentials,
    stop: Stop,
) -> Result<(), Failure> {
    let quic = Quic::bind(args.bind, credentials).map_err(|error| place::bind_failed(&error))?;
    let identity = place::identity(&args, quic.local_addr())?;
    pins.check_ourselves(identity.name().as_str(), credentials);
    let papers = Papers::pins(&quic, &pins);
    smol::spawn(trust::watch(quic.clone(), trust::PINS)).detach();
    smol::spawn(pins.follow(quic.clone())).detach();
    speak(args, quic, papers, stop).await
}

/// Reads what the settings name, and binds nothing.
fn check(args: &AgentArgs) -> Result<(), Failure> {
    if args.transport == TransportKind::Quic && args.pins.is_some() {
        Pins::read(args)?;
    } else if args.transport == TransportKind::Quic {
        let credentials = credential_files(args)?.read();
        if let Err(error) = credentials
            && !papers::will_be_of_use(&paths(args))
        {
            return Err(credentials_failed(&error));
        }
    } else if let Some(file) = &args.seal_key {
        seal::read(file)?;
    }
    let identity = place::identity(args, args.bind)?;
    let said = Happening {
        detail: Some("the settings are good".to_owned()),
        ..Happening::about("checked", &identity)
    };
    let printer = Printer { json: args.json };
    printer.print(&said).map_err(|error| print::failed(&error))
}

async fn speak(
    args: AgentArgs,
    transport: impl Transport,
    papers: Papers,
    stop: Stop,
) -> Result<(), Failure> {
    match args.codec {
        CodecKind::Postcard => live(args, PostcardCodec, transport, papers, stop).await,
        CodecKind::Bincode => live(args, BincodeCodec::standard(), transport, papers, stop).await,
        CodecKind::Msgpack => live(args, MsgpackCodec, transport, papers, stop).await,
    }
}

async fn live<C, T>(
    args: AgentArgs,
    codec: C,
    transport: T,
    papers: Papers,
    stop: Stop,
) -> Result<(), Failure>
where
    C: Codec<Node> + Send + 'static,
    T: Transport,
{
    let identity = place::identity(&args, transport.local_addr())?;
    let (bulletins, heard) = Bulletins::new();
    let mut builder = Builder::new()
        .codec(codec)
        .transport(transport)
        .identity(identity)
        .broadcasts(bulletins)
        .cluster(args.cluster.as_str())
        .config(args.preset.config())
        .seeds(args.join.iter().cloned());
    if let Some(file) = &args.snapshot {
        builder = builder.snapshot(file);
    }
    if let Some(metadata) = &args.metadata {
        builder = builder.metadata(metadata.as_bytes());
    }
    let cluster = builder
        .spawn()
        .await
        .map_err(|error| Failure::caused("cannot start the member", &error))?;
    let mut metrics = Metrics::new(cluster.clone());
    if let Some(expiry) = papers.expiry {
        metrics = metrics.certificate_expiry(expiry);
    }
    let desk = match Desk::open(&args, &cluster, metrics, papers.change) {
        Ok(desk) => desk,
        Err(failure) => {
            // Nobody took notice of it yet, or they are told.
            let _ = cluster.leave().await;
            return Err(failure);
        }
    };
    let site = Site {
        printer: Printer { json: args.json },
        args,
        cluster,
        heard,
    };
    let ended = tell(site, stop).await;
    desk.close().await;
    ended
}

/// A running member, and what comes of it.
struct Site {
    args: AgentArgs,
    cluster: Cluster<Node>,
    heard: Receiver<Vec<u8>>,
    printer: Printer,
}

/// Prints what happens, until there is a reason to end; then leaves.
async fn tell(mut site: Site, mut stop: Stop) -> Result<(), Failure> {
    let followed = follow(&mut site, &mut stop).await;
    let (cluster, printer) = (&site.cluster, site.printer);
    match followed {
        Ok(End::Asked(signal)) => {
            // Whoever asked may have asked our reader, too.
            let _ = printer.print(&Happening::of(
                "leaving",
                format!("{signal}: telling the others"),
            ));
            let acked = leave(cluster, stop).await;
            let _ = printer.print(&stopped(acked));
            Ok(())
        }
        Ok(End::Defunct) => {
            leave(cluster, stop).await;
            let why = "declared down, and cannot come back under this identity";
            Err(Failure::new("the member gave up", why)
                .hint("start it again; if its --name is taken, under another one"))
        }
        Ok(End::Stopped) => {
            // Somebody asked for it, by the admin channel.
            if let Ok(departure) = cluster.leave().await {
                let _ = printer.print(&stopped(departure.acked));
                return Ok(());
            }
            let why = "its transport was closed";
            Err(Failure::new("the member stopped", why))
        }
        Err(error) => {
            leave(cluster, stop).await;
            Err(print::failed(&error).hint("nobody reads what happens, so it left the cluster"))
        }
    }
}

fn stopped(acked: usize) -> Happening {
    let detail = match acked {
        0 => "nobody had to be told, or nobody answered".to_owned(),
        1 => "1 member knows".to_owned(),
        acked => format!("{acked} members know"),
    };
    Happening::of("stopped", detail)
}

/// Why a member ends.
enum End {
    Asked(Asked),
    Defunct,
    Stopped,
}

/// What a member tells of.
enum Input {
    Event(Event<Node>),
    Message(UserMessage<Node>),
    Broadcast(Vec<u8>),
}

/// Prints what happens, until there is a reason to end. The error is that of printing.
async fn follow(site: &mut Site, stop: &mut Stop) -> io::Result<End> {
    let cluster = site.cluster.clone();
    let printer = site.printer;
    let events = cluster.events().map(Input::Event).boxed();
    let messages = cluster.messages().map(Input::Message).boxed();
    let broadcasts = site.heard.clone().map(Input::Broadcast).boxed();
    let mut inputs = select_all([events, messages, broadcasts]);
    let mut chronicle = Chronicle::default();
    let mut unresolved = Vec::new();
    printer.print(&started(&site.args, &cluster.identity()))?;
    loop {
        let input = async { Either::Left(inputs.next().await) };
        let asked = async { Either::Right(stop.asked().await) };
        let next = smol::future::or(input, asked).await;
        match next {
            Either::Left(Some(Input::Event(Event::Stopped)) | None) => return Ok(End::Stopped),
            Either::Left(Some(Input::Event(event))) => {
                warn(&event, &mut unresolved);
                printer.print(&chronicle.take(&event))?;
                if event == Event::Defunct {
                    return Ok(End::Defunct);
                }
            }
            Either::Left(Some(Input::Message(message))) => printer.print(&Happening {
                detail: Some(String::from_utf8_lossy(&message.bytes).into_owned()),
                ..Happening::about("message", &message.from)
            })?,
            Either::Left(Some(Input::Broadcast(bytes))) => {
                let text = String::from_utf8_lossy(&bytes);
                printer.print(&Happening::of("broadcast", text))?;
            }
            Either::Right(Asked::Hup) => match reload(&mut site.args, &cluster, stop).await {
                Ok(Ok(happening)) => printer.print(&happening)?,
                Ok(Err(failure)) => print::error(failure.hint("all is as it was before")),
                Err(signal) => return Ok(End::Asked(signal)),
            },
            Either::Right(signal) => return Ok(End::Asked(signal)),
        }
    }
}

/// Leaves, and says how many members know; a signal ends the process.
async fn leave(cluster: &Cluster<Node>, stop: Stop) -> usize {
    let left = core::pin::pin!(cluster.leave());
    let again = core::pin::pin!(stop.or_exit());
    let Either::Left((departure, _)) = select(left, again).await;
    departure.map_or(0, |departure| departure.acked)
}

fn started(args: &AgentArgs, identity: &Node) -> Happening {
    let transport = args.transport_name();
    let unnamed = match args.name {
        Some(_) => "",
        None => "; named after the host and port, for want of a --name",
    };
    let seeds: Vec<_> = args.join.iter().map(Seed::to_string).collect();
    let joining = match seeds.as_slice() {
        [] => "waiting to be joined at".to_owned(),
        seeds => format!("joining at {}", seeds.join(", ")),
    };
    Happening {
        detail: Some(format!("{transport}; {joining}{unnamed}")),
        ..Happening::about("started", identity)
    }
}

/// What needs somebody's attention also goes where errors go; a seed that cannot be resolved, once.
fn warn(event: &Event<Node>, unresolved: &mut Vec<Seed>) {
    let failure = match event {
        Event::SeedUnresolved { seed, .. } if unresolved.contains(seed) => return,
        Event::SeedUnresolved { seed, reason } => {
            unresolved.push(seed.clone());
            Failure::new(format!("cannot resolve seed {seed}"), reason)
                .hint("it will be tried again; is the name right?")
        }
        Event::AddrConflict { ours, theirs } => Failure::new(
            format!("the name {} is taken", ours.name()),
            format!("{theirs} uses it, too"),
        )
        .hint("give each member a --name of its own"),
        Event::TransportFailed { reason } => {
            Failure::new("cannot receive", reason).hint("it will be tried again")
        }
        _ => return,
    };
    print::error(failure);
}

/// One line per event, with the time.
#[derive(Clone, Copy, Debug)]
struct Printer {
    json: bool,
}

#[derive(Serialize)]
struct Stamped<'a> {
    time: &'a str,
    #[serde(flatten)]
    happening: &'a Happening,
}

impl Printer {
    fn print(self, happening: &Happening) -> io::Result<()> {
        let time = now();
        if self.json {
            let time = &time;
            print::json(&Stamped { time, happening })
        } else {
            let text = printable(&happening.to_string());
            print::line(format_args!("{time}  {text}"))
        }
    }
}

/// What [`credential_files`] is made of.
fn paths(args: &AgentArgs) -> papers::Paths {
    [&args.ca, &args.cert, &args.key].map(|path| path.clone().unwrap_or_default())
}

fn credential_files(args: &AgentArgs) -> Result<CredentialFiles, Failure> {
    let (Some(ca), Some(cert), Some(key)) = (&args.ca, &args.cert, &args.key) else {
        let given = [
            ("--ca", &args.ca),
            ("--cert", &args.cert),
            ("--key", &args.key),
        ];
        let missing: Vec<_> = given
            .iter()
            .filter_map(|(option, file)| file.is_none().then_some(*option))
            .collect();
        let what = format!("cannot use QUIC without {}", missing.join(", "));
        return Err(
            Failure::new(what, "members prove themselves by certificates").hint(
                "make them: selkie certs init && selkie certs issue NAME\n\
             then give --ca certs/ca.pem --cert certs/NAME.pem --key certs/NAME-key.pem\n\
             or, without an authority: selkie certs key NAME, then --pins FILE --key certs/NAME-key.pem\n\
             or share one key: selkie keys generate, then --transport udp --seal-key selkie.key\n\
             or, where everybody on the network is trusted: --transport udp",
            ),
        );
    };
    Ok(CredentialFiles::new(ca, cert, key))
}

fn credentials_failed(error: &CredentialsError) -> Failure {
    let hint = match error {
        CredentialsError::Unreadable { .. } => "is the path right, and the file readable by us?",
        CredentialsError::NoCertificate { .. }
        | CredentialsError::NoPrivateKey { .. }
        | CredentialsError::BrokenPem { .. } => {
            "PEM files are wanted, as `selkie certs` makes them"
        }
        CredentialsError::KeyMismatch { .. } => "--cert and --key must come from one issue",
        CredentialsError::Expired { .. } => {
            "get a new one, from `selkie certs issue NAME --force` if the old one came from there"
        }
        CredentialsError::NotValidYet { .. } => "is this machine's clock right?",
        CredentialsError::OtherAuthority { .. } => {
            "--ca must be the authority that signed --cert, and the same for all members"
        }
        _ => "certificates as `selkie certs` makes them will do",
    };
    Failure::caused("cannot use the certificates", error).hint(hint)
}

fn log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::caused(format!("cannot log {filter:?}"), &error)
            .hint("a filter is a level, or target=level: debug, selkie=trace")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // It would print them to stderr, and panic if that is what failed.
        .log_internal_errors(false)
        .init();
    Ok(())
}

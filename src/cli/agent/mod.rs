//! `selkie agent`: a real member.

mod place;
mod seal;
mod signals;
mod trust;

use std::io::{self, stderr};

use futures::future::{Either, select};
use selkie::{
    Builder, Cluster, Codec, Node, Transport,
    agent::{Event, Seed},
    codecs::{BincodeCodec, MsgpackCodec, PostcardCodec},
    transports::{
        PlainUdp,
        quic::{CredentialFiles, CredentialsError, Quic},
    },
};
use serde::Serialize;
use smol::stream::StreamExt;
use tracing_subscriber::EnvFilter;

use self::signals::{Asked, Stop};
use crate::{
    args::{AgentArgs, CodecKind, TransportKind},
    failure::Failure,
    happening::{Chronicle, Happening},
    print,
    text::now,
};

/// Runs the command.
pub(crate) fn run(args: AgentArgs) -> Result<(), Failure> {
    if let Some(filter) = &args.log {
        log(filter)?;
    }
    place::check(&args)?;
    if args.seal_key.is_some() && args.transport == TransportKind::Quic {
        let why = "QUIC seals by itself, with certificates";
        let failure = Failure::new("cannot use --seal-key with QUIC", why);
        return Err(failure.hint("give --transport udp, or leave --seal-key out"));
    }
    smol::block_on(async {
        let stop = Stop::new()?;
        match args.transport {
            TransportKind::Quic => {
                let mut files = credential_files(&args)?;
                let credentials = files.read().map_err(|error| credentials_failed(&error))?;
                let quic = Quic::bind(args.bind, &credentials)
                    .map_err(|error| place::bind_failed(&error))?;
                smol::spawn(trust::watch(quic.clone())).detach();
                smol::spawn(quic.follow(files)).detach();
                speak(args, quic, stop).await
            }
            TransportKind::Udp => match &args.seal_key {
                Some(file) => {
                    let udp = seal::bind(&args, file)?;
                    speak(args, udp, stop).await
                }
                None => {
                    let udp = PlainUdp::bind(args.bind);
                    let udp = udp.map_err(|error| place::bind_failed(&error))?;
                    speak(args, udp, stop).await
                }
            },
        }
    })
}

async fn speak(args: AgentArgs, transport: impl Transport, stop: Stop) -> Result<(), Failure> {
    match args.codec {
        CodecKind::Postcard => live(args, PostcardCodec, transport, stop).await,
        CodecKind::Bincode => live(args, BincodeCodec::standard(), transport, stop).await,
        CodecKind::Msgpack => live(args, MsgpackCodec, transport, stop).await,
    }
}

async fn live<C, T>(args: AgentArgs, codec: C, transport: T, stop: Stop) -> Result<(), Failure>
where
    C: Codec<Node> + Send + 'static,
    T: Transport,
{
    let identity = place::identity(&args, transport.local_addr())?;
    let cluster = Builder::new()
        .codec(codec)
        .transport(transport)
        .identity(identity)
        .config(args.preset.config())
        .seeds(args.join.iter().cloned())
        .spawn()
        .await
        .map_err(|error| Failure::caused("cannot start the member", &error))?;
    let printer = Printer { json: args.json };
    tell(&args, &cluster, printer, stop).await
}

/// Prints what happens, until there is a reason to end; then leaves.
async fn tell(
    args: &AgentArgs,
    cluster: &Cluster<Node>,
    printer: Printer,
    mut stop: Stop,
) -> Result<(), Failure> {
    match follow(args, cluster, printer, &mut stop).await {
        Ok(End::Asked(signal)) => {
            // Whoever asked may have asked our reader, too.
            let _ = printer.print(&Happening::of(
                "leaving",
                format!("{signal}: telling the others"),
            ));
            let detail = match leave(cluster, stop).await {
                0 => "nobody had to be told, or nobody answered".to_owned(),
                1 => "1 member knows".to_owned(),
                acked => format!("{acked} members know"),
            };
            let _ = printer.print(&Happening::of("stopped", detail));
            Ok(())
        }
        Ok(End::Defunct) => {
            leave(cluster, stop).await;
            let why = "declared down, and cannot come back under this identity";
            Err(Failure::new("the member gave up", why)
                .hint("start it again; if its --name is taken, under another one"))
        }
        Ok(End::Stopped) => {
            let why = "its transport was closed";
            Err(Failure::new("the member stopped", why))
        }
        Err(error) => {
            leave(cluster, stop).await;
            Err(print::failed(&error).hint("nobody reads what happens, so it left the cluster"))
        }
    }
}

/// Why a member ends.
enum End {
    Asked(Asked),
    Defunct,
    Stopped,
}

/// Prints what happens, until there is a reason to end. The error is that of printing.
async fn follow(
    args: &AgentArgs,
    cluster: &Cluster<Node>,
    printer: Printer,
    stop: &mut Stop,
) -> io::Result<End> {
    let mut events = cluster.events();
    let mut chronicle = Chronicle::default();
    let mut unresolved = Vec::new();
    printer.print(&started(args, &cluster.identity()))?;
    loop {
        let asked = core::pin::pin!(stop.asked());
        match select(events.next(), asked).await {
            Either::Left((Some(Event::Stopped) | None, _)) => return Ok(End::Stopped),
            Either::Left((Some(event), _)) => {
                warn(&event, &mut unresolved);
                printer.print(&chronicle.take(&event))?;
                if event == Event::Defunct {
                    return Ok(End::Defunct);
                }
            }
            Either::Right((signal, _)) => return Ok(End::Asked(signal)),
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
    let transport = match args.seal_key {
        Some(_) => "sealed UDP",
        None => args.transport.name(),
    };
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
            print::line(format_args!("{time}  {happening}"))
        }
    }
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

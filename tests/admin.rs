//! What an agent tells and does for its operator: over real sockets.
#![cfg(all(feature = "admin", feature = "postcard", feature = "udp", unix))]

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt, io::BufReader};
use prometheus_parse::{Scrape, Value as Figure};
use selkie::{
    Builder, Cluster, Config, Name, Node, Transport,
    admin::{Admin, Listener},
    codecs::PostcardCodec,
    metrics::Metrics,
    transports::PlainUdp,
};
use serde_json::Value;
use smol::{
    Timer,
    channel::{Sender, bounded},
    net::{TcpStream, unix::UnixStream},
};

#[test]
fn the_socket_is_its_owners_and_answers_what_the_library_does() {
    smol::block_on(async {
        let site = Site::new().await;
        let mode = std::fs::metadata(site.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);

        let members = site.ask("GET", "/v1/members", "").await.json();
        let names: Vec<_> = members.as_array().unwrap().iter().collect();
        assert_eq!(names[0]["name"], "a");
        assert_eq!(names[0]["is_ourselves"], true);
        assert_eq!(names[1]["name"], "b");
        assert_eq!(names[1]["state"], "alive");
        let direct = serde_json::to_value(site.admin.members()).unwrap();
        assert_eq!(members, direct);

        let info = site.ask("GET", "/v1/info", "").await.json();
        assert_eq!(info["name"], "a");
        assert_eq!(info["members"]["alive"], 1);
        assert_eq!(info["facts"]["cluster"], "selkie");
        let stats = site.ask("GET", "/v1/stats", "").await.json();
        assert!(stats["datagrams_in"].as_u64().unwrap() > 0);
        assert!(stats["transport_streams_in"].is_u64(), "{stats}");
        let metrics = site.ask("GET", "/metrics", "").await;
        assert!(
            metrics
                .body
                .contains("selkie_node_instances{state=\"alive\"} 1")
        );
    });
}

#[test]
fn how_long_probes_take_is_told_as_prometheus_reads_it() {
    smol::block_on(async {
        let site = Site::new().await;
        while site.a.stats().probe_latency.count() == 0 {
            Timer::after(Duration::from_millis(5)).await;
        }
        let text = site.ask("GET", "/metrics", "").await.body;
        let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let named = |name: &str| scrape.samples.iter().find(|it| it.metric == name).cloned();
        let histogram = named("selkie_probe_latency_seconds").unwrap().value;
        let Figure::Histogram(buckets) = histogram else {
            panic!("{histogram:?}");
        };
        assert!(buckets.is_sorted_by(|a, b| a.less_than < b.less_than && a.count <= b.count));
        let Figure::Untyped(count) = named("selkie_probe_latency_seconds_count").unwrap().value
        else {
            panic!("{text}");
        };
        assert!(count >= 1.0);
        assert_eq!(buckets.last().unwrap().less_than, f64::INFINITY);
        assert_eq!(buckets.last().unwrap().count, count);
        assert!(
            text.contains("\nselkie_transport_open_connections "),
            "{text}"
        );
    });
}

#[test]
fn changes_are_made_over_the_socket() {
    smol::block_on(async {
        let site = Site::new().await;
        let set = site.ask("POST", "/v1/metadata", "rack 7").await;
        assert_eq!(set.status, 200, "{}", set.body);
        assert_eq!(site.a.metadata().unwrap().bytes(), b"rack 7");

        let mut messages = site.b.messages();
        let sent = site.ask("POST", "/v1/send/b", "hello").await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        assert_eq!(messages.next().await.unwrap().bytes, b"hello");

        let down = site.ask("POST", "/v1/down/b", "").await.json();
        assert_eq!(down["was_active"], true);
        let why = site.ask("GET", "/v1/why/b", "").await.json();
        assert_eq!(why[0]["outcome"], "down", "{why}");
        assert_eq!(why[0]["by"], Value::Null);
        // It lives, and says so.
        site.a.wait_for(1, DEADLINE).await.unwrap();

        let left = site.ask("POST", "/v1/leave", "").await.json();
        assert_eq!(left["acked"], 1);
        let refused = site.ask("POST", "/v1/metadata", "too late").await;
        assert_eq!(refused.status, 503, "{}", refused.body);
    });
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    smol::block_on(async {
        let site = Site::new().await;
        for (method, path, status) in [
            ("GET", "/v1/why/nobody", 404),
            ("POST", "/v1/down/nobody", 404),
            ("POST", "/v1/send/nobody", 404),
            ("POST", "/v1/join", 400),
            ("POST", "/v1/broadcast", 409),
            ("GET", "/v1/leave", 405),
            ("POST", "/v1/members", 405),
            ("GET", "/v2", 404),
        ] {
            let answer = site.ask(method, path, "x").await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            assert!(
                answer.json()["error"]
                    .as_str()
                    .is_some_and(|it| !it.is_empty())
            );
        }
    });
}

#[test]
fn nonsense_is_refused_and_the_next_one_answered() {
    smol::block_on(async {
        let site = Site::new().await;
        for nonsense in [
            "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
            "GET\r\n\r\n".to_owned(),
            format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(64 << 10)),
            format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(64 << 10)),
        ] {
            let mut stream = UnixStream::connect(site.path()).await.expect("connected");
            // It may be closed before all of it was sent.
            let _ = stream.write_all(nonsense.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{nonsense:?}");
        }
        assert_eq!(site.ask("GET", "/v1/info", "").await.status, 200);
    });
}

#[test]
fn loopback_is_read_only_and_no_page_reads_along() {
    smol::block_on(async {
        let site = Site::new().await;
        let listener = Listener::http(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = listener.http_addr().unwrap();
        let (_open, closed) = bounded::<()>(1);
        let serving = site.admin.clone().serve(listener, async move {
            let _ = closed.recv().await;
        });
        smol::spawn(serving).detach();

        let host = format!("host: {addr}\r\n");
        let cases = [
            ("GET /v1/members", host.clone(), 200),
            ("GET /metrics", host.clone(), 200),
            ("GET /metrics", "host: evil.example\r\n".to_owned(), 403),
            (
                "GET /metrics",
                format!("{host}origin: http://evil.example\r\n"),
                403,
            ),
            ("POST /v1/leave", host.clone(), 403),
            (
                "POST /v1/metadata",
                format!("{host}origin: http://{addr}\r\n"),
                403,
            ),
        ];
        for (line, headers, status) in cases {
            let stream = TcpStream::connect(addr).await.unwrap();
            let answer = ask(stream, line, &headers, "").await.unwrap();
            assert_eq!(answer.status, status, "{line} {headers}: {}", answer.body);
        }
        assert!(site.a.metadata().is_none());
        let elsewhere = Listener::http(SocketAddr::from(([0, 0, 0, 0], 0)));
        assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn events_are_streamed_until_the_agent_stops() {
    smol::block_on(async {
        let site = Site::new().await;
        let mut stream = UnixStream::connect(site.path()).await.unwrap();
        stream
            .write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut seen = Vec::new();
        site.b.leave().await.unwrap();
        while let Some(Ok(line)) = lines.next().await {
            if let Ok(event) = serde_json::from_str::<Value>(&line)
                && event.is_object()
            {
                let event = event["event"].as_str().unwrap().to_owned();
                let has_ended = event == "stopped";
                if event == "left" {
                    site.a.leave().await.unwrap();
                }
                seen.push(event);
                if has_ended {
                    break;
                }
            }
        }
        assert_eq!(seen, ["joined", "connected", "left", "alone", "stopped"]);
    });
}

#[test]
fn a_socket_is_taken_over_from_the_dead_and_not_from_the_living() {
    smol::block_on(async {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.sock");
        let first = Listener::unix(&path).unwrap();
        assert_eq!(
            Listener::unix(&path).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        drop(first);
        assert!(!path.exists());

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _second = Listener::unix(&path).unwrap();

        let file = dir.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(
            Listener::unix(&file).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(
            Listener::unix(&link).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        let locked = dir.path().join("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 4, "something was left behind: {names:?}");
    });
}

/// Two members, the first of which can be asked.
struct Site {
    a: Cluster<Node>,
    b: Cluster<Node>,
    admin: Admin,
    dir: tempfile::TempDir,
    _open: Sender<()>,
}

impl Site {
    async fn new() -> Self {
        let a = member("a").await;
        let b = member("b").await;
        let admin = Admin::with_facts(
            Metrics::new(a.clone()),
            [("cluster".to_owned(), "selkie".to_owned())],
        );
        b.announce(a.local_addr()).await.expect("done");
        a.wait_for(1, DEADLINE).await.expect("done");
        b.wait_for(1, DEADLINE).await.expect("done");
        let dir = tempfile::tempdir().expect("a directory");
        let listener = Listener::unix(dir.path().join("a.sock")).expect("done");
        let (open, closed) = bounded::<()>(1);
        let serving = admin.clone().serve(listener, async move {
            let _ = closed.recv().await;
        });
        smol::spawn(serving).detach();
        Self {
            a,
            b,
            admin,
            dir,
            _open: open,
        }
    }

    fn path(&self) -> impl AsRef<Path> + use<> {
        self.dir.path().join("a.sock")
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(self.path()).await.expect("done");
        let line = format!("{method} {path}");
        ask(stream, &line, "host: selkie\r\n", body)
            .await
            .expect("done")
    }
}

struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn ask(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    line: &str,
    headers: &str,
    body: &str,
) -> io::Result<Answer> {
    let len = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {len}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header");
    let status = head.split(' ').nth(1).expect("a status");
    Ok(Answer {
        status: status.parse().expect("a number"),
        body: body.to_owned(),
    })
}

async fn member(name: &str) -> Cluster<Node> {
    let udp = PlainUdp::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let identity = Node::now(Name::new(name).expect("a name"), udp.local_addr(), None);
    let builder = Builder::new().codec(PostcardCodec).transport(udp);
    let builder = builder.identity(identity).config(Config::local());
    builder.spawn().await.expect("an agent")
}

const DEADLINE: Duration = Duration::from_secs(60);

//! What an agent tells and does for its operator: over real sockets.
#![cfg(all(feature = "admin", feature = "postcard", feature = "udp", unix))]

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    time::Instant,
};

use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt, io::BufReader};
use prometheus_parse::{Scrape, Value as Figure};
use selkie::{
    Builder, Cluster, Config, Name, Node, Transport,
    admin::{Admin, CredentialChange, Listener},
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
        let deadline = Instant::now() + DEADLINE;
        while site.a.stats().probe_latency.count() == 0 {
            assert!(Instant::now() < deadline, "nobody was probed");
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
fn others_are_asked_through_it_and_changes_go_to_whoever_makes_them() {
    smol::block_on(async {
        let site = Site::new().await;
        let post = async |path: &str, body: &str| site.ask("POST", path, body).await;
        let distance = post("/v1/rtt/b", "").await.json();
        assert_eq!(
            (&distance["from"], &distance["to"]),
            (&"a".into(), &"b".into())
        );
        let distances = post("/v1/rtt", "").await.json();
        assert!(distances[0]["min_ns"].as_u64().is_some_and(|min| min > 0));
        site.b.wait_for(1, DEADLINE).await.unwrap();
        let reach = post("/v1/reach", "").await.json();
        assert_eq!(reach["members"][0]["name"], "a", "{reach}");
        let credentials = post("/v1/credentials", "").await.json();
        assert_eq!(credentials[1]["name"], "b");
        assert_eq!(credentials[1]["keys"], serde_json::json!([]));

        // Nobody makes changes; then somebody does, who is the only one.
        assert_eq!(post("/v1/keys/add", "key").await.status, 409);
        let (made, changes) = bounded(8);
        let change = move |change: &CredentialChange| match change {
            CredentialChange::Reload => Err("no files".to_owned()),
            change => made.try_send(change.clone()).map_err(|it| it.to_string()),
        };
        assert!(site.admin.on_change(change));
        assert!(!site.admin.on_change(|_| Ok(())));
        let unready = post("/v1/keys/use/01020304", "").await;
        assert_eq!(unready.status, 412, "{}", unready.body);
        assert!(unready.body.contains("b does not have the key"));
        for (path, body) in [
            ("/v1/keys/add", "secret\n"),
            ("/v1/keys/use/01020304?force", ""),
            // b does not seal with it.
            ("/v1/keys/remove/01020304", ""),
        ] {
            let answer = post(path, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        let id = || "01020304".to_owned();
        for expected in [
            CredentialChange::AddKey("secret".to_owned()),
            CredentialChange::UseKey(id()),
            CredentialChange::RemoveKey(id()),
        ] {
            let change = changes.recv().await.unwrap();
            assert_eq!(change, expected);
            assert!(!format!("{change:?}").contains("secret"));
        }
        let reload = post("/v1/certs/reload", "").await;
        assert_eq!(
            (reload.status, &reload.json()["error"]),
            (409, &"no files".into())
        );
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
            ("GET", "/v1/rtt", 405),
            ("GET", "/v1/rtt/a/b", 405),
            ("GET", "/v1/reach", 405),
            ("GET", "/v1/keys/add", 405),
            ("POST", "/v1/rtt/nobody", 404),
            ("POST", "/v1/rtt/b/b", 400),
            ("POST", "/v1/keys/what", 404),
            ("POST", "/v1/certs/add", 404),
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
            ("GET /", host.clone(), 200),
            ("GET /page/main.js", host.clone(), 200),
            ("GET /page/../Cargo.toml", host.clone(), 404),
            ("GET /", "host: evil.example\r\n".to_owned(), 403),
            // A name of somebody else's that leads here.
            (
                "GET /",
                format!("host: rebound.example:{}\r\n", addr.port()),
                403,
            ),
            (
                "GET /page/main.js",
                format!("{host}sec-fetch-site: cross-site\r\n"),
                403,
            ),
            (
                "GET /",
                format!("{host}origin: http://evil.example\r\n"),
                403,
            ),
            ("POST /", host.clone(), 403),
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
fn the_page_may_load_its_own_files_and_nothing_else() {
    smol::block_on(async {
        let site = Site::new().await;
        let page = site.ask("GET", "/", "").await;
        assert!(page.body.contains("<title>selkie</title>"));
        for part in [
            "content-type: text/html; charset=utf-8",
            "default-src 'none'; script-src 'self'; style-src 'self'; ",
            "frame-ancestors 'none'; require-trusted-types-for 'script'",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(page.head.contains(part), "no {part} in {}", page.head);
        }
        for path in ["/page/main.js", "/page/page.css", "/page/icon.svg"] {
            let file = site.ask("GET", path, "").await;
            assert_eq!(file.status, 200, "{path}");
            assert!(file.head.contains("content-security-policy"), "{path}");
            assert_eq!(site.ask("POST", path, "").await.status, 405, "{path}");
        }
    });
}

#[test]
fn members_are_told_anew_only_when_they_changed() {
    smol::block_on(async {
        let site = Site::new().await;
        let first = site.ask("GET", "/v1/members", "").await;
        let known = format!("if-none-match: {}\r\n", first.header("etag"));
        let again = site.ask_with("/v1/members", &known).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        site.a.set_metadata("rack 7").await.unwrap();
        let changed = site.ask_with("/v1/members", &known).await;
        assert_eq!(changed.status, 200);
        assert!(changed.body.contains("rack 7"));
        assert_ne!(changed.header("etag"), first.header("etag"));
    });
}

#[test]
fn who_probes_whom_and_who_accused_whom_is_told() {
    smol::block_on(async {
        let site = Site::new().await;
        let deadline = Instant::now() + DEADLINE;
        loop {
            let probing = site.ask("GET", "/v1/probing", "").await.json();
            if probing["target"]["name"] == "b" && probing["pinged_by"]["name"] == "b" {
                break;
            }
            assert!(Instant::now() < deadline, "{probing}");
            Timer::after(Duration::from_millis(20)).await;
        }
        assert!(site.a.stats().engine.pings_heard > 0);
        assert_eq!(site.ask("GET", "/v1/why", "").await.body, "[]");
        site.ask("POST", "/v1/down/b", "").await;
        let why = site.ask("GET", "/v1/why", "").await.json();
        assert_eq!(why[0]["member"]["name"], "b");
        assert_eq!(why[0]["outcome"], "down");
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
        while let Some(Ok(line)) = lines.next().await {
            if let Ok(event) = serde_json::from_str::<Value>(&line)
                && event.is_object()
            {
                let event = event["event"].as_str().unwrap().to_owned();
                let has_ended = event == "stopped";
                // It is heard by now: who left before would be told of no more.
                if event == "connected" {
                    site.b.leave().await.unwrap();
                }
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

    /// Asks to be told, with a header.
    async fn ask_with(&self, path: &str, header: &str) -> Answer {
        let stream = UnixStream::connect(self.path()).await.expect("done");
        let headers = format!("host: selkie\r\n{header}");
        ask(stream, &format!("GET {path}"), &headers, "")
            .await
            .expect("done")
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
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines();
        let value = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
        value.expect("the header")
    }

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
        head: head.to_owned(),
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

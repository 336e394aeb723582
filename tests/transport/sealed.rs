//! Sealed UDP, over IPv4 and IPv6.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{
        SealedUdp,
        udp::{Counters, Key, KeyChangeError, KeyFile, KeyId, Keyring, KeyringError, Options},
    },
};
use smol::{
    Async,
    future::or,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{
    conformance::{Fixture, in_time, run, said},
    hostile::Victim,
    streams::connect,
};

mod v4 {
    conformance_tests!(super::Cluster::new(std::net::Ipv4Addr::LOCALHOST.into()));
    stream_tests!(super::Cluster::new(std::net::Ipv4Addr::LOCALHOST.into()));
}

mod v6 {
    conformance_tests!(super::Cluster::new(std::net::Ipv6Addr::LOCALHOST.into()));
    stream_tests!(super::Cluster::new(std::net::Ipv6Addr::LOCALHOST.into()));
}

struct Cluster {
    ip: IpAddr,
    keyring: Keyring,
}

impl Cluster {
    fn new(ip: IpAddr) -> Self {
        let keyring = Keyring::new(&Key::generate().unwrap());
        Self { ip, keyring }
    }

    fn bind_at(&self, addr: SocketAddr) -> io::Result<SealedUdp> {
        let udp = SealedUdp::bind(addr, &self.keyring)?;
        assert!(udp.enter_cluster("conformance"));
        Ok(udp)
    }
}

impl Fixture for Cluster {
    type Transport = SealedUdp;

    async fn bind(&self) -> SealedUdp {
        self.bind_at((self.ip, 0).into()).unwrap()
    }

    async fn rebind(&self, addr: SocketAddr) -> io::Result<SealedUdp> {
        self.bind_at(addr)
    }

    fn nobody(&self) -> SocketAddr {
        (self.ip, 1).into()
    }
}

mod attacked {
    hostile_tests!(super::Cluster::new(std::net::Ipv4Addr::LOCALHOST.into()));
}

impl Victim for Cluster {
    type Transport = SealedUdp;

    fn bind(&self, ip: IpAddr, options: &Options) -> SealedUdp {
        let udp = SealedUdp::bind_with((ip, 0).into(), &self.keyring, options).unwrap();
        assert!(udp.enter_cluster("conformance"));
        udp
    }

    fn counters(transport: &SealedUdp) -> Counters {
        transport.counters()
    }
}

#[test]
fn keys_are_replaced_while_packets_and_streams_go_on() {
    run(async {
        let [old, new] = [Key::generate().unwrap(), Key::generate().unwrap()];
        let rings = [Keyring::new(&old), Keyring::new(&old)];
        let ends = rings.each_ref().map(bind);
        let [left, right] = &ends;
        let (_ours, mut theirs) = connect(left, right).await;
        assert!(passes(left, right, b"old").await);

        rings[1].add(&new).unwrap();
        rings[0].add(&new).unwrap();
        rings[0].make_primary(&new).unwrap();
        assert!(passes(left, right, b"new").await);
        assert!(passes(right, left, b"old still").await);
        rings[1].make_primary(&new).unwrap();
        rings[0].remove(&old).unwrap();
        assert!(passes(right, left, b"new").await);
        assert!(passes(left, right, b"new").await);
        connect(left, right).await;

        // Who seals with the old one is a stranger to whoever gave it up.
        let late = bind(&Keyring::new(&old));
        assert!(passes(&late, right, b"from the past").await);
        assert!(!passes(&late, left, b"from the past").await);
        assert_eq!(left.counters().datagrams_unopened, 1);
        let opened = late.open(left.local_addr()).await.map(|_| ());
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );

        drop(_ours);
        theirs.stream.read(&mut [0]).await.unwrap_err();
    });
}

#[test]
fn a_keyring_never_loses_the_key_that_seals() {
    let [one, two] = [Key::generate().unwrap(), Key::generate().unwrap()];
    let ring = Keyring::new(&one);
    assert_eq!(ring.remove(&one), Err(KeyringError::Primary));
    assert_eq!(ring.remove(&two), Err(KeyringError::Unknown));
    assert_eq!(ring.make_primary(&two), Err(KeyringError::Unknown));
    ring.add(&two).unwrap();
    ring.add(&two).unwrap();
    assert_eq!(ring.ids(), [one.id(), two.id()]);
    ring.make_primary(&two).unwrap();
    assert_eq!(ring.ids(), [two.id(), one.id()]);
    ring.remove(&one).unwrap();
    for _ in 1..Keyring::KEYS_MAX {
        ring.add(&Key::generate().unwrap()).unwrap();
    }
    assert_eq!(ring.add(&one), Err(KeyringError::Full));
}

#[test]
fn keys_are_read_from_files_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let [one, two] = [Key::generate().unwrap(), Key::generate().unwrap()];
    let hex: String = (0..32).map(|byte| format!("{byte:02X}")).collect();
    let text = format!("# the new one\n{}\n\n  {hex}\n", *one.to_base64());
    fs::write(&path, text).unwrap();
    let ring = Keyring::from_file(&path).unwrap();
    let bytes: [u8; 32] = core::array::from_fn(|byte| byte as u8);
    assert_eq!(ring.ids(), [one.id(), Key::from_bytes(&bytes).id()]);
    assert_eq!(Key::from_hex(&hex).unwrap(), Key::from_bytes(&bytes));
    assert_eq!(Key::from_base64(&one.to_base64()).unwrap(), one);

    for (text, why) in [
        ("", "no key"),
        ("# nothing\n", "no key"),
        (&format!("{hex}\n{}", &hex[1..]), "line 2 is not a key"),
        (&hex[2..], "line 1"),
        (&format!("{hex}00"), "line 1"),
        ("AAAA", "line 1"),
    ] {
        fs::write(&path, text).unwrap();
        let error = ring.reload(&path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(error.contains("keys"), "{error}");
        assert!(!error.contains(&hex[2..10]), "{error}");
    }
    let missing = Keyring::from_file(dir.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("none cannot be read"));

    fs::write(&path, &*two.to_base64()).unwrap();
    ring.reload(&path).unwrap();
    assert_eq!(ring.ids(), [two.id()]);
    let shown = format!("{one:?} {ring:?} {:?}", bind(&ring));
    assert!(shown.contains(&one.id().to_string()), "{shown}");
    for key in [&one, &two] {
        assert!(!shown.contains(&key.to_base64()[..8]), "{shown}");
    }
}

#[test]
fn a_file_of_keys_and_what_is_in_use_change_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let [one, two, three] = [(); 3].map(|()| Key::generate().unwrap());
    let line = |key: &Key| format!("{}\n", *key.to_base64());
    let read = || fs::read_to_string(&path).unwrap();
    // Without an end to its last line.
    fs::write(&path, format!("# ours\n\n{}", line(&one).trim_end())).unwrap();
    let ring = Keyring::from_file(&path).unwrap();
    let file = KeyFile::new(&ring, &path);
    file.add(&two).unwrap();
    file.add(&two).unwrap();
    assert_eq!(read(), format!("# ours\n\n{}{}", line(&one), line(&two)));
    assert_eq!(file.ids(), [one.id(), two.id()]);
    file.make_primary(two.id()).unwrap();
    assert_eq!(read(), format!("# ours\n\n{}{}", line(&two), line(&one)));
    let is_refused = |result: Result<(), KeyChangeError>, why| {
        assert!(
            matches!(result, Err(KeyChangeError::Keys(it)) if it == why),
            "{result:?}"
        );
    };
    is_refused(file.remove(two.id()), KeyringError::Primary);
    is_refused(file.remove(three.id()), KeyringError::Unknown);
    is_refused(file.make_primary(three.id()), KeyringError::Unknown);
    // What was written by hand meanwhile counts.
    fs::write(
        &path,
        format!("{}{}# last\n{}", line(&two), line(&one), line(&three)),
    )
    .unwrap();
    file.make_primary(three.id()).unwrap();
    file.remove(two.id()).unwrap();
    assert_eq!(read(), format!("{}{}# last\n", line(&three), line(&one)));
    assert_eq!(ring.ids(), [three.id(), one.id()]);
    while ring.ids().len() < Keyring::KEYS_MAX {
        file.add(&Key::generate().unwrap()).unwrap();
    }
    is_refused(file.add(&two), KeyringError::Full);
    fs::remove_file(&path).unwrap();
    assert!(matches!(file.add(&two), Err(KeyChangeError::File(_))));
    assert_eq!(ring.ids().len(), Keyring::KEYS_MAX);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "no drafts are left"
    );
    assert_eq!(one.id().to_string().parse(), Ok(one.id()));
    assert!("123".parse::<KeyId>().is_err() && "1234567x".parse::<KeyId>().is_err());
}

/// Made by another implementation, from what `docs/wire.md` says.
#[test]
fn what_is_sealed_is_what_the_documentation_says() {
    const DATAGRAM: &str = "0121404142434445464748494a4b4c4d4e4f0000000000000005e449c2478f1a61b901\
                            13a04e64417e9c56285a3a27";
    const GREETING: &str = "736c6b017321606162636465666768696a6b6c6d6e6fe6fb9fe6d40afc36078d269412\
                            c889058e94";
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16);
        pairs.map(|pair| byte(pair).unwrap()).collect()
    };
    run(async {
        let key = Key::from_bytes(&core::array::from_fn(|byte| byte as u8));
        assert_eq!(key.id().to_string(), "21359993");
        let udp = bind(&Keyring::new(&key));
        assert!(udp.enter_cluster("selkie"));
        let wire = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        wire.send_to(&bytes(DATAGRAM), udp.local_addr()).unwrap();
        let mut batch = Batch::new();
        in_time(udp.recv(&mut batch)).await.unwrap().unwrap();
        let from = wire.local_addr().unwrap();
        assert!(said(&batch).eq([(from, &b"hello"[..])]));

        let greet = async {
            let mut tcp = Async::<TcpStream>::connect(udp.local_addr()).await.unwrap();
            tcp.write_all(&bytes(GREETING)).await.unwrap();
            let mut answer = [0; 5 + 16 + 16];
            tcp.read_exact(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"slk\x01s"));
        };
        let accept = async { udp.accept().await.map(|_| ()).unwrap() };
        in_time(or(greet, accept)).await.unwrap();
    });
}

#[test]
fn one_key_is_not_enough_for_two_clusters() {
    run(async {
        let keyring = Keyring::new(&Key::generate().unwrap());
        let [ours, theirs] = ["ours", "theirs"].map(|cluster| {
            let udp = bind(&keyring);
            assert!(udp.enter_cluster(cluster));
            udp
        });
        assert!(!passes(&ours, &theirs, b"hello").await);
        assert_eq!(theirs.counters().datagrams_unopened, 1);
        let accept = async { theirs.accept().await.map(|_| ()).unwrap() };
        let open = async {
            let opened = ours.open(theirs.local_addr()).await.map(|_| ());
            assert!(
                matches!(opened, Err(SendError::Unreachable(_))),
                "{opened:?}"
            );
        };
        smol::future::or(open, accept).await;
        let counters = theirs.counters();
        assert_eq!((counters.streams_in, counters.greetings_refused), (0, 1));
    });
}

fn bind(keyring: &Keyring) -> SealedUdp {
    SealedUdp::bind((Ipv4Addr::LOCALHOST, 0).into(), keyring).unwrap()
}

/// Whether a packet gets through. Loopback loses none as long as little is sent; what is refused
/// is known by a packet of the receiver's own that came after.
async fn passes(from: &SealedUdp, to: &SealedUdp, packet: &[u8]) -> bool {
    from.send(to.local_addr(), packet).await.unwrap();
    to.send(to.local_addr(), b"end").await.unwrap();
    let mut has_come = false;
    loop {
        let mut batch = Batch::new();
        to.recv(&mut batch).await.unwrap();
        for (_, got) in said(&batch) {
            has_come |= got == packet;
            if got == b"end" {
                return has_come;
            }
        }
    }
}

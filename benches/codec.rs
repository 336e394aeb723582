//! The codecs beside one another: bytes, and nanoseconds to write and read them.
//!
//! `cargo bench --all-features --bench codec` prints a table and writes `target/bench/codec.csv`.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use cpu_time::ThreadTime;
use selkie::{
    Codec, Header, Incarnation, Member, Message, ProbeNumber, State,
    codecs::{BincodeCodec, MsgpackCodec, PostcardCodec},
};

/// Long enough for the clock, short enough for the caches.
const TIMES: u32 = 20_000;
const ROUNDS: usize = 31;

fn main() -> io::Result<()> {
    let mut table = Table::new();
    let addrs = [
        ("IPv4", SocketAddr::from((Ipv4Addr::new(10, 1, 2, 3), 7000))),
        (
            "IPv6",
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7), 7000)),
        ),
    ];
    for (family, addr) in addrs {
        measure("postcard", PostcardCodec, family, addr, &mut table);
        measure(
            "bincode",
            BincodeCodec::standard(),
            family,
            addr,
            &mut table,
        );
        measure("msgpack", MsgpackCodec, family, addr, &mut table);
    }
    table.save(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/bench/codec.csv"
    )))
}

fn measure<C: Codec<SocketAddr>>(
    name: &str,
    mut codec: C,
    family: &str,
    addr: SocketAddr,
    table: &mut Table,
) where
    C::Error: core::fmt::Debug,
{
    let header = Header {
        src: addr,
        src_incarnation: Incarnation(3),
        dst: addr,
        message: Message::Ping(ProbeNumber(7)),
    };
    let member = Member::new(addr, Incarnation(3), State::Suspect);

    let mut bytes = Vec::new();
    codec.encode_header(&header, &mut bytes).expect("is sound");
    let encode = median_of(|| {
        bytes.clear();
        codec
            .encode_header(black_box(&header), &mut bytes)
            .expect("is sound");
    });
    let decode = median_of(|| {
        let header = codec.decode_header(&mut black_box(&bytes[..]));
        black_box(header).expect("was just written");
    });
    table.row(name, family, "header", bytes.len(), [encode, decode]);

    bytes.clear();
    codec.encode_member(&member, &mut bytes).expect("is sound");
    let encode = median_of(|| {
        bytes.clear();
        codec
            .encode_member(black_box(&member), &mut bytes)
            .expect("is sound");
    });
    let decode = median_of(|| {
        let member = codec.decode_member(&mut black_box(&bytes[..]));
        black_box(member).expect("was just written");
    });
    table.row(name, family, "member", bytes.len(), [encode, decode]);
}

/// Nanoseconds that it takes, in the middle of many rounds.
fn median_of(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = ThreadTime::now();
            (0..TIMES).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Prints rows as they come, and keeps them for the file.
struct Table {
    csv: String,
}

impl Table {
    fn new() -> Self {
        println!(
            "{:<10} {:<6} {:<8} {:>6} {:>10} {:>10}",
            "codec", "family", "what", "bytes", "encode ns", "decode ns"
        );
        Self {
            csv: "codec,family,what,bytes,encode_ns,decode_ns\n".to_owned(),
        }
    }

    fn row(&mut self, codec: &str, family: &str, what: &str, bytes: usize, ns: [f64; 2]) {
        let [encode, decode] = ns;
        println!("{codec:<10} {family:<6} {what:<8} {bytes:>6} {encode:>10.1} {decode:>10.1}");
        writeln!(
            self.csv,
            "{codec},{family},{what},{bytes},{encode:.1},{decode:.1}"
        )
        .expect("a String takes all");
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, &self.csv)
    }
}

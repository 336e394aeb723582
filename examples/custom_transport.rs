//! A transport of one's own: Unix datagram sockets, for members on one machine.
//!
//! `cargo run --example custom_transport --features smol,postcard`
//!
//! The agent speaks of socket addresses; this transport makes them up: port 7 is the socket
//! `7.sock` in the cluster's directory.

#[cfg(unix)]
mod unix {
    use std::{
        convert::Infallible,
        io,
        net::{Ipv4Addr, SocketAddr},
        path::{Path, PathBuf},
    };

    use selkie::{
        Transport,
        transport::{Batch, NoStream, SendError},
    };
    use smol::{
        channel::{Receiver, Sender, bounded},
        future,
        net::unix::{SocketAddr as UnixSocketAddr, UnixDatagram},
    };

    pub struct UnixDatagrams {
        socket: UnixDatagram,
        dir: PathBuf,
        addr: SocketAddr,
        /// Closed with us; nothing is ever sent.
        open: Sender<Infallible>,
        closed: Receiver<Infallible>,
    }

    impl UnixDatagrams {
        pub fn bind(dir: &Path, port: u16) -> io::Result<Self> {
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let socket = UnixDatagram::bind(path_of(dir, addr))?;
            let (open, closed) = bounded(1);
            let dir = dir.into();
            Ok(Self {
                socket,
                dir,
                addr,
                open,
                closed,
            })
        }
    }

    impl Transport for UnixDatagrams {
        type Stream = NoStream;

        fn local_addr(&self) -> SocketAddr {
            self.addr
        }

        fn room(&self, _to: SocketAddr) -> usize {
            PACKET_MAX
        }

        async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
            if self.open.is_closed() {
                return Err(SendError::Closed);
            }
            if packet.len() > PACKET_MAX {
                return Err(SendError::TooBig { max: PACKET_MAX });
            }
            // A full queue makes this socket wait for its peer, which a transport must not do.
            let sent = self.socket.send_to(packet, path_of(&self.dir, to));
            match future::poll_once(sent).await {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err(SendError::Unreachable(error)),
                None => Err(SendError::Busy),
            }
        }

        async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
            // One byte more than a packet has: whatever fills it was cut off.
            let mut buf = [0; PACKET_MAX + 1];
            while batch.is_empty() {
                let closed = async {
                    let _ = self.closed.recv().await;
                    Err(io::ErrorKind::NotConnected.into())
                };
                let (len, from) = future::or(closed, self.socket.recv_from(&mut buf)).await?;
                push(batch, &from, &buf[..len]);
            }
            while !batch.is_full()
                && let Some(Ok((len, from))) =
                    future::poll_once(self.socket.recv_from(&mut buf)).await
            {
                push(batch, &from, &buf[..len]);
            }
            Ok(())
        }

        async fn close(&self) {
            self.open.close();
            let _ = std::fs::remove_file(path_of(&self.dir, self.addr));
        }
    }

    /// Drops what is no packet of a member: cut off, or from a socket without an address.
    fn push(batch: &mut Batch, from: &UnixSocketAddr, packet: &[u8]) {
        if let Some(from) = from.as_pathname().and_then(addr_of)
            && packet.len() <= PACKET_MAX
        {
            batch.push(from, packet);
        }
    }

    fn path_of(dir: &Path, addr: SocketAddr) -> PathBuf {
        dir.join(format!("{}.sock", addr.port()))
    }

    fn addr_of(path: &Path) -> Option<SocketAddr> {
        let port = path.file_stem()?.to_str()?.parse().ok()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    const PACKET_MAX: usize = 2048;
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use selkie::{Builder, agent::Event, codecs::PostcardCodec};
    use smol::stream::StreamExt;

    let dir = tempfile::tempdir()?;
    smol::block_on(async {
        let transport = unix::UnixDatagrams::bind(dir.path(), 1)?;
        let builder = Builder::new().codec(PostcardCodec).transport(transport);
        let first = builder.spawn().await?;
        let mut events = first.events();

        let transport = unix::UnixDatagrams::bind(dir.path(), 2)?;
        let builder = Builder::new().codec(PostcardCodec).transport(transport);
        let second = builder.seeds([first.local_addr()]).spawn().await?;
        let mut seen_by_second = second.events();
        // Who goes before the other is sure of it is not missed.
        second
            .wait_for(1, std::time::Duration::from_secs(30))
            .await?;
        while let Some(event) = events.next().await {
            if let Event::Joined(node) = event {
                println!("{node} joined {}", first.identity());
                first.leave().await?;
            }
        }
        while let Some(event) = seen_by_second.next().await {
            if let Event::Left(node) = event {
                println!("{node} left {}", second.identity());
                second.leave().await?;
            }
        }
        Ok(())
    })
}

#[cfg(not(unix))]
fn main() {
    println!("this system has no Unix sockets");
}

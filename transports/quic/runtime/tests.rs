#![cfg(all(unix, feature = "certs"))]

use core::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

use async_io::Timer;
use futures::FutureExt;

use crate::{
    Transport,
    transport::Batch,
    transports::{
        certs::DevCa,
        quic::{Credentials, Options, Quic},
    },
};

/// Longer than anything takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

fn node(socket: UdpSocket) -> Quic {
    let issued = DevCa::new("cluster").unwrap().issue("member").unwrap();
    let credentials = Credentials::from_issued(&issued).unwrap();
    let local = socket.local_addr().unwrap();
    Quic::on(socket, local, &credentials, &Options::new()).unwrap()
}

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Nothing can be received from a socket that listens: all the system has to say is that it is
/// not connected.
fn broken_socket() -> UdpSocket {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    UdpSocket::from(OwnedFd::from(listener))
}

async fn in_time<F: Future>(future: F) -> F::Output {
    let late = async {
        Timer::after(PATIENCE).await;
        panic!("not in time");
    };
    smol::future::or(future, late).await
}

#[test]
fn a_socket_that_fails_is_reported_each_time_and_the_node_goes_on() {
    smol::block_on(async {
        let node = node(broken_socket());
        let mut batch = Batch::new();
        for _ in 0..2 {
            let failed = in_time(node.recv(&mut batch)).await.unwrap_err();
            // That would say that the transport is closed.
            assert_ne!(failed.kind(), io::ErrorKind::NotConnected, "{failed}");
        }
        assert!(node.counters().recv_failed >= 2);
        node.close().await;
        let closed = node.recv(&mut batch).await.unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn what_became_of_a_packet_is_counted_and_no_failure() {
    smol::block_on(async {
        let (nobody, dead) = socket();
        drop(nobody);
        let (socket, _) = socket();
        socket.connect(dead).unwrap();
        let sender = socket.try_clone().unwrap();
        let node = node(socket);
        let counted = async {
            while node.counters().recv_disturbed == 0 {
                // Answered by ICMP.
                let _ = sender.send(b"anybody there?");
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        in_time(counted).await;
        assert!(node.recv(&mut Batch::new()).now_or_never().is_none());
        assert_eq!(node.counters().recv_failed, 0);
    });
}

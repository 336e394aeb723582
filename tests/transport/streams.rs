//! What every transport's streams must do.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{Batch, PeerStream, SendError},
};
use smol::{
    Timer, future,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::conformance::{Fixture, PATIENCE, in_time, pattern};

/// Makes a test of each case, for the fixture that the expression gives.
macro_rules! stream_tests {
    ($fixture:expr) => {
        conformance_tests! {
            $fixture; streams:
            a_stream_carries_bytes_both_ways
            a_closed_direction_ends_and_the_other_goes_on
            what_was_closed_arrives_whole_though_its_sender_let_go_of_it
            a_dropped_stream_is_an_error_at_the_other_side
            a_mebibyte_arrives_whole_each_way_at_once
            many_streams_live_at_once
            a_dropped_accept_loses_no_stream
            opening_to_nobody_fails_in_time
            close_wakes_who_accepts_and_refuses_to_open
            packets_and_streams_do_not_mix
        }
    };
}

pub(crate) async fn a_stream_carries_bytes_both_ways(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    assert!(left.has_streams());
    let (mut ours, mut theirs) = connect(&left, &right).await;
    assert_eq!(ours.addr, right.local_addr());
    assert_eq!(theirs.addr.ip(), left.local_addr().ip());
    for size in [1, 2, 1000, 30_000] {
        pass(&mut ours.stream, &mut theirs.stream, &pattern(size)).await;
        pass(&mut theirs.stream, &mut ours.stream, &pattern(size)).await;
    }
}

pub(crate) async fn a_closed_direction_ends_and_the_other_goes_on(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let (mut ours, mut theirs) = connect(&left, &right).await;
    ours.stream.write_all(b"the last").await.unwrap();
    ours.stream.close().await.unwrap();

    let mut all = Vec::new();
    let read = theirs.stream.read_to_end(&mut all);
    in_time(read).await.expect("no end").unwrap();
    assert_eq!(all, b"the last");
    assert_eq!(theirs.stream.read(&mut [0; 8]).await.unwrap(), 0);

    pass(&mut theirs.stream, &mut ours.stream, b"an answer").await;
    theirs.stream.close().await.unwrap();
    assert_eq!(ours.stream.read(&mut [0; 8]).await.unwrap(), 0);
}

pub(crate) async fn what_was_closed_arrives_whole_though_its_sender_let_go_of_it(
    fixture: impl Fixture,
) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let (mut ours, mut theirs) = connect(&left, &right).await;
    let sent = pattern(60_000);
    let write = async {
        ours.stream.write_all(&sent).await.unwrap();
        ours.stream.close().await.unwrap();
        drop(ours);
    };
    let read = async {
        let mut all = Vec::new();
        theirs.stream.read_to_end(&mut all).await.unwrap();
        all
    };
    let all = in_time(future::zip(write, read)).await.expect("no end").1;
    assert!(all == sent, "{} of {} bytes", all.len(), sent.len());
}

pub(crate) async fn a_dropped_stream_is_an_error_at_the_other_side(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    for drops_opener in [true, false] {
        let (mut ours, mut theirs) = connect(&left, &right).await;
        pass(&mut ours.stream, &mut theirs.stream, b"some").await;
        pass(&mut theirs.stream, &mut ours.stream, b"some").await;
        let mut rest = if drops_opener {
            drop(ours);
            theirs.stream
        } else {
            drop(theirs);
            ours.stream
        };
        let mut buf = [0; 8];
        let read = in_time(rest.read(&mut buf)).await;
        let read = read.expect("the reader was not woken");
        assert!(read.is_err(), "{read:?}");
        let write = async {
            // What the other side does not know yet can still be written.
            while rest.write_all(&[0; 1000]).await.is_ok() {
                Timer::after(Duration::from_millis(1)).await;
            }
        };
        in_time(write).await.expect("writing never fails");
    }
}

pub(crate) async fn a_mebibyte_arrives_whole_each_way_at_once(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let (ours, theirs) = connect(&left, &right).await;
    let sent = pattern(1 << 20);
    let exchange = |stream| {
        let sent = &sent;
        async move {
            let (mut reader, mut writer) = smol::io::split(stream);
            let write = async {
                writer.write_all(sent).await.unwrap();
                writer.close().await.unwrap();
            };
            let mut all = Vec::new();
            let read = async { reader.read_to_end(&mut all).await.unwrap() };
            future::zip(write, read).await;
            assert!(all == *sent, "{} of {} bytes", all.len(), sent.len());
        }
    };
    let both = future::zip(exchange(ours.stream), exchange(theirs.stream));
    in_time(both).await.expect("too slow");
}

pub(crate) async fn many_streams_live_at_once(fixture: impl Fixture) {
    const STREAMS: u8 = 24;
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let mut pairs = Vec::new();
    for number in 0..STREAMS {
        let (mut ours, mut theirs) = connect(&left, &right).await;
        pass(&mut ours.stream, &mut theirs.stream, &[number; 100]).await;
        pairs.push((ours, theirs));
    }
    for (number, (mut ours, mut theirs)) in (0..STREAMS).zip(pairs).rev() {
        pass(&mut theirs.stream, &mut ours.stream, &[number; 100]).await;
    }
}

pub(crate) async fn a_dropped_accept_loses_no_stream(fixture: impl Fixture) {
    const STREAMS: u8 = 8;
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    for number in 0..STREAMS {
        let open = async {
            let mut ours = left.open(right.local_addr()).await.unwrap();
            ours.stream.write_all(&[number]).await.unwrap();
            ours.stream.flush().await.unwrap();
            ours
        };
        let accept = async {
            loop {
                // Polled once, then dropped if there was none.
                if let Some(accepted) = future::poll_once(right.accept()).await {
                    break accepted.unwrap();
                }
                Timer::after(Duration::from_millis(1)).await;
            }
        };
        let both = in_time(future::zip(open, accept)).await;
        let (_ours, mut theirs) = both.expect("a stream was lost");
        let mut got = [0];
        theirs.stream.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [number]);
    }
}

pub(crate) async fn opening_to_nobody_fails_in_time(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let opened = in_time(left.open(fixture.nobody())).await;
    let error = opened.expect("never fails").map(|_| ()).unwrap_err();
    assert!(matches!(error, SendError::Unreachable(_)), "{error}");
    connect(&left, &right).await;
}

pub(crate) async fn close_wakes_who_accepts_and_refuses_to_open(fixture: impl Fixture) {
    let (left, right) = (Arc::new(fixture.bind().await), fixture.bind().await);
    let acceptors: Vec<_> = (0..3)
        .map(|_| {
            let left = Arc::clone(&left);
            smol::spawn(async move { left.accept().await.map(|_| ()).unwrap_err() })
        })
        .collect();
    future::yield_now().await;
    left.close().await;
    for acceptor in acceptors {
        let error = in_time(acceptor).await.expect("an acceptor was not woken");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    }
    let error = left.accept().await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    let opened = left.open(right.local_addr()).await.map(|_| ());
    assert!(matches!(opened, Err(SendError::Closed)), "{opened:?}");
}

pub(crate) async fn packets_and_streams_do_not_mix(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let (mut ours, mut theirs) = connect(&left, &right).await;
    let deadline = Instant::now() + PATIENCE;
    let mut batch = Batch::new();
    while batch.is_empty() {
        assert!(Instant::now() < deadline, "no packet arrived");
        left.send(right.local_addr(), b"a packet").await.unwrap();
        let silence = Timer::after(Duration::from_millis(200));
        let recv = async { right.recv(&mut batch).await.unwrap() };
        future::or(recv, async { _ = silence.await }).await;
    }
    assert!(batch.iter().all(|packet| packet.bytes == b"a packet"));
    pass(&mut ours.stream, &mut theirs.stream, b"of the stream").await;
}

/// Opens a stream and accepts it. A byte is passed: some transports tell nobody of a stream before
/// something is written to it.
pub(crate) async fn connect<T: Transport>(
    from: &T,
    to: &T,
) -> (PeerStream<T::Stream>, PeerStream<T::Stream>) {
    let open = async {
        let mut ours = from.open(to.local_addr()).await.unwrap();
        ours.stream.write_all(b"!").await.unwrap();
        ours.stream.flush().await.unwrap();
        ours
    };
    let accept = async {
        let mut theirs = to.accept().await.unwrap();
        let mut first = [0];
        theirs.stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first, *b"!");
        theirs
    };
    in_time(future::zip(open, accept)).await.expect("no stream")
}

/// Writes these bytes at one end, and reads them at the other.
async fn pass<S>(from: &mut S, to: &mut S, bytes: &[u8])
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let mut got = vec![0; bytes.len()];
    let write = async {
        from.write_all(bytes).await.unwrap();
        from.flush().await.unwrap();
    };
    let read = async { to.read_exact(&mut got).await.unwrap() };
    in_time(future::zip(write, read)).await.expect("too slow");
    assert!(got == bytes, "{} bytes arrived changed", bytes.len());
}

//! The driver runs wherever a future runs.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use selkie::transports::MemoryNetwork;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder},
};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least that an executor can be.
fn bare_block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn on_a_thread_that_does_nothing_else() {
    let net = MemoryNetwork::new();
    let a = builder("a", net.bind(ANY_PORT).unwrap());
    let (cluster, driver) = bare_block_on(a.build()).unwrap();
    let addr = cluster.local_addr();
    let thread = thread::spawn(move || bare_block_on(driver));
    bare_block_on(async {
        let b = builder("b", net.bind(ANY_PORT).unwrap()).seeds([addr]);
        let (b, driver) = b.build().await.unwrap();
        Agent::run(b, driver).knows(1).await;
    });
    drop(cluster);
    thread.join().unwrap();
}

#[test]
fn on_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let net = MemoryNetwork::new();
        let (a, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .build()
            .await
            .unwrap();
        let driver = tokio::spawn(driver);
        let b = builder("b", net.bind(ANY_PORT).unwrap()).seeds([a.local_addr()]);
        let b = b.spawn().await.unwrap();
        super::fixture::until(&a, "one member", |c| c.members().num_active() == 1).await;
        assert_eq!(b.leave().await.unwrap().acked, 1);
        drop(a);
        driver.await.unwrap();
    });
}

#[cfg(feature = "udp")]
#[test]
fn on_tokio_over_udp_on_several_threads() {
    use selkie::transports::PlainUdp;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (a, driver) = builder("a", PlainUdp::bind(ANY_PORT).unwrap())
            .build()
            .await
            .unwrap();
        tokio::spawn(driver);
        let b = builder("b", PlainUdp::bind(ANY_PORT).unwrap()).seeds([a.local_addr()]);
        let (b, driver) = b.build().await.unwrap();
        tokio::spawn(driver);
        for cluster in [&a, &b] {
            let joined = |c: &selkie::Cluster<_>| c.members().num_active() == 1;
            super::fixture::until(cluster, "one member", joined).await;
        }
        assert_eq!(b.leave().await.unwrap().acked, 1);
    });
}

use std::{
    collections::HashSet,
    error::Error,
    sync::{Arc, Mutex},
};

use selkie::{BroadcastHandler, Invalidates, Node, agent::CommandError, transports::MemoryNetwork};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, builder, until},
};

/// Takes each item for news once.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashSet<Vec<u8>>>>);

impl Seen {
    fn has(&self, item: &[u8]) -> bool {
        self.0.lock().unwrap().contains(item)
    }
}

struct Item(Vec<u8>);

impl Invalidates for Item {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl BroadcastHandler<Node> for Seen {
    type Key = Item;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Node>,
    ) -> Result<Option<Item>, Box<dyn Error + Send + Sync>> {
        if data == b"unwanted" {
            return Err("not wanted".into());
        }
        let is_news = self.0.lock().unwrap().insert(data.to_vec());
        Ok(is_news.then(|| Item(data.to_vec())))
    }
}

pub(crate) async fn a_broadcast_reaches_the_others_once(net: impl Net) {
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = builder("a", net.bind("a")).broadcasts(seen_a.clone());
    let (cluster, driver) = a.build().await.unwrap();
    let a = Agent::run(cluster, driver);
    let b = builder("b", net.bind("b")).broadcasts(seen_b.clone());
    let (cluster, driver) = b.seeds([a.addr()]).build().await.unwrap();
    let b = Agent::run(cluster, driver);
    b.knows(1).await;

    assert!(b.cluster.broadcast("hello").await.unwrap());
    until(&a.cluster, "the item arrives", |_| seen_a.has(b"hello")).await;
    assert!(seen_b.has(b"hello"));
    assert!(!b.cluster.broadcast("hello").await.unwrap());
    match b.cluster.broadcast("unwanted").await {
        Err(CommandError::Refused(reason)) => assert_eq!(reason.to_string(), "not wanted"),
        other => panic!("{other:?}"),
    }
    match b.cluster.broadcast([0; 5000]).await {
        Err(CommandError::TooBig { len, room }) => assert!(len >= 5000 && room < 5000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_handler_a_broadcast_is_refused_with_what_to_do() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let refused = a.cluster.broadcast("hello").await.unwrap_err();
        assert!(
            refused.to_string().contains("broadcast handler"),
            "{refused}"
        );
    });
}

//! Which services there are, and at which addresses: what each member says of itself.
//!
//! `cargo run --example service_registry --features smol,udp,postcard`
//!
//! Metadata comes and goes with its member: nothing needs to be cleaned up after one that failed.

use std::{collections::BTreeMap, error::Error, net::SocketAddr};

use selkie::{
    Builder, Cluster, Config, Node, Transport,
    agent::{Event, Metadata},
    codecs::PostcardCodec,
    transports::PlainUdp,
};
use smol::stream::StreamExt;

/// What a member offers: the name of each service, and where it listens.
type Services = BTreeMap<String, Vec<SocketAddr>>;

fn services(list: &[(&str, &str)]) -> Result<Services, Box<dyn Error>> {
    let mut services = Services::new();
    for (name, addr) in list {
        let addrs = services.entry((*name).into()).or_default();
        addrs.push(addr.parse()?);
    }
    Ok(services)
}

/// Where a service is to be found, by all that is known here. Members that failed or left are not
/// asked, as they are not active any more.
fn find(cluster: &Cluster<Node>, service: &str) -> Vec<SocketAddr> {
    let members = cluster.members();
    let others = members
        .active()
        .filter_map(|member| member.metadata.clone());
    let mut found: Vec<SocketAddr> = others
        .chain(cluster.metadata())
        // Whoever says something else than services has none.
        .filter_map(|metadata| metadata.decode::<Services>().ok())
        .filter_map(|mut services| services.remove(service))
        .flatten()
        .collect();
    found.sort();
    found
}

/// Waits until a service is found at so many addresses.
async fn await_service(cluster: &Cluster<Node>, service: &str, count: usize) -> Vec<SocketAddr> {
    let mut events = cluster.events();
    loop {
        let found = find(cluster, service);
        if found.len() == count {
            return found;
        }
        // Whatever happened, it may be what we wait for.
        if let Some(Event::MetadataChanged(member)) = events.next().await {
            println!("  {member} offers something else");
        }
    }
}

async fn member(
    name: &str,
    seed: Option<SocketAddr>,
    offers: &Services,
) -> Result<Cluster<Node>, Box<dyn Error>> {
    let transport = PlainUdp::bind("127.0.0.1:0".parse()?)?;
    let identity = Node::now(name.parse()?, transport.local_addr(), None);
    let builder = Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(identity)
        .config(Config::local())
        .metadata(Metadata::encode(offers)?)
        .seeds(seed);
    Ok(builder.spawn().await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let web = services(&[("web", "10.0.0.1:80")])?;
        let first = member("first", None, &web).await?;
        let both = services(&[("web", "10.0.0.2:80"), ("cache", "10.0.0.2:11211")])?;
        let second = member("second", Some(first.local_addr()), &both).await?;
        let third = member("third", Some(first.local_addr()), &Services::new()).await?;

        println!("web: {:?}", await_service(&third, "web", 2).await);
        println!("cache: {:?}", await_service(&third, "cache", 1).await);

        // Another service, without joining again.
        let more = services(&[("web", "10.0.0.1:80"), ("cache", "10.0.0.1:11211")])?;
        first.set_metadata(Metadata::encode(&more)?).await?;
        println!("cache: {:?}", await_service(&third, "cache", 2).await);

        // Whoever goes takes its services along.
        second.leave().await?;
        println!("web: {:?}", await_service(&third, "web", 1).await);
        Ok(())
    })
}

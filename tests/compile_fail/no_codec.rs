use selkie::{Builder, transports::MemoryNetwork};

fn main() {
    let transport = MemoryNetwork::new().bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let _ = Builder::new().transport(transport).build();
}

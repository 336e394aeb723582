use selkie::{Builder, codecs::PostcardCodec};

fn main() {
    let _ = Builder::new().codec(PostcardCodec).build();
}

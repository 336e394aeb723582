//! `selkie keys`: what a cluster over sealed UDP shares.

use std::path::Path;

use selkie::transports::udp::Key;

use crate::{
    args::KeysGenerateArgs,
    certs::files::{self, Readers},
    failure::Failure,
    print,
};

/// Runs `selkie keys generate`.
pub(crate) fn generate(args: &KeysGenerateArgs) -> Result<(), Failure> {
    let force_means = "members that have the former key are strangers to those that have the new";
    let key = Key::generate().map_err(|error| Failure::caused("cannot make a key", &error))?;
    let mut text = key.to_base64();
    text.push('\n');
    let dir = args.out.parent().filter(|dir| *dir != Path::new(""));
    files::make_dir(dir.unwrap_or(Path::new(".")))?;
    files::write(&args.out, &text, Readers::Owner, args.force, force_means)?;
    let (file, id) = (args.out.display(), key.id());
    print::line(format_args!(
        "wrote {file}  key {id}, the same for every member, and for nobody else\n\
         next: selkie agent --bind 127.0.0.1:7946 --transport udp --seal-key {file}",
    ))
    .map_err(|error| print::failed(&error))
}

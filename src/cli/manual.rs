//! What shells and `man` want to know of the command.

use std::{fs, io::stdout, path::Path};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{
    args::Cli,
    ask::args::{CompletionsArgs, ManArgs},
    failure::Failure,
    print,
};

/// Runs `selkie completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "selkie", &mut script);
    write(&script)
}

/// Runs `selkie man`.
pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        let rendered = Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| print::failed(&error))?;
        return write(&page);
    };
    let generated = fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), Path::new(dir)));
    generated.map_err(|error| Failure::caused(format!("cannot write to {}", dir.display()), &error))
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let written = std::io::Write::write_all(&mut stdout().lock(), bytes);
    written.map_err(|error| print::failed(&error))
}

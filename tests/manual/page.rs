//! A page, taken apart.

use std::{fs, path::Path};

/// What is between two fences.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    /// The line of the page that it begins at.
    pub(crate) line: usize,
}

impl Block {
    /// What is to be typed, and where.
    pub(crate) fn typed(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let typed = joined.lines().filter_map(|line| match &*self.language {
            "console" => line.strip_prefix("$ ").map(words),
            _ => Some(words(line)),
        });
        typed.filter(|line| !line.starts_with('#')).collect()
    }
}

/// With one blank between two words each.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a page, named from the root of the project.
#[track_caller]
pub(crate) fn read(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The blocks of a page, in order.
#[track_caller]
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    line: number + 1,
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a fence is not closed");
    blocks
}

/// Pages of the folder of documents, and those of the folders in it.
pub(crate) fn all() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for folder in ["docs", "docs/ops"] {
        for entry in root.join(folder).read_dir().expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("text").to_owned();
            if name.ends_with(".md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages.sort();
    pages
}

//! The files of the crate, and the paths that a file imports.

use std::{fs, path::Path};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is in a file, named from the root.
#[track_caller]
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder whose names end so, as paths from the root, in order. None when there
/// is no such folder.
pub fn files_below(folder: &str, ending: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(from_root(&path));
            }
        }
    }
    files.sort();
    files
}

fn from_root(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap();
    path.to_str().unwrap().replace('\\', "/")
}

/// The code of a file: without comments and what is in string literals.
pub fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            rest = &rest[end..];
        } else if next == '"' {
            code.push_str("\"\"");
            rest = after_string(&rest[1..]);
        } else if let Some(literal) = char_literal(rest) {
            rest = &rest[literal..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

fn after_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => _ = chars.next(),
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The length of a character literal at the front. A lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut chars = inner.char_indices();
    if chars.next()?.1 == '\\' {
        chars.next()?;
    }
    let (end, close) = chars.next()?;
    (close == '\'').then_some(end + 2)
}

/// Every path that the code of a file names from outside of itself: those of its `use` items, one
/// by one, and those that begin with `crate::`, `std::` or `super::` elsewhere. `super` and `self`
/// are resolved from `module`, the file's own path.
pub fn imports(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let tokens = tokens(code);
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = tree(&tokens, at + 1, &[], &mut found);
        } else if is_root(&tokens[at]) && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = tree(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
        .into_iter()
        .map(|path| resolve(path, module))
        .collect()
}

fn is_root(token: &str) -> bool {
    matches!(token, "crate" | "std" | "super")
}

/// Takes a use tree apart; returns where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = match tokens[at].as_str() {
                        "," => at + 1,
                        _ => tree(tokens, at, &path, found).max(at + 1),
                    };
                }
                return at + 1;
            }
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
                if tokens.get(at).is_none_or(|next| next != "::") {
                    break;
                }
            }
            _ => break,
        }
    }
    if tokens.get(at).is_some_and(|token| token == "as") {
        at += 2;
    }
    found.push(path);
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let len = if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut resolved = match path.first().map(String::as_str) {
        Some("super" | "self") => [&["crate".to_owned()], module].concat(),
        _ => Vec::new(),
    };
    for part in path {
        match part.as_str() {
            "super" => _ = resolved.pop(),
            "self" => {}
            _ => resolved.push(part),
        }
    }
    resolved
}

#[test]
fn imports_are_found_one_by_one() {
    let code = code_of(
        "use crate::{Codec, transport::{self, Batch}}; // use std::io;\n\
         use super::{parts, super::Name as Other};\n\
         fn f<'a>(c: char) -> std::io::Result<&'a str> { crate::trace::debug!(\"use x::y\") }",
    );
    let module = ["codecs".to_owned(), "postcard".to_owned()];
    let imports = imports(&code, &module);
    let imports: Vec<String> = imports.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        imports,
        [
            "crate::Codec",
            "crate::transport",
            "crate::transport::Batch",
            "crate::codecs::parts",
            "crate::Name",
            "std::io::Result",
            "crate::trace::debug",
        ]
    );
}

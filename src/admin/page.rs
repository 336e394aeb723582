//! The status page: files that a browser asks for, and what it may do with them.

/// What the page, and whatever somebody might get into it, may do: load these files, ask this
/// agent, and nothing else. No text becomes markup or code.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

/// The file at this path, if it is one of the page's.
pub(super) fn asset(path: &str) -> Option<Asset> {
    let (_, kind, text) = ASSETS.iter().find(|(at, ..)| *at == path)?;
    Some(Asset { kind, text })
}

macro_rules! assets {
    ($($path:literal $kind:ident $file:literal,)*) => {
        &[$(($path, $kind, include_str!(concat!("page/", $file))),)*]
    };
}

const ASSETS: &[(&str, &str, &str)] = assets! {
    "/" HTML "index.html",
    "/page/page.css" CSS "page.css",
    "/page/icon.svg" SVG "icon.svg",
    "/page/main.js" JS "main.js",
    "/page/agent.js" JS "agent.js",
    "/page/dom.js" JS "dom.js",
    "/page/table.js" JS "table.js",
    "/page/drawing.js" JS "drawing.js",
    "/page/timeline.js" JS "timeline.js",
    "/page/charts.js" JS "charts.js",
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::{ASSETS, asset};

    #[test]
    fn all_that_the_page_loads_is_there() {
        let mut loaded = 0;
        for (path, _, text) in ASSETS {
            let quoted = text.split(['"', '\'']).skip(1).step_by(2);
            for name in quoted.filter(|it| it.starts_with("./") || it.starts_with("/page/")) {
                let name = name.replacen("./", "/page/", 1);
                assert!(asset(&name).is_some(), "{path} loads {name}");
                loaded += 1;
            }
        }
        assert!(loaded >= ASSETS.len(), "the files were not understood");
    }

    /// The policy forbids it, too; but not in every browser.
    #[test]
    fn no_text_becomes_markup_or_code() {
        for (path, _, text) in ASSETS {
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "javascript:",
                "style=\"",
                "onclick=",
                "<script>",
                "<style",
                "http:",
                "https:",
            ] {
                let found = text.matches(way).count();
                let names = text.matches("http://www.w3.org/").count();
                let is_name_only = way == "http:" && found == names;
                assert!(found == 0 || is_name_only, "{path} has {way}");
            }
        }
    }
}

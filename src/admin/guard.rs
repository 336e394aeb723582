//! Whose requests are answered at an address that anybody on the machine can reach.

use alloc::string::String;
use core::{net::SocketAddr, str::FromStr};

use hyper::{
    HeaderMap, Method,
    header::{HOST, HeaderName, ORIGIN},
};

/// Refuses what changes anything, what was meant for another host, and what another page asks for.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(
            "this address is read-only, since anybody on this machine can reach it: use the Unix \
             socket",
        );
    }
    // Names of others that lead here are how pages get at what is not theirs.
    let host = text(headers, &HOST).unwrap_or_default();
    if !is_loopback(&host) {
        return Err("the request is for another host");
    }
    if let Some(origin) = text(headers, &ORIGIN)
        && origin.strip_prefix("http://") != Some(&host)
    {
        return Err("the request is from a page of another origin");
    }
    let site = HeaderName::from_static("sec-fetch-site");
    match text(headers, &site).as_deref() {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err("the request is from a page of another site"),
    }
}

/// Whether this is a name of this machine's own that nobody else can have lead anywhere. The port may
/// be that of a tunnel.
fn is_loopback(host: &str) -> bool {
    let port = host.strip_prefix("localhost:");
    port.is_some_and(|port| port.parse::<u16>().is_ok())
        || SocketAddr::from_str(host).is_ok_and(|addr| addr.ip().is_loopback())
}

/// A header that is there once; one that is there twice, or is no text, is as good as wrong.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    match (first.to_str(), all.next()) {
        (Ok(text), None) => Some(text.to_ascii_lowercase()),
        _ => Some(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, Method, header::HeaderName};

    use super::check;

    const HOST: (&str, &str) = ("host", "127.0.0.1:9464");

    #[track_caller]
    fn is_let_in(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                value.parse().expect("a value"),
            );
        }
        check(&method, &map).is_ok()
    }

    #[test]
    fn reading_from_here_is_let_in() {
        assert!(is_let_in(Method::GET, &[HOST]));
        assert!(is_let_in(Method::GET, &[("host", "LocalHost:9464")]));
        let own = [
            HOST,
            ("origin", "http://127.0.0.1:9464"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(is_let_in(Method::GET, &own));
        // By a tunnel.
        let tunnel = [
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
        ];
        assert!(is_let_in(Method::GET, &tunnel));
        assert!(is_let_in(Method::GET, &[("host", "[::1]:9464")]));
    }

    #[test]
    fn changes_are_not() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(!is_let_in(method, &[HOST]));
        }
    }

    #[test]
    fn other_hosts_and_pages_are_not() {
        for headers in [
            &[][..],
            &[("host", "evil.example:9464")],
            &[("host", "127.0.0.1")],
            &[("host", "10.0.0.1:9464")],
            &[("host", "127.0.0.1.evil.example:9464")],
            &[("host", "localhost.evil.example:9464")],
            &[("host", "localhost:9464.evil.example")],
            &[("host", "user@localhost:9464")],
            &[HOST, ("origin", "http://127.0.0.1:3000")],
            &[HOST, ("origin", "http://localhost:9464")],
            &[HOST, HOST],
            &[HOST, ("origin", "http://evil.example")],
            &[HOST, ("origin", "null")],
            &[HOST, ("origin", "https://127.0.0.1:9464")],
            &[HOST, ("sec-fetch-site", "cross-site")],
            // From another port of this machine.
            &[HOST, ("sec-fetch-site", "same-site")],
        ] {
            assert!(!is_let_in(Method::GET, headers), "{headers:?}");
        }
    }
}

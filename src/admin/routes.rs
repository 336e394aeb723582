//! Which request is which call.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::convert::Infallible;
use std::time::SystemTime;

use futures::{StreamExt, stream, stream::FusedStream};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
        HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
    },
};
use serde::Serialize;

use super::{
    Admin, Chronicle, CredentialChange, Happening, Refused, guard,
    listener::Way,
    page,
    serve::{Reader, Seat},
    timestamp,
};
use crate::agent::{CommandError, MessageError};

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers a request, whatever it is.
pub(super) async fn answer(
    admin: &Admin,
    seat: &Arc<Seat>,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Way::Http = seat.place.way
        && let Err(why) = guard::check(request.method(), request.headers())
    {
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let path = request.uri().path().to_owned();
    if let Some(asset) = page::asset(&path) {
        return match *request.method() {
            Method::GET => file(&asset),
            _ => wrong_method(Method::GET),
        };
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method().as_str(), parts.as_slice()) {
        ("GET", ["metrics"]) => text("text/plain; version=0.0.4; charset=utf-8", admin.metrics()),
        ("GET", ["v1", "members"]) => members(admin, &request),
        ("GET", ["v1", "info"]) => json(&admin.info()),
        ("GET", ["v1", "stats"]) => json(&admin.stats()),
        ("GET", ["v1", "probing"]) => result(admin.probing().await),
        ("GET", ["v1", "why"]) => json(&admin.accusations()),
        ("GET", ["v1", "why", name]) => result(admin.why(name)),
        ("GET", ["v1", "events"]) => events(admin, seat),
        ("POST", ["v1", "leave"]) => result(admin.leave().await),
        ("POST", ["v1", "down", name]) => result(admin.down(name).await),
        ("POST", ["v1", "join"]) => match body(request).await {
            Ok(bytes) => result(admin.join(String::from_utf8_lossy(&bytes).trim()).await),
            Err(refusal) => refusal,
        },
        ("POST", ["v1", "broadcast"]) => match body(request).await {
            Ok(bytes) => result(admin.broadcast(bytes).await),
            Err(refusal) => refusal,
        },
        ("POST", ["v1", "metadata"]) => match body(request).await {
            Ok(bytes) => result(admin.set_metadata(bytes).await),
            Err(refusal) => refusal,
        },
        ("POST", ["v1", "send", name]) => {
            let is_acknowledged = request.uri().query() != Some("unacknowledged");
            match body(request).await {
                Ok(bytes) => result(admin.send(name, bytes, is_acknowledged).await),
                Err(refusal) => refusal,
            }
        }
        ("POST", ["v1", "rtt"]) => result(admin.distances().await),
        ("POST", ["v1", "rtt", to]) => result(admin.distance(None, to).await),
        ("POST", ["v1", "rtt", from, to]) => result(admin.distance(Some(from), to).await),
        ("POST", ["v1", "reach"]) => result(admin.reach().await),
        ("POST", ["v1", "clocks"]) => result(admin.clocks().await),
        ("POST", ["v1", "credentials"]) => result(admin.credentials().await),
        ("POST", ["v1", what @ ("keys" | "certs"), rest @ ..]) => {
            change(admin, what, rest, request).await
        }
        (_, parts) => unanswered(parts),
    }
}

/// Says by which method a path is asked, if it is one.
fn unanswered(parts: &[&str]) -> Response<Body> {
    match parts {
        ["metrics"]
        | [
            "v1",
            "members" | "info" | "stats" | "probing" | "why" | "events",
        ]
        | ["v1", "why", _] => wrong_method(Method::GET),
        [
            "v1",
            "join" | "leave" | "broadcast" | "metadata" | "rtt" | "reach" | "clocks"
            | "credentials",
        ]
        | ["v1", "down" | "send" | "rtt", _]
        | ["v1", "rtt", _, _]
        | ["v1", "keys" | "certs", ..] => wrong_method(Method::POST),
        _ => refusal(StatusCode::NOT_FOUND, NO_PATH),
    }
}

/// Changes keys or certificates.
async fn change(
    admin: &Admin,
    what: &str,
    how: &[&str],
    request: Request<Incoming>,
) -> Response<Body> {
    let is_forced = request.uri().query() == Some("force");
    let change = match (what, how) {
        ("keys", ["add"]) => match body(request).await {
            Ok(bytes) => {
                CredentialChange::AddKey(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            Err(refusal) => return refusal,
        },
        ("keys", ["use", id]) => CredentialChange::UseKey((*id).to_owned()),
        ("keys", ["remove", id]) => CredentialChange::RemoveKey((*id).to_owned()),
        ("certs", ["install"]) => {
            let bytes = match body(request).await {
                Ok(bytes) => bytes,
                Err(refusal) => return refusal,
            };
            match serde_json::from_slice(&bytes) {
                Ok(installing) => CredentialChange::Install(Box::new(installing)),
                // It may tell what the body has.
                Err(_) => return refusal(StatusCode::BAD_REQUEST, "there are no files in it"),
            }
        }
        ("certs", ["reload"]) => CredentialChange::Reload,
        _ => return refusal(StatusCode::NOT_FOUND, NO_PATH),
    };
    result(admin.change(change, is_forced).await)
}

/// The members, to whoever does not have them yet.
fn members(admin: &Admin, request: &Request<Incoming>) -> Response<Body> {
    // Before they are read: if they change meanwhile, they are asked for once more.
    let edition = format!("\"{}\"", admin.edition());
    let known = request.headers().get(IF_NONE_MATCH);
    let mut response = match known.is_some_and(|known| *known == edition) {
        true => respond(StatusCode::NOT_MODIFIED, "application/json", full("")),
        false => json(&admin.members()),
    };
    if let Ok(edition) = HeaderValue::from_str(&edition) {
        response.headers_mut().insert(ETAG, edition);
    }
    response
}

fn file(asset: &page::Asset) -> Response<Body> {
    let mut response = respond(StatusCode::OK, asset.kind, full(asset.text));
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(page::POLICY);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn body(request: Request<Incoming>) -> Result<Vec<u8>, Response<Body>> {
    let limited = Limited::new(request.into_body(), BODY_MAX);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(_) => Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body broke off, or is larger than a message may be",
        )),
    }
}

/// Events, for as long as somebody reads them: one JSON object per line.
fn events(admin: &Admin, seat: &Arc<Seat>) -> Response<Body> {
    let events = admin.cluster().events();
    // It is over before it began if the agent has no room for another one.
    let reader = match events.is_terminated() {
        true => None,
        false => Reader::new(seat),
    };
    let Some(reader) = reader else {
        seat.place.refuse();
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY_READERS);
        // Or the connection would take a place of those who ask for something else.
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        return response;
    };
    let mut chronicle = Chronicle::default();
    let lines = events.map(move |event| {
        let _ = &reader;
        let happening = chronicle.take(&event);
        let time = timestamp(SystemTime::now());
        line(&Stamped { time, happening })
    });
    // The headers are not sent before there is something to follow them.
    let begin = stream::iter([Frame::data(Bytes::from_static(b"\n"))]);
    let body = StreamBody::new(begin.chain(lines).map(Ok::<_, Infallible>));
    respond(StatusCode::OK, "application/x-ndjson", body.boxed_unsync())
}

#[derive(Serialize)]
struct Stamped {
    time: String,
    #[serde(flatten)]
    happening: Happening,
}

fn line(value: &impl Serialize) -> Frame<Bytes> {
    // It has no map whose keys are not text: there is nothing that could fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    Frame::data(Bytes::from(line))
}

fn result<T: Serialize>(result: Result<T, Refused>) -> Response<Body> {
    match result {
        Ok(value) => json(&value),
        Err(error) => refusal(status(&error), &error.to_string()),
    }
}

fn status(error: &Refused) -> StatusCode {
    match error {
        Refused::NoSuchMember { .. } => StatusCode::NOT_FOUND,
        Refused::Invalid(_) => StatusCode::BAD_REQUEST,
        Refused::Command(CommandError::TooBig { .. })
        | Refused::Message(MessageError::TooBig { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::Command(_) | Refused::Change(_) => StatusCode::CONFLICT,
        Refused::Unready(_) => StatusCode::PRECONDITION_FAILED,
        Refused::Message(_) | Refused::Query(_) => StatusCode::BAD_GATEWAY,
        Refused::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(value) => text("application/json", value),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn wrong_method(allowed: Method) -> Response<Body> {
    let mut response = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path has another method",
    );
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": why }).to_string();
    respond(status, "application/json", full(body))
}

fn text(kind: &'static str, text: String) -> Response<Body> {
    respond(StatusCode::OK, kind, full(text))
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderName::from_static("x-content-type-options");
    headers.insert(nosniff, HeaderValue::from_static("nosniff"));
    // Nobody else's page takes it in, not even as an image or a script.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    response
}

const NO_PATH: &str = "there is no such path";
const TOO_MANY_READERS: &str = "too many read events here already: end one of them, or read at \
                                another place, as the Unix socket";
/// The most bytes of a body: those of the largest message, as agents have it by default.
const BODY_MAX: usize = 16 << 20;

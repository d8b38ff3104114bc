//! Where a request comes from, and what this bridge is called from there. What
//! a reverse proxy says is believed only from the proxies in the settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName, header};

use crate::config::Settings;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The address of the client: the peer's own, or, behind trusted proxies, the
/// nearest one that is not a trusted proxy. Unspecified (`0.0.0.0`) without a
/// connection, as in a test that calls the router directly.
#[must_use]
pub fn client_address(headers: &HeaderMap, extensions: &Extensions, settings: &Settings) -> IpAddr {
    let peer = peer(extensions);
    if !is_trusted(peer, settings) {
        return peer;
    }
    let mut address = peer;
    // From the right: each proxy adds the address that it saw.
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for entry in value.to_str().unwrap_or_default().rsplit(',') {
            let Some(said) = parse_address(entry.trim()) else {
                return address;
            };
            address = said;
            if !is_trusted(said, settings) {
                return said;
            }
        }
    }
    address
}

/// Takes away what only a trusted proxy may say, if the peer is none. Done once
/// by the guard, so that what stands behind it can believe these headers.
pub fn drop_untrusted(headers: &mut HeaderMap, extensions: &Extensions, settings: &Settings) {
    if !is_trusted(peer(extensions), settings) {
        headers.remove(X_FORWARDED_FOR);
        headers.remove(X_FORWARDED_PROTO);
    }
}

/// The origin at which the user sees this bridge, such as
/// `https://bridge.example.com`, without a slash at the end: the one in the
/// settings, else the one that the request names. Call it behind the guard.
#[must_use]
pub fn own_origin(headers: &HeaderMap, settings: &Settings) -> String {
    if let Some(origin) = settings.public_url.as_deref().and_then(origin_of) {
        return origin;
    }
    let https = !settings.trusted_proxies.is_empty() && says_https(headers);
    let scheme = if https { "https" } else { "http" };
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    origin_of(&format!("{scheme}://{host}")).unwrap_or_else(|| format!("{scheme}://{}", settings.site_addr))
}

/// Whether the user sees this bridge over https.
#[must_use]
pub fn is_https(headers: &HeaderMap, settings: &Settings) -> bool {
    own_origin(headers, settings).starts_with("https://")
}

/// The same outside of the guard, for an answer's headers: cheap, since it is asked for each
/// call.
#[must_use]
pub fn is_https_from(headers: &HeaderMap, extensions: &Extensions, settings: &Settings) -> bool {
    match &settings.public_url {
        Some(url) => url.starts_with("https://"),
        None => says_https(headers) && is_trusted(peer(extensions), settings),
    }
}

/// What a proxy says of the connection to the client.
fn says_https(headers: &HeaderMap) -> bool {
    let said = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok());
    said.and_then(|proto| proto.split(',').next())
        .is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

/// Whether the page that sent this request is one of ours. `Sec-Fetch-Site`
/// decides where a browser sends it (no page can forge it); else `Origin`, else
/// `Referer` must name our own origin. A request with none of them is not ours.
#[must_use]
pub fn is_own_page(headers: &HeaderMap, settings: &Settings) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let named = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER));
    named
        .and_then(|value| value.to_str().ok())
        .and_then(origin_of)
        .is_some_and(|origin| origin == own_origin(headers, settings))
}

/// Scheme, host and port of an http(s) address, as a browser writes them.
fn origin_of(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (web && url.has_host()).then(|| url.origin().ascii_serialization())
}

fn peer(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| {
            address.ip().to_canonical()
        })
}

fn is_trusted(address: IpAddr, settings: &Settings) -> bool {
    settings
        .trusted_proxies
        .iter()
        .any(|proxy| proxy.to_canonical() == address)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use http::HeaderValue;

    use super::*;
    use crate::config::Cli;

    fn settings(args: &[&str]) -> Settings {
        Cli::try_parse_from([&["odoo-bridge"], args].concat())
            .expect("the arguments parse")
            .settings
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn from(peer: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo::<SocketAddr>(peer.parse().expect("an address")));
        extensions
    }

    fn client(pairs: &[(&'static str, &'static str)], peer: &str, trusted: &str) -> String {
        client_address(&headers(pairs), &from(peer), &settings(&["--trusted-proxies", trusted])).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
        let said = [("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client(&said, "10.0.0.1:5000", "10.0.0.1"), "203.0.113.7");
        assert_eq!(client(&said, "10.0.0.2:5000", "10.0.0.1"), "10.0.0.2");
    }

    #[test]
    fn a_client_can_not_forge_its_address_in_front_of_a_proxy() {
        let said = [("x-forwarded-for", "198.51.100.1, 203.0.113.7, 10.0.0.9")];
        assert_eq!(client(&said, "10.0.0.1:5000", "10.0.0.1,10.0.0.9"), "203.0.113.7");
        assert_eq!(
            client(&[("x-forwarded-for", "1.2.3.4, nonsense")], "10.0.0.1:5000", "10.0.0.1"),
            "10.0.0.1"
        );
        assert_eq!(
            client(&[("x-forwarded-for", "[2001:db8::1]:44")], "10.0.0.1:5000", "10.0.0.1"),
            "2001:db8::1"
        );
    }

    #[test]
    fn the_own_origin_is_the_public_url_or_the_request() {
        let set = settings(&["--public-url", "https://Bridge.example.com:443/"]);
        assert_eq!(
            own_origin(&headers(&[("host", "10.0.0.5:3000")]), &set),
            "https://bridge.example.com"
        );
        let unset = settings(&[]);
        assert_eq!(
            own_origin(&headers(&[("host", "10.0.0.5:3000")]), &unset),
            "http://10.0.0.5:3000"
        );
        assert_eq!(
            own_origin(&headers(&[("host", "a b<script>")]), &unset),
            "http://127.0.0.1:3000"
        );
    }

    #[test]
    fn https_in_front_counts_from_a_trusted_proxy_only() {
        let trusting = settings(&["--trusted-proxies", "10.0.0.1"]);
        let said = headers(&[("host", "bridge.example.com"), ("x-forwarded-proto", "https")]);
        assert!(is_https(&said, &trusting));
        let mut dropped = said.clone();
        drop_untrusted(&mut dropped, &from("10.0.0.2:5000"), &trusting);
        assert!(!is_https(&dropped, &trusting));
        assert!(!is_https(&said, &settings(&[])));
    }

    #[test]
    fn only_our_own_pages_may_write() {
        let set = settings(&[]);
        let own = |pairs: &[(&'static str, &'static str)]| {
            is_own_page(&headers(&[&[("host", "localhost:3000")], pairs].concat()), &set)
        };
        assert!(own(&[("origin", "http://localhost:3000")]));
        assert!(own(&[("referer", "http://localhost:3000/login?next=/keys")]));
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        for wrong in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://localhost:3000")],
            &[("origin", "http://localhost:3001")],
            &[("origin", "http://localhost:3000.evil.example")],
            &[("origin", "http://localhost:3000@evil.example")],
            &[("origin", "http://evil.example"), ("referer", "http://localhost:3000/")],
            &[("referer", "http://evil.example/http://localhost:3000/")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!own(wrong), "{wrong:?}");
        }
    }
}

//! The site's files (script, WebAssembly, styles, icons): inside the binary in a
//! release, read from `target/site` in a debug build. A file asked for by its
//! hash is kept by the browser for good; one without is asked for again, and
//! costs an empty answer if it is still the same.

use std::borrow::Cow;
#[cfg(not(debug_assertions))]
use std::{collections::HashMap, sync::OnceLock};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::{AppError, ErrorCode};

#[derive(RustEmbed)]
#[folder = "target/site"]
#[allow_missing = true]
struct Site;

/// Kept without asking again: its address changes with its content.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Kept, but only used after asking whether it changed.
const ASK_AGAIN: &str = "no-cache";

/// The form in which a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// Smallest first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    const fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }
}

/// The address of a file of the site, with its content's hash: `/pkg/a.js` →
/// `/pkg/a.js?v=0123456789abcdef`. A file that is not there keeps its plain path.
#[must_use]
pub fn url(path: &str) -> String {
    match file_name(path).and_then(hash_of) {
        Some(hash) => format!("{path}?v={hash}"),
        None => path.to_owned(),
    }
}

/// The file at the request's path, or `None` if the site has no such file.
///
/// Takes GET and HEAD; answers 405 to other methods.
#[must_use]
pub fn response_for(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let name = file_name(uri.path())?;
    let hash = hash_of(name)?;
    if method != Method::GET && method != Method::HEAD {
        let mut response = AppError::new(
            ErrorCode::MethodNotAllowed,
            "A file of the site can only be read, with GET.",
        )
        .into_response();
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let (encoding, file) = pick(name, headers.get(header::ACCEPT_ENCODING))?;
    let etag = match encoding {
        Encoding::Identity => format!("\"{hash}\""),
        other => format!("\"{hash}-{}\"", other.token()),
    };
    let by_hash = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(&*hash);
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| names_etag(known, &etag));

    let response = Response::builder()
        .header(header::ETAG, etag)
        .header(header::VARY, "accept-encoding")
        .header(header::CACHE_CONTROL, if by_hash { FOR_GOOD } else { ASK_AGAIN })
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if unchanged {
        return response.status(StatusCode::NOT_MODIFIED).body(Body::empty()).ok();
    }
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut response = response
        .header(header::CONTENT_TYPE, content_type(name))
        .header(header::CONTENT_LENGTH, bytes.len());
    if encoding != Encoding::Identity {
        response = response.header(header::CONTENT_ENCODING, encoding.token());
    }
    response
        .body(if method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(bytes)
        })
        .ok()
}

/// The handler for addresses that can only be a file of the site.
///
/// # Errors
/// `not_found`.
pub async fn serve_site(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, AppError> {
    response_for(&method, &uri, &headers)
        .ok_or_else(|| AppError::new(ErrorCode::NotFound, "There is no such file on this site."))
}

/// The file's name inside the site, if the path may name one: plain segments
/// only, so that no path leads out of the site or to a hidden file. Compressed
/// copies have no address of their own.
fn file_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(plain);
    let compressed = [Encoding::Brotli, Encoding::Gzip]
        .iter()
        .any(|encoding| name.ends_with(encoding.suffix()));
    (name.split('/').all(good) && !compressed).then_some(name)
}

/// The first 16 hex digits of the content's SHA-256.
#[cfg(debug_assertions)]
fn hash_of(name: &str) -> Option<Cow<'static, str>> {
    // A build may replace the file at any time.
    Site::get(name).map(|file| Cow::Owned(short_hash(&file)))
}

/// The first 16 hex digits of the content's SHA-256.
#[cfg(not(debug_assertions))]
fn hash_of(name: &str) -> Option<Cow<'static, str>> {
    static HASHES: OnceLock<HashMap<Cow<'static, str>, String>> = OnceLock::new();
    let hashes = HASHES.get_or_init(|| {
        Site::iter()
            .filter_map(|name| Site::get(&name).map(|file| (name, short_hash(&file))))
            .collect()
    });
    hashes.get(name).map(|hash| Cow::Borrowed(hash.as_str()))
}

fn short_hash(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..8]
        .iter()
        .fold(String::with_capacity(16), |mut hex, byte| {
            use std::fmt::Write as _;
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The copy of the file that the client likes best and the site has.
fn pick(name: &str, accept: Option<&HeaderValue>) -> Option<(Encoding, EmbeddedFile)> {
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut liked: Vec<(f32, Encoding)> = Encoding::ALL
        .map(|encoding| (quality(accept, encoding), encoding))
        .into();
    // Stable: of equally liked ones the smallest stays first.
    liked.sort_by(|a, b| b.0.total_cmp(&a.0));
    liked
        .into_iter()
        .filter(|(quality, encoding)| *quality > 0.0 || *encoding == Encoding::Identity)
        .find_map(|(_, encoding)| Site::get(&format!("{name}{}", encoding.suffix())).map(|file| (encoding, file)))
}

/// How much the client likes an encoding, 0 (not at all) to 1.
fn quality(accept: &str, encoding: Encoding) -> f32 {
    let mut any = None;
    for part in accept.split(',') {
        let mut fields = part.split(';').map(str::trim);
        let token = fields.next().unwrap_or_default();
        let quality = fields
            .find_map(|field| field.strip_prefix("q=").or_else(|| field.strip_prefix("Q=")))
            .map_or(1.0, |text| {
                text.trim()
                    .parse::<f32>()
                    .ok()
                    .filter(|q| (0.0..=1.0).contains(q))
                    .unwrap_or(0.0)
            });
        if token.eq_ignore_ascii_case(encoding.token()) {
            return quality;
        }
        if token == "*" {
            any = Some(quality);
        }
    }
    match (any, encoding) {
        // Plain bytes go to everyone who did not say no; what is named comes first.
        (None, Encoding::Identity) => f32::MIN_POSITIVE,
        (quality, _) => quality.unwrap_or(0.0),
    }
}

fn names_etag(header: &HeaderValue, etag: &str) -> bool {
    let Ok(known) = header.to_str() else { return false };
    known
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn content_type(name: &str) -> String {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    if mime.type_() == "text" || mime.subtype() == "javascript" {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_site_or_to_a_hidden_file() {
        assert_eq!(file_name("/pkg/odoo-bridge_bg.wasm"), Some("pkg/odoo-bridge_bg.wasm"));
        for wrong in [
            "",
            "/",
            "pkg/a.js",
            "//a",
            "/../Cargo.toml",
            "/pkg/../../Cargo.toml",
            "/.env",
            "/pkg/.hidden",
            "/%2e%2e/a",
            "/pkg/a.js.br",
            "/pkg/a.js.gz",
            "/a\\b",
            "/pkg/",
            "/a\0",
        ] {
            assert_eq!(file_name(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_client_decides_how_a_file_is_compressed() {
        let best = |accept: &str| {
            let mut liked = Encoding::ALL.map(|encoding| (quality(accept, encoding), encoding));
            liked.sort_by(|a, b| b.0.total_cmp(&a.0));
            liked[0].1
        };
        assert_eq!(best("gzip, deflate, br, zstd"), Encoding::Brotli);
        assert_eq!(best("gzip"), Encoding::Gzip);
        assert_eq!(best("br;q=0.2, gzip;q=0.9"), Encoding::Gzip);
        assert_eq!(best("br;q=0, gzip;q=0"), Encoding::Identity);
        assert_eq!(best("*"), Encoding::Brotli);
        assert_eq!(best("identity, br;q=0.5"), Encoding::Identity);
        assert_eq!(best(""), Encoding::Identity);
        assert_eq!(best("br;q=nonsense"), Encoding::Identity);
    }

    #[test]
    fn an_etag_is_found_in_a_list_and_behind_a_weak_mark() {
        let names = |list: &'static str| names_etag(&HeaderValue::from_static(list), "\"ab-br\"");
        assert!(names("\"ab-br\"") && names("\"x\", W/\"ab-br\"") && names("*"));
        assert!(!names("\"ab\"") && !names("ab-br") && !names(""));
    }

    #[test]
    fn files_have_the_types_that_browsers_insist_on() {
        assert_eq!(content_type("a.wasm"), "application/wasm");
        assert_eq!(content_type("a.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.svg"), "image/svg+xml");
        assert_eq!(content_type("a.webmanifest"), "application/manifest+json");
    }
}

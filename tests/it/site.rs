//! The site's files as a browser gets them. In a debug build they are read from
//! `target/site`, so the test puts a few of its own there.
#![cfg(debug_assertions)]

use std::fs;
use std::path::PathBuf;

use axum::body::to_bytes;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use odoo_bridge::server::site;

const TEXT: &str = "export const answer = 42;\n";

/// A folder of the site, gone when the test ends.
struct Folder {
    name: String,
    path: PathBuf,
}

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("it-{test}-{}", std::process::id());
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("target/site")
            .join(&name);
        fs::create_dir_all(&path).expect("a folder of the site");
        fs::write(path.join("a.js"), TEXT).expect("a file");
        fs::write(path.join("a.js.br"), b"as brotli").expect("a file");
        fs::write(path.join("a.js.gz"), b"as gzip").expect("a file");
        fs::write(path.join(".hidden"), b"hidden").expect("a file");
        fs::write(path.join("plain.svg"), b"<svg/>").expect("a file");
        Self { name, path }
    }

    fn at(&self, file: &str) -> String {
        format!("/{}/{file}", self.name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn ask(method: &Method, uri: &str, headers: &[(HeaderName, &str)]) -> Option<Response> {
    let uri: Uri = uri.parse().expect("an address");
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    site::response_for(method, &uri, &map)
}

fn get(uri: &str, headers: &[(HeaderName, &str)]) -> Response {
    ask(&Method::GET, uri, headers).expect("the site has it")
}

fn value(response: &Response, name: HeaderName) -> &str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

async fn body(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), 1 << 20).await.expect("a body").to_vec()
}

#[tokio::test]
async fn a_file_asked_for_by_its_hash_is_kept_for_good_and_by_no_other() {
    let folder = Folder::new("hash");
    let url = site::url(&folder.at("a.js"));
    assert!(url.contains("?v="), "{url}");
    let response = get(&url, &[]);
    assert_eq!(
        value(&response, header::CACHE_CONTROL),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(value(&response, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(value(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(body(response).await, TEXT.as_bytes());

    for other in [
        folder.at("a.js"),
        format!("{}?v=0000000000000000", folder.at("a.js")),
        format!("{url}0"),
    ] {
        assert_eq!(value(&get(&other, &[]), header::CACHE_CONTROL), "no-cache", "{other}");
    }
    fs::write(folder.path.join("a.js"), "changed").expect("written");
    assert_ne!(site::url(&folder.at("a.js")), url, "a changed file keeps its address");
    assert_eq!(value(&get(&url, &[]), header::CACHE_CONTROL), "no-cache");
}

#[tokio::test]
async fn each_encoding_has_its_own_bytes_and_tag() {
    let folder = Folder::new("encoding");
    let js = folder.at("a.js");
    let mut tags = Vec::new();
    for (accept, encoding, bytes) in [
        ("gzip, deflate, br, zstd", "br", "as brotli"),
        ("gzip", "gzip", "as gzip"),
        ("br;q=0, gzip;q=0.5", "gzip", "as gzip"),
        ("", "", TEXT),
        ("identity", "", TEXT),
    ] {
        let response = get(&js, &[(header::ACCEPT_ENCODING, accept)]);
        assert_eq!(value(&response, header::CONTENT_ENCODING), encoding, "{accept}");
        assert_eq!(value(&response, header::VARY), "accept-encoding");
        assert_eq!(value(&response, header::CONTENT_LENGTH), bytes.len().to_string());
        tags.push(value(&response, header::ETAG).to_owned());
        assert_eq!(body(response).await, bytes.as_bytes(), "{accept}");
    }
    assert!(
        tags[0] != tags[1] && tags[1] == tags[2] && tags[2] != tags[3] && tags[3] == tags[4],
        "{tags:?}"
    );
    let svg = get(&folder.at("plain.svg"), &[(header::ACCEPT_ENCODING, "br")]);
    assert_eq!(
        value(&svg, header::CONTENT_ENCODING),
        "",
        "what was not compressed goes plain"
    );
}

#[tokio::test]
async fn an_unchanged_file_costs_no_bytes() {
    let folder = Folder::new("etag");
    let js = folder.at("a.js");
    let etag = value(&get(&js, &[]), header::ETAG).to_owned();
    let again = get(&js, &[(header::IF_NONE_MATCH, &format!("\"other\", {etag}"))]);
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(value(&again, header::ETAG), etag);
    assert!(body(again).await.is_empty());
    assert_eq!(
        get(&js, &[(header::IF_NONE_MATCH, "\"other\"")]).status(),
        StatusCode::OK
    );
    // The tag of the plain bytes says nothing about the compressed ones.
    let compressed = get(&js, &[(header::IF_NONE_MATCH, &etag), (header::ACCEPT_ENCODING, "br")]);
    assert_eq!(compressed.status(), StatusCode::OK);
}

#[tokio::test]
async fn files_are_only_read() {
    let folder = Folder::new("method");
    let js = folder.at("a.js");
    let head = ask(&Method::HEAD, &js, &[]).expect("the site has it");
    assert_eq!(value(&head, header::CONTENT_LENGTH), TEXT.len().to_string());
    assert!(body(head).await.is_empty());
    let post = ask(&Method::POST, &js, &[]).expect("the site has it");
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(value(&post, header::ALLOW), "GET, HEAD");
}

#[test]
fn nothing_else_is_served() {
    let folder = Folder::new("other");
    assert!(ask(&Method::GET, &folder.at("plain.svg"), &[]).is_some());
    for path in [
        folder.at("a.js.br"),
        folder.at("a.js.gz"),
        folder.at(".hidden"),
        folder.at(""),
        folder.at("none.js"),
        folder.at("../../../Cargo.toml"),
        folder.at("%2e%2e/%2e%2e/%2e%2e/Cargo.toml"),
        "/../../Cargo.toml".into(),
        "//etc/passwd".into(),
        "/".into(),
    ] {
        assert!(ask(&Method::GET, &path, &[]).is_none(), "{path} is served");
    }
}

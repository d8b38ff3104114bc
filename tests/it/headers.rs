//! What browsers are told with every answer, as it is served.

use sqlx::PgPool;

use crate::helpers::TestApp;
use crate::people::page;

const HSTS: &str = "strict-transport-security";

#[sqlx::test]
async fn whoever_comes_over_https_is_told_to_stay_there_and_nobody_else(pool: PgPool) {
    let behind_proxy = TestApp::spawn_with(pool.clone(), &["--trusted-proxies", "127.0.0.1"]).await;
    let told = async |app: &TestApp, path: &str, proto: Option<&str>| {
        let request = app.anonymous().client.get(format!("{}{path}", app.address));
        let request = match proto {
            Some(proto) => request.header("X-Forwarded-Proto", proto),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        response
            .headers()
            .get(HSTS)
            .map(|value| value.to_str().expect("text").to_owned())
    };
    let year = Some("max-age=31536000".to_owned());
    // A page, what is no page, a file, and the product.
    for path in ["/login", "/setup", "/readyz", "/openapi.json", "/nothing-here", "/call"] {
        assert_eq!(told(&behind_proxy, path, Some("https")).await, year, "{path}");
        assert_eq!(told(&behind_proxy, path, Some("http")).await, None, "{path}");
        assert_eq!(told(&behind_proxy, path, None).await, None, "{path}");
    }
    let plain = TestApp::spawn(pool.clone()).await;
    assert_eq!(
        told(&plain, "/login", Some("https")).await,
        None,
        "who is no proxy is not believed"
    );
    assert_eq!(told(&plain, "/call", Some("https")).await, None);
    let named = TestApp::spawn_with(pool, &["--public-url", "https://bridge.example.com"]).await;
    for path in ["/login", "/call"] {
        assert_eq!(told(&named, path, None).await, year, "{path}");
    }
}

#[sqlx::test]
async fn every_answer_tells_browsers_to_guess_nothing_and_to_give_nothing_away(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = app.signed_in().await;
    for path in [
        "/keys",
        "/people",
        "/audit",
        "/audit.csv",
        "/calls.csv",
        "/healthz",
        "/nothing-here",
    ] {
        let response = admin.get(path).await;
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().expect("text").to_owned())
        };
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(header(name).as_deref(), Some(expected), "{path}: {name}");
        }
    }
}

#[sqlx::test]
async fn every_script_of_a_page_as_it_is_served_is_our_own_or_has_the_pages_nonce(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = app.signed_in().await;
    let mut nonces = Vec::new();
    for path in [
        "/keys",
        "/people",
        "/audit",
        "/calls",
        "/account/security",
        "/guide",
        "/speed-test",
        "/connection",
    ] {
        let (status, html) = page(&admin, path).await;
        assert_eq!(status, 200, "{path}");
        let policy = html.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1);
        let policy = policy.and_then(|rest| rest.split('"').next()).expect("a policy");
        let policy = policy
            .replace("&#x27;", "'")
            .replace("&#39;", "'")
            .replace("&apos;", "'");
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
        let nonce = nonce.expect("a nonce").to_owned();
        assert!(nonce.len() >= 16, "{path}: {nonce}");
        for rule in [
            "default-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "style-src 'self'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        for wrong in ["unsafe-inline", "'unsafe-eval'", "https:", "http:", " * "] {
            assert!(!policy.contains(wrong), "{path}: {policy}");
        }
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().expect("a tag");
            assert!(
                tag.contains("src=\"/") && !tag.contains("src=\"//") || tag.contains(&format!("nonce=\"{nonce}\"")),
                "{path}: <script{tag}>"
            );
        }
        for elsewhere in ["src=\"http", "src=\"//", "url(http", "@import"] {
            assert!(!html.contains(elsewhere), "{path}: {elsewhere}");
        }
        nonces.push(nonce);
    }
    let pages = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), pages, "a nonce is of one page only");
}

//! The HTML document around every page: what the browser must know before the
//! first word of the page, and how the page comes alive.
//!
//! It runs no script but its own (by nonce) and the bridge's own files, and
//! talks to nobody but the bridge.

use http::header::COOKIE;
use http::request::Parts;
use leptos::config::LeptosOptions;
use leptos::hydration::AutoReload;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::app::App;
use crate::frame::theme::Theme;
use crate::server::site;
use crate::session::guard::signed_in;

/// The document, for the request in the context (or for none, when the routes
/// are listed at the start).
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let nonce = use_nonce();
    let policy = content_security_policy(nonce.as_deref().unwrap_or_default());
    let theme = chosen_theme().unwrap_or_default();
    let role = signed_in().ok().map(|user| user.role.as_str());
    let script = site::url("/pkg/odoo-bridge.js");
    let wasm = site::url("/pkg/odoo-bridge_bg.wasm");
    // Not Leptos' own HydrationScripts: our files carry their hash in the query.
    let start = format!(
        "import({script:?}).then((page) => page.default({{ module_or_path: {wasm:?} }}).then(() => page.hydrate()));"
    );
    view! {
        <!DOCTYPE html>
        // Style hides what a role may not do; the guard refuses it.
        <html lang="en" data-theme=theme.attribute() data-role=role>
            <head>
                <meta charset="utf-8" />
                <meta http-equiv="Content-Security-Policy" content=policy />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content=theme.color_scheme() />
                <meta name="robots" content="noindex" />
                <link rel="stylesheet" href=site::url("/pkg/odoo-bridge.css") />
                <link rel="icon" type="image/svg+xml" href=site::url("/favicon.svg") />
                <link rel="manifest" href=site::url("/site.webmanifest") />
                <link rel="modulepreload" href=script />
                <link rel="preload" r#as="fetch" r#type="application/wasm" crossorigin="anonymous" href=wasm />
                <script type="module" nonce=nonce>
                    {start}
                </script>
                // Of its own, because what comes with a printed page does not run.
                <script type="module" src=site::url("/live.js")></script>
                <script type="module" src=site::url("/passkeys.js")></script>
                <AutoReload options=options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

fn chosen_theme() -> Option<Theme> {
    let parts = use_context::<Parts>()?;
    let cookies = parts.headers.get(COOKIE)?.to_str().ok()?;
    Some(Theme::of_cookies(cookies))
}

/// What the page may load and run. In a debug build it may also listen to
/// cargo-leptos, which says when to reload.
fn content_security_policy(nonce: &str) -> String {
    let reload = if cfg!(debug_assertions) {
        " ws://localhost:* ws://127.0.0.1:*"
    } else {
        ""
    };
    format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{reload}; object-src 'none'; base-uri 'none'; form-action 'self'"
    )
}

#[cfg(test)]
mod tests {
    use super::content_security_policy;

    #[test]
    fn no_script_runs_that_does_not_carry_the_nonce() {
        let policy = content_security_policy("abc");
        let scripts = policy
            .split("; ")
            .find(|rule| rule.starts_with("script-src"))
            .expect("a rule for scripts");
        assert_eq!(scripts, "script-src 'self' 'nonce-abc' 'wasm-unsafe-eval'");
        assert!(!policy.contains("unsafe-inline"));
    }
}

//! The code that the guide shows. Each piece is one template in `snippets/`,
//! which the tests run for real; this bridge's own address is filled in here.
//!
//! Colors are made once, on first use: the definitions of the languages are
//! large, so they are dropped again when the few pieces are done.

use std::sync::OnceLock;

use syntect::html::{ClassStyle, ClassedHTMLGenerator};
use syntect::parsing::SyntaxSet;
use syntect::util::LinesWithEndings;

use crate::guide::model::{Code, Snippet};

/// Stands in the templates for this bridge's address. One word, so that no
/// language breaks it into two tokens.
const ORIGIN: &str = "ODOOBRIDGEORIGIN";
/// Shown when the request's own idea of our address can't be one.
const NO_ORIGIN: &str = "https://your-domain.com";

const REQUEST_BODY: &str = include_str!("snippets/request_body.json");
const SUCCESS: &str = include_str!("snippets/success.json");
const FAILURE: &str = include_str!("snippets/failure.json");

/// What is known of a snippet before it is colored.
struct Template {
    id: &'static str,
    title: &'static str,
    language: Language,
    note: &'static str,
    text: &'static str,
}

#[derive(Clone, Copy)]
enum Language {
    JavaScript,
    Shell,
    Json,
}

impl Language {
    /// The extension by which the highlighter knows it.
    const fn extension(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Shell => "sh",
            Self::Json => "json",
        }
    }
}

const TEMPLATES: [Template; 3] = [
    Template {
        id: "fetch",
        title: "JavaScript fetch",
        language: Language::JavaScript,
        note: "For pages served from this bridge's own address: a browser does not let pages of other sites read the answer. Whoever opens such a page can read the key in it, so give it a key of its own that expires.",
        text: include_str!("snippets/fetch.js"),
    },
    Template {
        id: "apps-script",
        title: "Google Apps Script",
        language: Language::JavaScript,
        note: "For Google Sheets and the like. Keep the key in the script property ODOO_BRIDGE_KEY, not in the code, where everyone who can open the sheet would see it. Google must reach this address from the internet, and ends a call after 60 seconds.",
        text: include_str!("snippets/apps_script.gs"),
    },
    Template {
        id: "curl",
        title: "curl",
        language: Language::Shell,
        note: "For a shell, a scheduled job, or a first try.",
        text: include_str!("snippets/curl.sh"),
    },
];

/// All the colored HTML, with the placeholder in it.
struct Colored {
    snippets: [String; 3],
    request_body: String,
    success: String,
    failure: String,
}

fn colored() -> &'static Colored {
    static COLORED: OnceLock<Colored> = OnceLock::new();
    COLORED.get_or_init(|| {
        let syntaxes = SyntaxSet::load_defaults_newlines();
        Colored {
            snippets: TEMPLATES.map(|template| color(&syntaxes, template.language, template.text)),
            request_body: color(&syntaxes, Language::Json, REQUEST_BODY),
            success: color(&syntaxes, Language::Json, SUCCESS),
            failure: color(&syntaxes, Language::Json, FAILURE),
        }
    })
}

/// The text as HTML with a class for each kind of token; plain if the
/// highlighter fails, for colors are no reason to show no code.
fn color(syntaxes: &SyntaxSet, language: Language, text: &str) -> String {
    let syntax = syntaxes
        .find_syntax_by_extension(language.extension())
        .unwrap_or_else(|| syntaxes.find_syntax_plain_text());
    let text = text.trim_end();
    let mut generator =
        ClassedHTMLGenerator::new_with_class_style(syntax, syntaxes, ClassStyle::SpacedPrefixed { prefix: "hl-" });
    for line in LinesWithEndings::from(text) {
        if generator.parse_html_for_line_which_includes_newline(line).is_err() {
            return escape(text);
        }
    }
    generator.finalize()
}

/// The three snippets for the bridge at `origin`, in the order of the tabs.
#[must_use]
pub fn snippets(origin: &str) -> Vec<Snippet> {
    let origin = usable_origin(origin);
    TEMPLATES
        .iter()
        .zip(&colored().snippets)
        .map(|(template, html)| Snippet {
            id: template.id.to_owned(),
            title: template.title.to_owned(),
            note: template.note.to_owned(),
            code: named(template.id, fill(template.text, html, origin)),
        })
        .collect()
}

/// The request's body: shown with its comments, copied without, because JSON has
/// none and a copy should work.
#[must_use]
pub fn request_body() -> Code {
    let without_comments: Vec<_> = REQUEST_BODY
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim_end())
        .collect();
    named(
        "request-body",
        Code {
            text: without_comments.join("\n"),
            html: colored().request_body.clone(),
        },
    )
}

/// An answer when all went well.
#[must_use]
pub fn success() -> Code {
    named(
        "success",
        Code {
            text: SUCCESS.trim_end().to_owned(),
            html: colored().success.clone(),
        },
    )
}

/// An answer when it did not.
#[must_use]
pub fn failure() -> Code {
    named(
        "failure",
        Code {
            text: FAILURE.trim_end().to_owned(),
            html: colored().failure.clone(),
        },
    )
}

/// `origin` if it is made of what an address is made of. It may be taken from a
/// request's `Host`, which its sender chooses, and ends in code that people
/// paste into a shell: escaping for HTML is not enough.
#[must_use]
pub fn usable_origin(origin: &str) -> &str {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_~/[]".contains(&byte);
    let address = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    if address.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(sane)) {
        origin
    } else {
        NO_ORIGIN
    }
}

fn fill(text: &str, html: &str, origin: &str) -> Code {
    Code {
        text: text.trim_end().replace(ORIGIN, origin),
        html: html.replace(ORIGIN, &escape(origin)),
    }
}

/// Gives the text a stable name in the page, for links and tests.
fn named(id: &str, code: Code) -> Code {
    Code {
        html: format!("<span data-testid=\"snippet-{id}\">{}</span>", code.html),
        ..code
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser makes of it: the tags gone, the escapes undone.
    fn text_of(html: &str) -> String {
        let mut text = String::new();
        let mut rest = html;
        while let Some((before, after)) = rest.split_once('<') {
            text.push_str(before);
            rest = after.split_once('>').map_or("", |(_, after)| after);
        }
        text.push_str(rest);
        for (escaped, char) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ] {
            text = text.replace(escaped, char);
        }
        text
    }

    #[test]
    fn what_is_shown_is_what_is_copied() {
        for snippet in snippets("https://bridge.example.com") {
            assert_eq!(text_of(&snippet.code.html), snippet.code.text, "{}", snippet.id);
            assert!(
                snippet.code.html.contains("class=\"hl-"),
                "{} has no colors",
                snippet.id
            );
            assert!(!snippet.code.text.contains(ORIGIN), "{} has its address", snippet.id);
        }
        for code in [success(), failure()] {
            assert_eq!(text_of(&code.html), code.text);
        }
    }

    #[test]
    fn the_examples_are_json_and_the_failure_is_one_that_the_bridge_answers() {
        let _: serde_json::Value = serde_json::from_str(&request_body().text).expect("JSON");
        let success: serde_json::Value = serde_json::from_str(&success().text).expect("JSON");
        assert_eq!(success["success"], true);
        let failure: serde_json::Value = serde_json::from_str(&failure().text).expect("JSON");
        let code: crate::error::ErrorCode = serde_json::from_value(failure["code"].clone()).expect("a code");
        assert_eq!(failure["retryable"], code.retryable());
        assert!(text_of(&super::request_body().html).contains("// optional"));
    }

    #[test]
    fn an_address_that_is_none_never_gets_into_code() {
        for good in [
            "http://127.0.0.1:3000",
            "https://bridge.example.com",
            "http://[::1]:3000",
            "https://example.com/odoo-bridge",
        ] {
            assert_eq!(usable_origin(good), good);
        }
        for hostile in [
            "http://x$(id)",
            "http://x;id",
            "http://x\"+y",
            "http://<b>",
            "http://x y",
            "http://",
            "javascript:x",
            "http://x'",
        ] {
            assert_eq!(usable_origin(hostile), NO_ORIGIN);
        }
    }
}

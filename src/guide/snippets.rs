//! The code that the guide shows. Each piece is one template in `snippets/`,
//! which the tests run for real; this bridge's own address is filled in here.
//!
//! Beside each template lies the same in colors, as HTML. A test makes these
//! files with a highlighter and holds them equal to the templates: the running
//! bridge has no need of one (25 MB of memory, half a second on first use).

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What the copy button copies.
    pub text: String,
    /// The same in syntax colors: trusted HTML, everything in it is escaped.
    pub html: String,
}

/// Code for one kind of client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Its name in the page: `fetch`, `apps-script`, `curl`.
    pub id: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// What to know before it is used.
    pub note: &'static str,
    /// The code.
    pub code: Code,
}

/// Stands in the templates for this bridge's address. One word, so that no
/// language breaks it into two tokens.
const ORIGIN: &str = "ODOOBRIDGEORIGIN";
/// Shown when the request's own idea of our address can't be one.
const NO_ORIGIN: &str = "https://your-domain.com";

/// A template and its colors.
struct Template {
    text: &'static str,
    html: &'static str,
}

macro_rules! template {
    ($name:literal, $extension:literal) => {
        Template {
            text: include_str!(concat!("snippets/", $name, ".", $extension)),
            html: include_str!(concat!("snippets/", $name, ".html")),
        }
    };
}

const REQUEST_BODY: Template = template!("request_body", "json");
const SUCCESS: Template = template!("success", "json");
const FAILURE: Template = template!("failure", "json");

/// A tab of the guide.
struct Tab {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    template: Template,
}

const TABS: [Tab; 3] = [
    Tab {
        id: "fetch",
        title: "JavaScript fetch",
        note: "For pages served from this bridge's own address: a browser does not let pages of other sites read the answer. Whoever opens such a page can read the key in it, so give it a key of its own that expires.",
        template: template!("fetch", "js"),
    },
    Tab {
        id: "apps-script",
        title: "Google Apps Script",
        note: "For Google Sheets and the like. Keep the key in the script property ODOO_BRIDGE_KEY, not in the code, where everyone who can open the sheet would see it. Google must reach this address from the internet, and ends a call after 60 seconds.",
        template: template!("apps_script", "gs"),
    },
    Tab {
        id: "curl",
        title: "curl",
        note: "For a shell, a scheduled job, or a first try.",
        template: template!("curl", "sh"),
    },
];

/// The three snippets for the bridge at `origin`, in the order of the tabs.
#[must_use]
pub fn snippets(origin: &str) -> Vec<Snippet> {
    TABS.iter()
        .map(|tab| Snippet {
            id: tab.id,
            title: tab.title,
            note: tab.note,
            code: code(tab.id, &tab.template, usable_origin(origin)),
        })
        .collect()
}

/// The request's body: shown with its comments, copied without, because JSON has
/// none and a copy should work.
#[must_use]
pub fn request_body() -> Code {
    let shown = code("request-body", &REQUEST_BODY, NO_ORIGIN);
    let without_comments: Vec<_> = shown
        .text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim_end())
        .collect();
    Code {
        text: without_comments.join("\n"),
        ..shown
    }
}

/// An answer when all went well.
#[must_use]
pub fn success() -> Code {
    code("success", &SUCCESS, NO_ORIGIN)
}

/// An answer when it did not.
#[must_use]
pub fn failure() -> Code {
    code("failure", &FAILURE, NO_ORIGIN)
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

/// Fills in the address, and gives the text a stable name in the page.
fn code(id: &str, template: &Template, origin: &str) -> Code {
    let html = template.html.trim_end().replace(ORIGIN, &escape(origin));
    Code {
        text: template.text.trim_end().replace(ORIGIN, origin),
        html: format!("<span data-testid=\"snippet-{id}\">{html}</span>"),
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
    use std::fs;
    use std::path::Path;

    use syntect::easy::ScopeRegionIterator;
    use syntect::parsing::{ParseState, ScopeStack, SyntaxSet};
    use syntect::util::LinesWithEndings;

    use super::*;

    /// The class of a token, by the innermost of its scopes that says anything.
    fn class(stack: &ScopeStack) -> Option<&'static str> {
        const CLASSES: [(&str, Option<&str>); 11] = [
            ("comment", Some("hl-comment")),
            ("string", Some("hl-string")),
            ("constant", Some("hl-number")),
            ("keyword.operator.word", Some("hl-keyword")),
            ("keyword.operator", None),
            ("keyword", Some("hl-keyword")),
            ("storage", Some("hl-keyword")),
            ("entity.name", Some("hl-name")),
            ("variable.function", Some("hl-name")),
            ("support", Some("hl-name")),
            ("variable.parameter.option", Some("hl-keyword")),
        ];
        let scopes: Vec<String> = stack.as_slice().iter().rev().map(ToString::to_string).collect();
        scopes
            .iter()
            .find_map(|scope| CLASSES.iter().find(|(start, _)| scope.starts_with(start)))
            .and_then(|(_, class)| *class)
    }

    /// HTML with a class for each run of tokens of one kind.
    fn colored(extension: &str, text: &str) -> String {
        let syntaxes = SyntaxSet::load_defaults_newlines();
        let syntax = syntaxes.find_syntax_by_extension(extension).expect("a known language");
        let (mut state, mut stack) = (ParseState::new(syntax), ScopeStack::new());
        let mut runs: Vec<(Option<&str>, String)> = Vec::new();
        for line in LinesWithEndings::from(text) {
            let ops = state.parse_line(line, &syntaxes).expect("parsed");
            for (piece, op) in ScopeRegionIterator::new(&ops, line) {
                stack.apply(op).expect("a scope that was open");
                let class = class(&stack);
                match runs.last_mut() {
                    Some((last, run)) if *last == class => run.push_str(piece),
                    _ => runs.push((class, piece.to_owned())),
                }
            }
        }
        runs.iter()
            .filter(|(_, run)| !run.is_empty())
            .map(|(class, run)| match class {
                Some(class) => format!("<span class=\"{class}\">{}</span>", escape(run)),
                None => escape(run),
            })
            .collect()
    }

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
    fn the_colored_files_are_those_of_the_templates() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/snippets");
        let mut stale = Vec::new();
        for entry in fs::read_dir(&folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let language = match path.extension().and_then(|extension| extension.to_str()) {
                Some("js" | "gs") => "js",
                Some("sh") => "sh",
                Some("json") => "json",
                _ => continue,
            };
            let html = path.with_extension("html");
            let expected = colored(language, &fs::read_to_string(&path).expect("a template"));
            if fs::read_to_string(&html).is_ok_and(|html| html == expected) {
                continue;
            }
            fs::write(&html, expected).expect("written");
            stale.push(html);
        }
        assert!(
            stale.is_empty(),
            "these were stale and are written anew; build and test again: {stale:?}"
        );
    }

    #[test]
    fn what_is_shown_is_what_is_copied() {
        for snippet in snippets("https://bridge.example.com") {
            assert_eq!(text_of(&snippet.code.html), snippet.code.text, "{}", snippet.id);
            assert!(
                snippet.code.html.contains("class=\"hl-string\""),
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

//! The parts of the guide that never change once they are in the page, as HTML
//! that the server makes. Everything in it is escaped here or by Leptos.

use leptos::prelude::*;

use crate::error::ErrorCode;
use crate::guide::model::Guide;
use crate::guide::reference::{Endpoint, ReferenceRow};
use crate::guide::snippets::{self, Code, Snippet};
use crate::guide::view::Section;
use crate::ui::code::PrintedCode;
use crate::ui::copy_button::PrintedCopyButton;

/// The guide of the bridge at `origin`, which may be anything that a request
/// said.
#[must_use]
pub fn guide(origin: &str, endpoints: Vec<Endpoint>) -> Guide {
    let address = format!("{}/call", snippets::usable_origin(origin));
    let snippets = snippets::snippets(origin);
    let before = view! {
        <Contents />
        <BaseEndpoint address=address />
        <RequestBody code=snippets::request_body() />
        <Section id="snippets" title="3. Integration Code Snippets">
            <SnippetTabs snippets=snippets />
        </Section>
        <AnswerSection success=snippets::success() failure=snippets::failure() />
    };
    Guide {
        before: printed(before),
        after: printed(view! { <Reference endpoints=endpoints /> }),
    }
}

/// The HTML without the marks between texts, which only a component that takes
/// over in the browser looks for. No text here holds such a mark.
fn printed(view: impl IntoView) -> String {
    view.into_view().to_html().replace("<!>", "")
}

/// The links to the sections.
#[component]
fn Contents() -> impl IntoView {
    let sections = [
        ("endpoint", "Base Endpoint"),
        ("request-body", "Request Body"),
        ("snippets", "Code Snippets"),
        ("answer", "Answer"),
        ("try-it", "Try it"),
        ("reference", "API Reference"),
    ];
    let links = sections
        .into_iter()
        // The router would take them for another page.
        .map(|(id, title)| view! { <li><a href=format!("#{id}") rel="external">{title}</a></li> })
        .collect_view();
    view! { <nav class="guide-contents" aria-label="On this page"><ul>{links}</ul></nav> }
}

#[component]
fn BaseEndpoint(address: String) -> impl IntoView {
    view! {
        <Section id="endpoint" title="1. Base Endpoint Configuration">
            <div class="endpoint">
                <code data-testid="endpoint"><strong class="endpoint-method">"POST"</strong>" "{address.clone()}</code>
                <PrintedCopyButton text=address label="Copy address" />
            </div>
            <h3>"Required Headers"</h3>
            <PrintedCode
                text="Content-Type: application/json\nX-API-KEY: YOUR_GENERATED_API_KEY"
                label="Required Headers"
            />
            <p class="hint">
                "No key yet? "<a href="/keys">"Create one"</a>
                ". The header "<code>"Authorization: Bearer YOUR_GENERATED_API_KEY"</code>
                " works as well. A key in the address is never accepted, because addresses end up in logs."
            </p>
        </Section>
    }
}

#[component]
fn RequestBody(code: Code) -> impl IntoView {
    view! {
        <Section id="request-body" title="2. Request Body Structure">
            <p>"The endpoint takes standard JSON mapping the parameters to Odoo's "<code>"execute_kw"</code>" method:"</p>
            <PrintedCode text=code.text html=Some(code.html) label="Request body" />
            <p class="hint">
                "Leave out "<code>"args"</code>" and it is "<code>"[]"</code>"; leave out "<code>"kwargs"</code>" and it is "<code>"{}"</code>
                ". Any other field is refused by name, so that a misspelt one never turns into all records. "
                "The button copies the body without the comments, for JSON has none."
            </p>
        </Section>
    }
}

/// All panels are in the page: where scripts run, the style sheet shows only the
/// selected one, so nothing jumps when the page begins to react; without scripts
/// they stand one below the other. `tabs.rs` selects another.
#[component]
fn SnippetTabs(snippets: Vec<Snippet>) -> impl IntoView {
    let tabs = snippets
        .iter()
        .enumerate()
        .map(|(index, snippet)| {
            view! {
                <button
                    type="button"
                    role="tab"
                    class="tab"
                    id=format!("tab-{}", snippet.id)
                    aria-controls=format!("panel-{}", snippet.id)
                    aria-selected=if index == 0 { "true" } else { "false" }
                    tabindex=if index == 0 { "0" } else { "-1" }
                >
                    {snippet.title}
                </button>
            }
        })
        .collect_view();
    let panels = snippets
        .into_iter()
        .enumerate()
        .map(|(index, snippet)| {
            view! {
                <div
                    role="tabpanel"
                    class=if index == 0 { "tab-panel is-selected" } else { "tab-panel" }
                    id=format!("panel-{}", snippet.id)
                    aria-labelledby=format!("tab-{}", snippet.id)
                >
                    <h3 class="tab-panel-title">{snippet.title}</h3>
                    <PrintedCode text=snippet.code.text html=Some(snippet.code.html) label=format!("{} code", snippet.title) />
                    <p class="hint">{snippet.note}</p>
                </div>
            }
        })
        .collect_view();
    view! {
        <div class="tabs" data-testid="snippets">
            <div class="tab-list" role="tablist" aria-label="Kind of client">{tabs}</div>
            {panels}
        </div>
    }
}

/// What comes back: success, failure, and every code.
#[component]
fn AnswerSection(success: Code, failure: Code) -> impl IntoView {
    view! {
        <Section id="answer" title="4. Answer">
            <p>
                "On success the status is 200 and "<code>"data"</code>" is Odoo's own result, byte for byte: empty fields are "
                <code>"false"</code>", a many2one is a pair of id and name, and times are UTC without a zone."
            </p>
            <PrintedCode text=success.text html=Some(success.html) label="Answer on success" />
            <p>
                "On failure "<code>"error"</code>" is a sentence for a person and "<code>"code"</code>
                " is for your program. "<code>"retryable"</code>" says whether the very same request may succeed a little later."
            </p>
            <PrintedCode text=failure.text html=Some(failure.html) label="Answer on failure" />
            <h3>"Error codes"</h3>
            <CodeTable />
        </Section>
    }
}

/// Every code that the server answers with, from the enum that it answers with.
#[component]
fn CodeTable() -> impl IntoView {
    let mut codes = ErrorCode::OF_CALL;
    codes.sort_by_key(|code| code.status());
    let rows = codes
        .into_iter()
        .map(|code| {
            view! {
                <tr>
                    <td class="number">{code.status()}</td>
                    <th scope="row"><a href=format!("/guide/errors/{code}")><code>{code.as_str()}</code></a></th>
                    <td data-label="Retryable">{if code.retryable() { "yes" } else { "no" }}</td>
                    <td class="explanation">{code.explanation()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Error codes">
            <table class="table code-table" data-testid="error-codes">
                <thead>
                    <tr>
                        <th scope="col">"HTTP"</th>
                        <th scope="col">"Code"</th>
                        <th scope="col">"Retryable"</th>
                        <th scope="col">"Meaning"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

/// The API description, readable.
#[component]
fn Reference(endpoints: Vec<Endpoint>) -> impl IntoView {
    let endpoints = endpoints
        .into_iter()
        .map(|endpoint| view! { <EndpointView endpoint=endpoint /> })
        .collect_view();
    view! {
        <Section id="reference" title="6. API Reference">
            <p>
                "The same as an OpenAPI 3.1 description, for code generators and API clients: "
                <a href="/openapi.json" rel="external">"/openapi.json"</a>
            </p>
            {endpoints}
        </Section>
    }
}

#[component]
fn EndpointView(endpoint: Endpoint) -> impl IntoView {
    let answers = endpoint
        .answers
        .into_iter()
        .map(|(status, words)| {
            let lines = words
                .lines()
                .map(|line| view! { <p>{line.to_owned()}</p> })
                .collect_view();
            view! { <dt class="number">{status}</dt><dd>{lines}</dd> }
        })
        .collect_view();
    let fields = (!endpoint.rows.is_empty()).then(|| view! { <Fields rows=endpoint.rows /> });
    view! {
        <details class="reference">
            <summary>
                <code><strong class="endpoint-method">{endpoint.method}</strong>" "{endpoint.path}</code>
                <span class="reference-summary">{endpoint.summary}</span>
            </summary>
            {fields}
            <h3>"Answers"</h3>
            <dl class="reference-answers">{answers}</dl>
        </details>
    }
}

#[component]
fn Fields(rows: Vec<ReferenceRow>) -> impl IntoView {
    let rows = rows
        .into_iter()
        .map(|row| {
            view! {
                <tr>
                    <th scope="row"><code>{row.name}</code></th>
                    <td>{row.kind}</td>
                    <td>{if row.required { "required" } else { "optional" }}</td>
                    <td class="explanation">{row.explanation}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <h3>"Body"</h3>
        <div class="table-wrap" tabindex="0" role="region" aria-label="Fields of the body">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Field"</th>
                        <th scope="col">"Type"</th>
                        <th scope="col">"Required"</th>
                        <th scope="col">"Meaning"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

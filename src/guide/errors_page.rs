//! `/guide/errors` and a page for each code, printed by the server.

use leptos::prelude::*;
use serde_json::{Value, json};

use crate::calls::answer::ABORTED;
use crate::error::{AppError, ErrorCode, Result};
use crate::guide::errors::{Explained, PAGES, explained};
use crate::printed::parts::{Printed, header};
use crate::ui::code::PrintedCode;

/// The list of all codes.
#[must_use]
pub fn print_list() -> Printed {
    let rows = PAGES.iter().map(|page| {
        let code = page.code;
        view! {
            <tr>
                <td class="number">{code.status()}</td>
                <th scope="row">
                    <a href=format!("/guide/errors/{code}") rel="external">
                        <code>{code.as_str()}</code>
                    </a>
                </th>
                <td data-label="Retryable">{if code.retryable() { "yes" } else { "no" }}</td>
                <td class="explanation">{code.explanation()}</td>
            </tr>
        }
    });
    Printed::of("Error codes", || {
        view! {
            <div class="guide">
                {header("Error codes", "What each code of POST /call means, and what to check.")}
                <div class="card table-wrap" tabindex="0" role="region" aria-label="Error codes">
                    <table class="table code-table">
                        <thead>
                            <tr>
                                <th scope="col">"HTTP"</th>
                                <th scope="col">"Code"</th>
                                <th scope="col">"Retryable"</th>
                                <th scope="col">"Meaning"</th>
                            </tr>
                        </thead>
                        <tbody>{rows.collect_view()}</tbody>
                    </table>
                </div>
            </div>
        }
    })
}

/// The page of one code.
///
/// # Errors
/// `not_found` if there is no such code.
pub fn print_code(code: &str) -> Result<Printed> {
    if code == ABORTED {
        return Ok(print_aborted());
    }
    let page = explained(code).ok_or_else(|| AppError::new(ErrorCode::NotFound, "There is no such error code."))?;
    Ok(Printed::of(code, || {
        let retry = if page.code.retryable() {
            "The very same call may succeed a little later."
        } else {
            "The very same call will fail again until something changes."
        };
        let checks = page.check.iter().map(|check| view! { <li>{*check}</li> });
        view! {
            <div class="guide">
                {header(code, page.code.explanation())}
                <section class="card guide-section" aria-labelledby="means">
                    <h2 id="means">"What it means"</h2>
                    <p>{page.means}</p>
                    <p>{format!("HTTP {}. {retry}", page.code.status())}</p>
                </section>
                <section class="card guide-section" aria-labelledby="check">
                    <h2 id="check">"What to check"</h2>
                    <ul>{checks.collect_view()}</ul>
                </section>
                <section class="card guide-section" aria-labelledby="example">
                    <h2 id="example">"An example"</h2>
                    {if page.example.starts_with('{') {
                        view! { <PrintedCode text=page.example label="A call that leads to it" /> }.into_any()
                    } else {
                        view! { <p>{page.example}</p> }.into_any()
                    }}
                    <PrintedCode text=answer(page) label="The answer" />
                </section>
                <p>
                    <a href="/guide/errors" rel="external">"All error codes"</a>
                </p>
            </div>
        }
    }))
}

/// No answer, but in the records of calls.
fn print_aborted() -> Printed {
    Printed::of(ABORTED, || {
        view! {
            <div class="guide">
                {header(ABORTED, "The client went away before the answer was complete.")}
                <section class="card guide-section" aria-labelledby="check">
                    <h2 id="check">"What to check"</h2>
                    <ul>
                        <li>"The client's own timeout: it may be shorter than what Odoo needs."</li>
                        <li>
                            "If the method may write, it may have happened: Odoo goes on when nobody waits any more. \
                             With an Idempotency-Key the same call can be sent again."
                        </li>
                    </ul>
                </section>
                <p>
                    <a href="/guide/errors" rel="external">"All error codes"</a>
                </p>
            </div>
        }
    })
}

/// As the server writes it, with an id that stands for any.
fn answer(page: &Explained) -> String {
    let mut answer = json!({
        "success": false,
        "error": page.sentence,
        "code": page.code.as_str(),
        "retryable": page.code.retryable(),
        "request_id": "0199b1c2-7d3e-7c51-9f0a-3f6d1b1a9c55",
    });
    if let Ok(details) = serde_json::from_str::<Value>(page.details) {
        answer["details"] = details;
    }
    serde_json::to_string_pretty(&answer).unwrap_or_default()
}

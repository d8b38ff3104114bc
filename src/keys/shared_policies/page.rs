//! `/policies`, printed by the server: all shared policies, also those that no key follows.

use leptos::prelude::*;

use super::SharedPolicy;
use crate::ids::PolicyId;
use crate::keys::policy::{Policy, READ_ONLY, in_words};
use crate::printed::parts::{Notice, header, noticed};

/// All that is on the page.
pub(super) struct Shown {
    pub(super) policies: Vec<SharedPolicy>,
    pub(super) notice: Option<Notice>,
    /// What was sent and not saved: of which policy (`None`: a new one), its name and document.
    pub(super) draft: Option<(Option<PolicyId>, String, String)>,
}

/// HTML; what a person wrote is text in it, never markup.
pub(super) fn print(shown: Shown) -> impl IntoView {
    let Shown {
        policies,
        notice,
        draft,
    } = shown;
    let draft_of = |id: Option<PolicyId>| {
        let draft = draft.as_ref().filter(|draft| draft.0 == id);
        draft.map(|(_, name, document)| (name.clone(), document.clone()))
    };
    let new = draft_of(None);
    let is_empty = policies.is_empty();
    let rows = policies.into_iter().map(|policy| {
        let draft = draft_of(Some(policy.id));
        card(policy, draft)
    });
    let rows: Vec<_> = rows.collect();
    view! {
        <div class="policy-page">
            {header("Shared policies", "Edited once, followed by many keys. A key follows one on its own page, or from when it is made: create-key --shared NAME.")}
            {notice.map(noticed)}
            {is_empty.then(|| view! { <p class="muted">"There is none yet."</p> })}
            {rows}
            <form class="card key-card form" method="post" action="/policies" aria-labelledby="new-title">
                <h2 id="new-title">"A new one"</h2>
                {fields("new", new.unwrap_or_else(|| (String::new(), READ_ONLY.to_owned())))}
                <div class="form-actions">
                    <button type="submit" name="do" value="create" class="button button-primary">"Make it"</button>
                </div>
            </form>
        </div>
    }
}

fn card(policy: SharedPolicy, draft: Option<(String, String)>) -> impl IntoView {
    let id = policy.id.to_string();
    let title = format!("policy-{id}");
    let heading = title.clone();
    let words = in_words(&Policy::load(&policy.document));
    let follow = match policy.keys {
        0 => "No key follows it.".to_owned(),
        1 => "1 key follows it.".to_owned(),
        keys => format!("{keys} keys follow it."),
    };
    let is_drafted = draft.is_some();
    view! {
        <section class="card key-card stack" aria-labelledby=title>
            <h2 id=heading>{policy.name.clone()}</h2>
            <p class="muted">{follow}</p>
            <ul class="policy-words">{words.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
            <details open=is_drafted>
                <summary>"Change it\u{2026}"</summary>
                <form class="form" method="post" action="/policies">
                    <input type="hidden" name="policy" value=id.clone() />
                    {fields(&id, draft.unwrap_or((policy.name, policy.document)))}
                    <div class="form-actions">
                        <button type="submit" name="do" value="change" class="button button-primary">"Save for all that follow it"</button>
                        <button type="submit" name="do" value="rename" class="button">"Rename"</button>
                        <button type="submit" name="do" value="remove" class="button button-danger">"Remove"</button>
                    </div>
                </form>
            </details>
        </section>
    }
}

fn fields(id: &str, (name, document): (String, String)) -> impl IntoView + use<> {
    let (name_id, document_id) = (format!("name-{id}"), format!("document-{id}"));
    // Leptos writes the text of a `textarea` as it is, and the browser reads references in it.
    let document = document.replace('&', "&amp;").replace('<', "&lt;");
    view! {
        <div class="field">
            <label for=name_id.clone()>"Name"</label>
            <input id=name_id type="text" name="name" maxlength="100" value=name autocomplete="off" />
        </div>
        <div class="field">
            <label for=document_id.clone()>"Policy"</label>
            <textarea id=document_id name="document" rows="10" spellcheck="false" class="code-field">{document}</textarea>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_is_text() {
        let bad = "</textarea><script>alert(1)</script>";
        let shown = Shown {
            policies: vec![SharedPolicy {
                id: PolicyId(uuid::Uuid::nil()),
                name: "<b>Robots</b>".into(),
                document: READ_ONLY.into(),
                keys: 0,
            }],
            notice: None,
            draft: Some((None, bad.into(), bad.into())),
        };
        let page = Owner::new().with(|| print(shown).to_html());
        assert!(
            page.contains("No key follows it.") && page.contains("&lt;script>"),
            "{page}"
        );
        assert!(!page.contains("<script>") && !page.contains("<b>Robots"), "{page}");
    }
}

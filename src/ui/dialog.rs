//! A modal dialog.

use leptos::html;
use leptos::prelude::*;

/// A modal `<dialog>`: opens and closes with `open`, Escape closes it, focus
/// goes in and comes back.
#[component]
pub fn Dialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Its heading; each dialog of a page has one of its own.
    #[prop(into)]
    title: String,
    /// Whether Escape and a click beside it leave it open.
    #[prop(optional)]
    insist: bool,
    /// What it holds.
    children: Children,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            // Fails only for a dialog that is open already or not in the page.
            (true, false) => drop(dialog.show_modal()),
            // The browser gives the focus back to where it was.
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let id = heading_id(&title);
    let labelled_by = id.clone();
    view! {
        <dialog
            node_ref=node
            class="dialog"
            aria-labelledby=labelled_by
            closedby=if insist { "none" } else { "any" }
            on:close=move |_| {
                // The news of it may come after a key that opened it again.
                if node.get_untracked().is_none_or(|dialog| !dialog.open()) {
                    open.set(false);
                }
            }
            on:cancel=move |event: leptos::ev::Event| {
                if insist {
                    event.prevent_default();
                } else {
                    open.set(false);
                }
            }
            on:keydown=move |event| {
                if insist && event.key() == "Escape" {
                    event.prevent_default();
                }
            }
        >
            <h2 id=id>{title}</h2>
            {children()}
        </dialog>
    }
}

/// An id from the words, the same on the server and in the browser.
fn heading_id(title: &str) -> String {
    let words = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    format!(
        "dialog-{}",
        words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_its_heading() {
        let html = Owner::new().with(|| {
            let open = RwSignal::new(false);
            view! { <Dialog open title="Revoke this key?">"Really."</Dialog> }.to_html()
        });
        assert!(html.contains(r#"aria-labelledby="dialog-revoke-this-key""#), "{html}");
        assert!(html.contains(r#"<h2 id="dialog-revoke-this-key">"#), "{html}");
    }
}

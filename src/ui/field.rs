//! A labelled field of a form.

use leptos::prelude::*;

/// A label, whatever is put inside, and a hint. `id` ties label and control.
#[component]
pub fn Field(
    /// The id of the control inside.
    #[prop(into)]
    id: String,
    /// The label's words.
    #[prop(into)]
    label: String,
    /// A sentence below; its id is `<id>-hint`, for `aria-describedby`.
    #[prop(optional, into)]
    hint: Option<String>,
    /// The control.
    children: Children,
) -> impl IntoView {
    let hint_id = format!("{id}-hint");
    view! {
        <div class="field">
            <label for=id>{label}</label>
            {children()}
            {hint.map(|hint| view! { <p class="field-hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

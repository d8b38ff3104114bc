//! The snippets as tabs. All panels are in the page from the server on: where
//! scripts run, the style sheet shows only the selected one, so nothing jumps
//! when the page begins to react; without scripts they stand one below the other.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlElement;

use crate::guide::model::Snippet;
use crate::ui::code::CodeBlock;

/// The tabs and their panels; arrow keys, Home and End move between them.
#[component]
pub fn SnippetTabs(snippets: Vec<Snippet>) -> impl IntoView {
    let selected = RwSignal::new(0_usize);
    let ids: Vec<String> = snippets.iter().map(|snippet| snippet.id.clone()).collect();
    let count = ids.len();
    let on_key = move |event: KeyboardEvent| {
        let Some(next) = next_tab(&event.key(), selected.get_untracked(), count) else {
            return;
        };
        event.prevent_default();
        selected.set(next);
        focus(&format!("tab-{}", ids[next]));
    };
    let tabs = snippets
        .iter()
        .enumerate()
        .map(|(index, snippet)| {
            let is_selected = move || selected.get() == index;
            view! {
                <button
                    type="button"
                    role="tab"
                    class="tab"
                    id=format!("tab-{}", snippet.id)
                    aria-controls=format!("panel-{}", snippet.id)
                    aria-selected=move || if is_selected() { "true" } else { "false" }
                    tabindex=move || if is_selected() { "0" } else { "-1" }
                    on:click=move |_| selected.set(index)
                >
                    {snippet.title.clone()}
                </button>
            }
        })
        .collect_view();
    let panels = snippets.into_iter().enumerate().map(|(index, snippet)| view! {
        <div
            role="tabpanel"
            class="tab-panel"
            class:is-selected=move || selected.get() == index
            id=format!("panel-{}", snippet.id)
            aria-labelledby=format!("tab-{}", snippet.id)
        >
            <h3 class="tab-panel-title">{snippet.title.clone()}</h3>
            <CodeBlock text=snippet.code.text html=Some(snippet.code.html) label=format!("{} code", snippet.title) />
            <p class="hint">{snippet.note}</p>
        </div>
    }).collect_view();
    view! {
        <div class="tabs" data-testid="snippets">
            <div class="tab-list" role="tablist" aria-label="Kind of client" on:keydown=on_key>{tabs}</div>
            {panels}
        </div>
    }
}

/// Where a key leads from `current`, if anywhere.
fn next_tab(key: &str, current: usize, count: usize) -> Option<usize> {
    match key {
        "ArrowRight" => Some((current + 1) % count),
        "ArrowLeft" => Some((current + count - 1) % count),
        "Home" => Some(0),
        "End" => Some(count - 1),
        _ => None,
    }
}

fn focus(id: &str) {
    if let Some(element) = document()
        .get_element_by_id(id)
        .and_then(|element| element.dyn_into::<HtmlElement>().ok())
    {
        // An element that can't take the focus is no reason to stop.
        let _ = element.focus();
    }
}

#[cfg(test)]
mod tests {
    use super::next_tab;

    #[test]
    fn the_arrow_keys_go_around() {
        assert_eq!(next_tab("ArrowRight", 2, 3), Some(0));
        assert_eq!(next_tab("ArrowLeft", 0, 3), Some(2));
        assert_eq!(next_tab("Home", 1, 3), Some(0));
        assert_eq!(next_tab("End", 0, 3), Some(2));
        assert_eq!(next_tab("a", 0, 3), None);
    }
}

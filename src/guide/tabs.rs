//! Selects among the tabs of the snippets, which the server has printed
//! (`printed.rs`): by a click, by the arrow keys, Home and End.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::document;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::{Element, HtmlElement};

use crate::ui::target::closest;

/// Selects the tab that was clicked, if it was one.
pub fn click(event: &MouseEvent) {
    if let Some(tab) = closest(event, "[role=tab]") {
        select(&tab);
    }
}

/// Selects the tab that the key leads to, if the focus is on a tab.
pub fn key(event: &KeyboardEvent) {
    let Some(current) = closest(event, "[role=tab]") else {
        return;
    };
    let tabs = beside(&current);
    let place = tabs.iter().position(|tab| *tab == current).unwrap_or(0);
    let Some(next) = next_tab(&event.key(), place, tabs.len()) else {
        return;
    };
    event.prevent_default();
    select(&tabs[next]);
    if let Some(tab) = tabs[next].dyn_ref::<HtmlElement>() {
        // An element that can't take the focus is no reason to stop.
        let _ = tab.focus();
    }
}

/// The tab and those beside it, in their order.
fn beside(tab: &Element) -> Vec<Element> {
    let first = tab.parent_element().and_then(|list| list.first_element_child());
    std::iter::successors(first, Element::next_element_sibling).collect()
}

/// Shows the panel of `selected` and hides the others.
fn select(selected: &Element) {
    for tab in beside(selected) {
        let is_selected = tab == *selected;
        // These are refused for malformed names only.
        let _ = tab.set_attribute("aria-selected", if is_selected { "true" } else { "false" });
        let _ = tab.set_attribute("tabindex", if is_selected { "0" } else { "-1" });
        let panel = tab
            .get_attribute("aria-controls")
            .and_then(|id| document().get_element_by_id(&id));
        if let Some(panel) = panel {
            panel.set_class_name(if is_selected {
                "tab-panel is-selected"
            } else {
                "tab-panel"
            });
        }
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

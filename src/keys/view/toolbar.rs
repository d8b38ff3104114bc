//! Search and status filter: a plain form and plain links; while a person types,
//! the table follows. The browser's history gets no entry for each letter.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::address;
use crate::keys::model::{KeyQuery, KeySort, KeyStatus, NAME_MAX_CHARS};
use crate::ui::icon::{Icon, Shape};

/// How long the typing must rest before the table follows.
const REST: Duration = Duration::from_millis(200);

/// The form and the links above the table.
#[component]
pub(super) fn Toolbar(query: Memo<KeyQuery>) -> impl IntoView {
    view! {
        <div class="toolbar">
            <Search query />
            <nav class="segmented" aria-label="Filter by status">
                {[None]
                    .into_iter()
                    .chain(KeyStatus::ALL.map(Some))
                    .map(|status| view! { <StatusLink query status /> })
                    .collect_view()}
            </nav>
        </div>
    }
}

#[component]
fn StatusLink(query: Memo<KeyQuery>, status: Option<KeyStatus>) -> impl IntoView {
    view! {
        <a
            href=move || query.with(|query| address::of(&KeyQuery { status, page: 1, ..query.clone() }))
            aria-current=move || query.with(|query| query.status == status).then_some("true")
            data-noscroll="true"
            prop:replace=true
        >
            {status.map_or("All", KeyStatus::label)}
        </a>
    }
}

#[component]
fn Search(query: Memo<KeyQuery>) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let search = search_for(query);
    let mut search_later = debounce(REST, search.clone());
    follow_the_address(input, query);
    view! {
        <form
            class="search"
            role="search"
            method="get"
            action="/keys"
            on:submit=move |event| {
                event.prevent_default();
                if let Some(input) = input.get_untracked() {
                    search(input.value());
                }
            }
        >
            <Icon shape=Shape::Search />
            <input
                type="search"
                name="q"
                node_ref=input
                maxlength=NAME_MAX_CHARS.to_string()
                placeholder="Search by name or prefix"
                aria-label="Search keys by name or prefix"
                autocomplete="off"
                value=query.get_untracked().search
                on:input:target=move |event| search_later(event.target().value())
            />
            {move || query.with(|query| view! { <Kept query=query.clone() /> })}
            <noscript>
                <button class="button" type="submit">"Search"</button>
            </noscript>
        </form>
    }
}

/// What a search without JavaScript must not lose.
#[component]
fn Kept(query: KeyQuery) -> impl IntoView {
    let KeyQuery {
        status,
        sort,
        descending,
        ..
    } = query;
    view! {
        {status.map(|status| view! { <input type="hidden" name="status" value=status.as_str() /> })}
        {(sort != KeySort::default()).then(|| view! { <input type="hidden" name="sort" value=sort.as_str() /> })}
        {(descending != address::descends_at_first(sort))
            .then(|| view! { <input type="hidden" name="dir" value=address::direction(descending) /> })}
    }
}

/// Goes to the address of what is searched for, in place of the current one.
fn search_for(query: Memo<KeyQuery>) -> impl Fn(String) + Clone + 'static {
    let navigate = use_navigate();
    move |text: String| {
        // It may be called a moment after the page was left.
        let Some(before) = query.try_get_untracked() else {
            return;
        };
        let search = text.trim().to_owned();
        if search != before.search {
            let address = address::of(&KeyQuery {
                search,
                page: 1,
                ..before
            });
            navigate(
                &address,
                NavigateOptions {
                    replace: true,
                    scroll: false,
                    ..NavigateOptions::default()
                },
            );
        }
    }
}

/// Keeps the field as the address says: after "Clear filters" or the back
/// button; never while a person types in it. What was typed before the page
/// reacted counts as well.
fn follow_the_address(input: NodeRef<html::Input>, query: Memo<KeyQuery>) {
    let search = search_for(query);
    Effect::new(move |before: Option<()>| {
        let wanted = query.with(|query| query.search.clone());
        let Some(input) = input.get() else { return };
        if input.value().trim() == wanted {
            return;
        }
        if before.is_none() {
            search(input.value());
        } else if document().active_element().as_ref() != Some(input.as_ref()) {
            input.set_value(&wanted);
        }
    });
}

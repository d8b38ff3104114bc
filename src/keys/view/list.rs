//! `/keys`: the table, and what surrounds it.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::address;
use super::create::{CreateButton, CreateDialogs};
use super::revoke::RevokeDialog;
use super::table::KeyTable;
use super::toolbar::Toolbar;
use crate::error::Result;
use crate::keys::model::{ApiKey, KeyPage, KeyQuery};
use crate::keys::server_fns::{CreateKey, RevokeKey, list_keys};
use crate::ui::empty_state::EmptyState;
use crate::ui::error_view::ErrorView;
use crate::ui::page_header::PageHeader;
use crate::ui::pagination::Pagination;
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;

/// `/keys`
#[component]
pub fn KeysPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| KeyQuery::from_params(|name| params.with(|params| params.get(name))));
    let create = ServerAction::<CreateKey>::new();
    let revoke = ServerAction::<RevokeKey>::new();
    let keys = load(
        move || (query.get(), create.version().get(), revoke.version().get()),
        |(query, ..)| list_keys(query),
    );
    let creating = RwSignal::new(false);
    let accesses = RwSignal::new(String::new());
    let to_revoke = RwSignal::new(None);
    let announcement = RwSignal::new(None);
    let pending = RwSignal::new(false);
    view! {
        <PageHeader title="API Access Keys" lead="Create and revoke keys to access Odoo bridge endpoint securely.">
            <CreateButton open=creating />
        </PageHeader>
        <noscript>
            <p class="notice notice-warning keys-noscript">
                "To create a key, turn on JavaScript: a new key is shown once, on this page, and nowhere else. Everything else here works without it."
            </p>
        </noscript>
        <Announcement text=announcement />
        <Toolbar query />
        <div class:stale=pending aria-busy=move || pending.get().to_string()>
            <Transition fallback=|| view! { <SkeletonRows rows=6 /> } set_pending=pending>
                {move || Suspend::new(async move {
                    let mut result = keys.await;
                    if let Ok(page) = &mut result {
                        accesses.set(std::mem::take(&mut page.accesses));
                    }
                    view! { <Found result query=query.get_untracked() to_revoke creating /> }
                })}
            </Transition>
        </div>
        <CreateDialogs open=creating accesses create announcement />
        <RevokeDialog key=to_revoke revoke announcement />
    }
}

/// What the query found, or why it found nothing.
#[component]
fn Found(
    result: Result<KeyPage>,
    query: KeyQuery,
    to_revoke: RwSignal<Option<ApiKey>>,
    creating: RwSignal<bool>,
) -> impl IntoView {
    let page = match result {
        Ok(page) => page,
        Err(error) => return view! { <ErrorView error /> }.into_any(),
    };
    if page.total == 0 {
        return view! {
            <EmptyState title="No keys yet">
                <p>
                    "Create a key for each script, sheet or app that needs data from Odoo. Give each its own, so that you can revoke one without touching the others."
                </p>
                <CreateButton open=creating label="Create your first key" />
            </EmptyState>
        }
        .into_any();
    }
    if page.found == 0 {
        return view! {
            <EmptyState title="No key matches">
                <p>"None of your keys fits this search and filter."</p>
                <a class="button" href="/keys" data-noscroll="true" prop:replace=true>
                    "Clear filters"
                </a>
            </EmptyState>
        }
        .into_any();
    }
    let KeyPage {
        keys,
        found,
        total,
        page,
        pages,
        reminder,
        ..
    } = page;
    let href = {
        let query = query.clone();
        Callback::new(move |page| address::of(&KeyQuery { page, ..query.clone() }))
    };
    view! {
        {(!reminder.is_empty()).then(|| view! { <p class="notice notice-warning reminder">{reminder}</p> })}
        <KeyTable keys query to_revoke />
        <p class="found" role="status">
            {count(found, total)}
        </p>
        <Pagination page pages href />
    }
    .into_any()
}

/// How many there are, in words.
fn count(found: u64, total: u64) -> String {
    match (found, total) {
        (1, 1) => "1 key".to_owned(),
        (found, total) if found == total => format!("{total} keys"),
        (found, total) => format!("{found} of {total} keys"),
    }
}

/// What has just happened, for those who see and those who listen; the focus
/// goes there, for the button that was pressed may be gone.
#[component]
fn Announcement(text: RwSignal<Option<String>>) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if text.with(Option::is_some)
            && let Some(node) = node.get()
        {
            // Can't fail: it has a tabindex.
            drop(node.focus());
        }
    });
    view! {
        <div class="announcement" role="status" tabindex="-1" node_ref=node>
            {move || text.get().map(|text| view! { <p class="notice notice-good">{text}</p> })}
        </div>
    }
}

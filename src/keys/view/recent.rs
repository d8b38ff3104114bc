//! The recent calls on a key's page, which come printed.

use leptos::prelude::*;

use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::server_fns::print_key_calls;
use crate::ui::error_view::ErrorView;
use crate::ui::resource::{Loaded, load};
use crate::ui::skeleton::SkeletonRows;

/// The calls of the key in the address; an address that is no id has none.
pub(super) fn load_calls(id: Memo<String>) -> Loaded<Result<String>> {
    load(
        move || id.get(),
        |id| async move {
            match id.parse::<ApiKeyId>() {
                Ok(id) => print_key_calls(id).await,
                Err(_) => Ok(String::new()),
            }
        },
    )
}

/// Counts of the last day and the newest calls.
#[component]
pub(super) fn RecentCalls(calls: Loaded<Result<String>>) -> impl IntoView {
    view! {
        <section class="recent" aria-labelledby="recent-title">
            <Transition fallback=|| view! { <SkeletonRows rows=3 /> }>
                {move || Suspend::new(async move {
                    match calls.await {
                        Ok(printed) => view! { <div class="recent-calls" inner_html=printed></div> }.into_any(),
                        Err(error) => view! { <ErrorView error /> }.into_any(),
                    }
                })}
            </Transition>
        </section>
    }
}

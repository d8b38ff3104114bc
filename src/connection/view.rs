//! The page `/connection`. Nothing on it needs JavaScript; it is as of its loading,
//! and "Refresh" loads it again.

use leptos::prelude::*;

use crate::connection::server_fns::print_connection;
use crate::ui::error_view::ErrorView;
use crate::ui::page_header::PageHeader;
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;

/// `/connection`
#[component]
pub fn ConnectionPage() -> impl IntoView {
    let printed = load(String::new, |_| print_connection());
    view! {
        <PageHeader title="Odoo Connection" lead="How calls get into Odoo, and what each way costs.">
            // The browser itself follows it: the alarm above is fresh then too.
            <a class="button" rel="external" href="/connection">"Refresh"</a>
        </PageHeader>
        <Transition fallback=|| view! { <SkeletonRows rows=6 /> }>
            {move || Suspend::new(async move {
                match printed.await {
                    Ok(printed) => view! { <div inner_html=printed></div> }.into_any(),
                    Err(error) => view! { <ErrorView error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

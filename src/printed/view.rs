//! Shows what the server printed for the present address.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_params_map};

use crate::frame::BareFrame;
use crate::printed::server_fns::print_page;
use crate::ui::error_view::ErrorView;
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;

/// A page with the frame around it. It is as of its loading: a link to the page itself has to
/// be one that the browser follows (`rel="external"`).
#[component]
pub fn PrintedPage() -> impl IntoView {
    let location = use_location();
    // One route has all of them, so a page may follow another without a new component.
    let params = use_params_map();
    let route = Memo::new(move |_| params.read().get("printed"));
    let printed = load(
        move || route.get(),
        move |_| print_page(location.pathname.get_untracked(), location.search.get_untracked()),
    );
    view! {
        <Transition fallback=|| view! { <SkeletonRows rows=6 /> }>
            {move || Suspend::new(async move {
                match printed.await {
                    Ok((title, html)) => view! { <Title text=title /> <div inner_html=html></div> }.into_any(),
                    Err(error) => view! { <ErrorView error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

/// The same for somebody who is not signed in.
#[component]
pub fn BarePrintedPage() -> impl IntoView {
    view! {
        <BareFrame>
            <PrintedPage />
        </BareFrame>
    }
}

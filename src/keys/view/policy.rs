//! `/keys/<id>/policy`: what a key may do. It comes printed, forms and all.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::keys::server_fns::print_key_policy;
use crate::ui::error_view::ErrorView;
use crate::ui::icon::{Icon, Shape};
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;

/// `/keys/<id>/policy`
#[component]
pub fn KeyPolicyPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")).unwrap_or_default());
    let printed = load(move || id.get(), print_key_policy);
    view! {
        <Title text="What a key may do" />
        <a class="back-link" href=move || format!("/keys/{}", id.get())>
            <Icon shape=Shape::ArrowLeft />
            "The key"
        </a>
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

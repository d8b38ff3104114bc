//! The page `/guide`. Most of it never changes once it is there: the server
//! prints that as HTML (`printed.rs`), and the browser has no code for it. What
//! reacts in it is served by one handler here for all of it.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;

use crate::guide::model::Guide;
use crate::guide::server_fns::get_guide;
use crate::guide::tabs;
use crate::guide::try_it::TryIt;
use crate::ui::copy_button::copy_printed;
use crate::ui::error_view::ErrorView;
use crate::ui::page_header::PageHeader;
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;

/// `/guide`
#[component]
pub fn GuidePage() -> impl IntoView {
    let guide = load(|| (), |()| get_guide());
    view! {
        <PageHeader
            title="API Integration Guide"
            lead="Use your generated keys to query the Odoo Bridge securely from client apps."
        />
        <Transition fallback=|| view! { <SkeletonRows rows=12 /> }>
            {move || Suspend::new(async move {
                match guide.await {
                    Ok(guide) => view! { <GuideBody guide=guide /> }.into_any(),
                    Err(error) => view! { <ErrorView error=error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn GuideBody(guide: Guide) -> impl IntoView {
    let click = |event: MouseEvent| {
        copy_printed(&event);
        tabs::click(&event);
    };
    let key = |event: KeyboardEvent| tabs::key(&event);
    view! {
        <div class="guide" on:click=click on:keydown=key>
            <div class="guide-part" inner_html=guide.before></div>
            <Section id="try-it" title="5. Try it">
                <TryIt />
            </Section>
            <div class="guide-part" inner_html=guide.after></div>
        </div>
    }
}

/// A part of the page with its heading.
#[component]
pub(super) fn Section(
    /// Where links lead.
    id: &'static str,
    /// The heading's words.
    title: &'static str,
    /// What is below the heading.
    children: Children,
) -> impl IntoView {
    let heading = format!("{id}-title");
    let labelled_by = heading.clone();
    view! {
        <section class="card guide-section" id=id aria-labelledby=labelled_by>
            <h2 id=heading>{title}</h2>
            {children()}
        </section>
    }
}

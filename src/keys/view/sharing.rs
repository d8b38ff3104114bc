//! Whether identical reads of a key may share one call to Odoo: what it says, and
//! the switch, which is a plain form.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;

use crate::ids::ApiKeyId;
use crate::keys::server_fns::SetShareReads;
use crate::session::model::error_from_url;
use crate::ui::error_view::ErrorView;

/// What it is called.
pub(super) const TITLE: &str = "Share identical reads";
/// What it does.
pub(super) const HINT: &str =
    "When two clients ask the very same read with this key at the same moment, Odoo is asked once. Off by default.";

/// Says which it is; of a key that can still be used, lets it be changed.
#[component]
pub(super) fn Sharing(key_id: ApiKeyId, on: bool, revoked: bool, share: ServerAction<SetShareReads>) -> impl IntoView {
    let (word, verb) = if on { ("on", "Turn off") } else { ("off", "Turn on") };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        share.dispatch(SetShareReads {
            id: key_id,
            share_reads: !on,
        });
    };
    // Without JavaScript the error comes in the address, which anybody can write.
    let error = move || {
        let error = share.value().get().and_then(Result::err)?;
        Some(if share.version().get() == 0 {
            error_from_url(&error)
        } else {
            error
        })
    };
    view! {
        <section class="card key-card sharing" aria-labelledby="sharing-title">
            <div>
                <h2 id="sharing-title">{TITLE}</h2>
                <p class="muted" id="sharing-hint">{HINT}</p>
                // Said anew when it changes.
                <p role="status">"It is " <strong>{word}</strong> "."</p>
            </div>
            {(!revoked).then(|| view! {
                <form method="post" action=SetShareReads::url() on:submit=submit>
                    <input type="hidden" name="id" value=key_id.to_string() />
                    <input type="hidden" name="share_reads" value=(!on).to_string() />
                    <button
                        type="submit"
                        class="button for-operators"
                        aria-label=format!("{verb}: {TITLE}")
                        aria-describedby="sharing-hint"
                        aria-disabled=move || share.pending().get().then_some("true")
                    >
                        {verb}
                    </button>
                </form>
            })}
            {move || error().map(|error| view! { <ErrorView error /> })}
        </section>
    }
}

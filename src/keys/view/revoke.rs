//! Revoking a key from the table: asks first, works at once.

use leptos::prelude::*;

use crate::error::AppError;
use crate::keys::model::ApiKey;
use crate::keys::server_fns::RevokeKey;
use crate::ui::dialog::Dialog;
use crate::ui::error_view::ErrorView;

/// Open while there is a key in `key`.
#[component]
pub(super) fn RevokeDialog(
    key: RwSignal<Option<ApiKey>>,
    revoke: ServerAction<RevokeKey>,
    announcement: RwSignal<Option<String>>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    Effect::new(move |_| {
        if key.with(Option::is_some) {
            error.set(None);
            open.set(true);
        }
    });
    Effect::new(move |_| {
        if !open.get() {
            key.set(None);
        }
    });
    Effect::new(move |_| match revoke.value().get() {
        Some(Ok(key)) => {
            open.set(false);
            announcement.set(Some(format!(
                "\u{201c}{}\u{201d} is revoked. Programs that use it are refused from now on.",
                key.name
            )));
        }
        Some(Err(failure)) => error.set(Some(failure)),
        None => {}
    });
    let confirm = move |_| {
        if let Some(key) = key.get_untracked() {
            revoke.dispatch(RevokeKey { id: key.id });
        }
    };
    view! {
        <Dialog open title="Revoke this key?">
            {move || key.get().map(|key| view! {
                <p>
                    "Programs that use " <strong>{key.name}</strong> " (" <code>{key.prefix}</code>
                    ") are refused from this moment on. A revoked key can\u{2019}t be brought back."
                </p>
            })}
            {move || error.get().map(|error| view! { <ErrorView error /> })}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Keep it"</button>
                <button type="button" class="button button-danger" disabled=revoke.pending() on:click=confirm>
                    {move || if revoke.pending().get() { "Revoking\u{2026}" } else { "Revoke key" }}
                </button>
            </div>
        </Dialog>
    }
}

//! `/keys/<id>`: one key, its calls, and what can be changed of it, all without
//! JavaScript.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::recent::{RecentCalls, load_calls};
use super::sharing::Sharing;
use super::table::{Instant, tone};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::model::{ApiKey, KeyStatus};
use crate::keys::server_fns::{RevokeKey, SetShareReads, find_key};
use crate::session::model::error_from_url;
use crate::ui::badge::Badge;
use crate::ui::empty_state::EmptyState;
use crate::ui::error_view::ErrorView;
use crate::ui::icon::{Icon, Shape};
use crate::ui::page_header::PageHeader;
use crate::ui::platform;
use crate::ui::resource::{Loaded, load};
use crate::ui::skeleton::SkeletonRows;
use crate::ui::timestamp::Timestamp;

/// `/keys/<id>`
#[component]
pub fn KeyPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")).unwrap_or_default());
    let revoke = ServerAction::<RevokeKey>::new();
    let share = ServerAction::<SetShareReads>::new();
    let changes = move || revoke.version().get() + share.version().get();
    let key = load(move || (id.get(), changes()), |(id, _)| find(id));
    let calls = load_calls(id);
    view! {
        <a class="back-link" href="/keys">
            <Icon shape=Shape::ArrowLeft />
            "All keys"
        </a>
        <Transition fallback=|| view! { <SkeletonRows rows=4 /> }>
            {move || Suspend::new(async move {
                match key.await {
                    Ok(key) => view! { <Details key calls revoke share /> }.into_any(),
                    Err(error) if error.code == ErrorCode::NotFound => view! { <NoSuchKey /> }.into_any(),
                    Err(error) => view! { <PageHeader title="API key" lead="" /> <ErrorView error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

/// An address that is no id leads to no key, without asking anybody.
async fn find(id: String) -> Result<ApiKey> {
    match id.parse::<ApiKeyId>() {
        Ok(id) => find_key(id).await,
        Err(_) => Err(AppError::new(ErrorCode::NotFound, "There is no such key.")),
    }
}

#[component]
fn NoSuchKey() -> impl IntoView {
    platform::answer_not_found();
    view! {
        <Title text="No such key" />
        <h1 class="visually-hidden">"No such key"</h1>
        <EmptyState title="There is no such key">
            <p>"The link may be cut off, or the key belongs to another bridge."</p>
            <a class="button button-primary" href="/keys">"See all keys"</a>
        </EmptyState>
    }
}

#[component]
fn Details(
    key: ApiKey,
    calls: Loaded<Result<String>>,
    revoke: ServerAction<RevokeKey>,
    share: ServerAction<SetShareReads>,
) -> impl IntoView {
    let id = key.id;
    let revoked = key.status == KeyStatus::Revoked;
    view! {
        <PageHeader title=key.name.clone() lead="Keys are shown once, when they are made. What is kept of this one:" />
        <div role="status">
            {move || revoke.value().get().is_some_and(|result| result.is_ok()).then(|| view! {
                <p class="notice notice-good key-card">"The key is revoked. Programs that use it are refused from now on."</p>
            })}
        </div>
        <dl class="card details-list key-card">
            <dt>"Status"</dt>
            <dd><Badge tone=tone(key.status) label=key.status.label() /></dd>
            <dt>"API key prefix"</dt>
            <dd><code>{key.prefix.clone()}</code></dd>
            <dt>"Created at"</dt>
            <dd><Timestamp at=key.created_at /></dd>
            <dt>"Expires at"</dt>
            <dd><Instant at=key.expires_at never="Never" /></dd>
            <dt>"Last used"</dt>
            <dd><Instant at=key.last_used_at never="Never" /></dd>
            {key.revoked_at.map(|at| view! {
                <dt>"Revoked at"</dt>
                <dd><Timestamp at /></dd>
            })}
        </dl>
        <Sharing key_id=id on=key.share_reads revoked share />
        <RecentCalls calls />
        {(!revoked).then(|| view! { <RevokeForm id revoke /> })}
    }
}

/// Opens to a question; only the answer to it revokes.
#[component]
fn RevokeForm(id: ApiKeyId, revoke: ServerAction<RevokeKey>) -> impl IntoView {
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        revoke.dispatch(RevokeKey { id });
    };
    // Without JavaScript the error comes in the address, which anybody can write.
    let error = move || {
        let error = revoke.value().get().and_then(Result::err)?;
        Some(if revoke.version().get() == 0 {
            error_from_url(&error)
        } else {
            error
        })
    };
    view! {
        <details class="card danger-zone for-operators" id="revoke">
            <summary>"Revoke this key\u{2026}"</summary>
            <form method="post" action=RevokeKey::url() on:submit=submit>
                <div class="form">
                    <p>"Programs that use it are refused from that moment on. A revoked key can\u{2019}t be brought back."</p>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button button-danger" disabled=revoke.pending()>
                        "Yes, revoke it"
                    </button>
                </div>
            </form>
        </details>
        {move || error().map(|error| view! { <ErrorView error /> })}
    }
}

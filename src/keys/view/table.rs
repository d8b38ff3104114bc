//! The table of keys; on a narrow screen a card for each.

use leptos::prelude::*;

use super::address;
use crate::keys::model::{ApiKey, KeyQuery, KeySort, KeyStatus, access_label};
use crate::ui::badge::{Badge, Tone};
use crate::ui::icon::{Icon, Shape};
use crate::ui::timestamp::Timestamp;

/// The tone of a status.
pub(super) const fn tone(status: KeyStatus) -> Tone {
    match status {
        KeyStatus::Active => Tone::Good,
        KeyStatus::Disabled => Tone::Warning,
        KeyStatus::Expired => Tone::Muted,
        KeyStatus::Revoked => Tone::Bad,
    }
}

/// The table. A click on "Revoke" puts the key into `to_revoke`.
#[component]
pub(super) fn KeyTable(keys: Vec<ApiKey>, query: KeyQuery, to_revoke: RwSignal<Option<ApiKey>>) -> impl IntoView {
    view! {
        <div class="table-wrap keys-wrap">
            <table class="table keys-table">
                <caption class="visually-hidden">"Your API keys"</caption>
                <thead>
                    <tr>
                        <SortedHead query=query.clone() sort=KeySort::Name class="col-name" label="Key Name" />
                        <th scope="col" class="col-prefix">"API Key Prefix"</th>
                        <SortedHead query=query.clone() sort=KeySort::CreatedAt class="col-time" label="Created At" />
                        <SortedHead query=query.clone() sort=KeySort::ExpiresAt class="col-time" label="Expires At" />
                        <SortedHead query=query sort=KeySort::LastUsedAt class="col-time" label="Last Used" />
                        <th scope="col" class="col-status">"Status"</th>
                        <th scope="col" class="col-actions">"Actions"</th>
                    </tr>
                </thead>
                <tbody>{keys.into_iter().map(|key| view! { <KeyRow key to_revoke /> }).collect_view()}</tbody>
            </table>
        </div>
    }
}

/// A column's head: a link to the same list in this column's order.
#[component]
fn SortedHead(query: KeyQuery, sort: KeySort, class: &'static str, label: &'static str) -> impl IntoView {
    let order = (query.sort == sort).then_some(query.descending);
    let aria_sort = match order {
        None => "none",
        Some(true) => "descending",
        Some(false) => "ascending",
    };
    let shape = if order.unwrap_or_else(|| address::descends_at_first(sort)) {
        Shape::ArrowDown
    } else {
        Shape::ArrowUp
    };
    view! {
        <th scope="col" class=class aria-sort=aria_sort>
            <a href=address::of(&address::sorted_by(&query, sort)) data-noscroll="true" prop:replace=true>
                {label}
                <Icon shape />
            </a>
        </th>
    }
}

#[component]
fn KeyRow(key: ApiKey, to_revoke: RwSignal<Option<ApiKey>>) -> impl IntoView {
    let address = format!("/keys/{}", key.id);
    view! {
        <tr>
            <th scope="row">
                <a href=address.clone()>{key.name.clone()}</a>
            </th>
            <td class="prefix">
                <code>{key.prefix.clone()}</code>
            </td>
            <td class="created" data-label="Created At">
                <Timestamp at=key.created_at />
            </td>
            <td class="expires" data-label="Expires At">
                <Instant at=key.expires_at never="Never" />
            </td>
            <td class="used" data-label="Last Used">
                <Instant at=key.last_used_at never="Never" />
                <div inner_html=key.spark.clone()></div>
            </td>
            <td class="status">
                <Badge tone=tone(key.status) label=key.status.label() />
                <span class=format!("key-access access-{}", key.access)>{access_label(&key.access)}</span>
            </td>
            <td class="actions">
                {(key.status != KeyStatus::Revoked).then(|| view! { <RevokeButton key address to_revoke /> })}
            </td>
        </tr>
    }
}

/// Asks in a dialog; without JavaScript, on the key's own page.
#[component]
fn RevokeButton(key: ApiKey, address: String, to_revoke: RwSignal<Option<ApiKey>>) -> impl IntoView {
    let label = format!("Revoke {}", key.name);
    view! {
        <a class="button button-small until-hydrated for-operators" href=format!("{address}#revoke") aria-label=label.clone()>
            "Revoke"
        </a>
        <button
            type="button"
            class="button button-small when-hydrated for-operators"
            aria-label=label
            on:click=move |_| to_revoke.set(Some(key.clone()))
        >
            "Revoke"
        </button>
    }
}

/// An instant, or the word for none.
#[component]
pub(super) fn Instant(at: Option<chrono::DateTime<chrono::Utc>>, never: &'static str) -> impl IntoView {
    match at {
        Some(at) => view! { <Timestamp at /> }.into_any(),
        None => view! { <span class="muted">{never}</span> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ApiKeyId;

    fn key(name: &str, status: KeyStatus) -> ApiKey {
        let at = "2026-11-24T12:00:00Z".parse().expect("an instant");
        ApiKey {
            id: ApiKeyId(uuid::Uuid::nil()),
            name: name.to_owned(),
            prefix: "obk_AbCd1234".to_owned(),
            created_at: at,
            expires_at: None,
            last_used_at: None,
            revoked_at: (status == KeyStatus::Revoked).then_some(at),
            share_reads: false,
            access: "read_only".into(),
            replaced_by: None,
            status,
            spark: String::new(),
        }
    }

    fn html(keys: Vec<ApiKey>, query: KeyQuery) -> String {
        Owner::new().with(|| {
            let to_revoke = RwSignal::new(None);
            view! { <KeyTable keys query to_revoke /> }.to_html()
        })
    }

    #[test]
    fn what_can_be_revoked_has_a_button_for_it_and_a_link_before_the_page_reacts() {
        let html = html(vec![key("Stock sheet", KeyStatus::Active)], KeyQuery::default());
        assert_eq!(html.matches(r#"aria-label="Revoke Stock sheet""#).count(), 2, "{html}");
        assert!(html.contains("00000000-0000-0000-0000-000000000000#revoke"), "{html}");
    }

    #[test]
    fn what_is_revoked_offers_no_revoking() {
        let html = html(vec![key("Stock sheet", KeyStatus::Revoked)], KeyQuery::default());
        assert!(html.contains("Revoked"), "{html}");
        assert!(!html.contains("Revoke Stock sheet"), "{html}");
    }

    #[test]
    fn one_column_says_that_the_table_is_sorted_by_it() {
        let query = KeyQuery {
            sort: KeySort::Name,
            descending: false,
            ..KeyQuery::default()
        };
        let html = html(vec![key("Stock sheet", KeyStatus::Active)], query);
        assert_eq!(html.matches(r#"aria-sort="ascending""#).count(), 1, "{html}");
        assert_eq!(html.matches(r#"aria-sort="none""#).count(), 3, "{html}");
    }

    #[test]
    fn a_name_is_text_and_never_markup() {
        let html = html(
            vec![key(r#""><img src=x onerror=alert(1)>"#, KeyStatus::Active)],
            KeyQuery::default(),
        );
        assert!(!html.contains("<img"), "{html}");
    }
}

//! Creating a key: one dialog that asks, one that shows the key, once.
//!
//! The key's plaintext is in the page's memory only while that dialog is open.

use leptos::html;
use leptos::prelude::*;

use crate::error::AppError;
use crate::keys::model::{CreatedKey, KeyName, NAME_MAX_CHARS, parse_expiry};
use crate::keys::server_fns::CreateKey;
use crate::keys::view::sharing;
use crate::ui::copy_button::CopyButton;
use crate::ui::dialog::Dialog;
use crate::ui::error_view::ErrorView;
use crate::ui::field::Field;
use crate::ui::hydrated::use_hydrated;
use crate::ui::icon::{Icon, Shape};
use crate::ui::platform;

/// The choices of how long a key lives, with the words for them.
const EXPIRIES: [(&str, &str); 5] = [
    ("never", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In 365 days"),
    ("date", "On a date\u{2026}"),
];

/// Opens the dialog. It waits for the page to react: a plain form would lose the
/// key that comes back.
#[component]
pub(super) fn CreateButton(open: RwSignal<bool>, #[prop(optional)] label: Option<&'static str>) -> impl IntoView {
    let hydrated = use_hydrated();
    view! {
        <button type="button" class="button button-primary for-operators" disabled=move || !hydrated.get() on:click=move |_| open.set(true)>
            <Icon shape=Shape::Plus />
            {label.unwrap_or("Create key")}
        </button>
    }
}

/// Both dialogs. What a key may do is chosen among `accesses`, printed options.
#[component]
pub(super) fn CreateDialogs(
    open: RwSignal<bool>,
    accesses: RwSignal<String>,
    create: ServerAction<CreateKey>,
    announcement: RwSignal<Option<String>>,
) -> impl IntoView {
    let created = RwSignal::new(None::<CreatedKey>);
    let error = RwSignal::new(None::<AppError>);
    Effect::new(move |_| {
        let Some(result) = create.value().get() else { return };
        match result {
            Ok(key) => {
                open.set(false);
                created.set(Some(key));
                // From here on it is in one place only.
                create.value().set(None);
            }
            Err(failure) => error.set(Some(failure)),
        }
    });
    view! {
        <Dialog open title="Create a key">
            <CreateForm open accesses create error />
        </Dialog>
        <NewKeyDialog created announcement />
    }
}

#[component]
fn CreateForm(
    open: RwSignal<bool>,
    accesses: RwSignal<String>,
    create: ServerAction<CreateKey>,
    error: RwSignal<Option<AppError>>,
) -> impl IntoView {
    let form = NodeRef::<html::Form>::new();
    let name = RwSignal::new(String::new());
    let expiry = RwSignal::new("90".to_owned());
    let date = RwSignal::new(String::new());
    let share_reads = RwSignal::new(false);
    let access = RwSignal::new("read_only".to_owned());
    let may_do = NodeRef::<html::Select>::new();
    let on_date = move || expiry.with(|expiry| expiry == "date");
    // Each time it opens it is as new.
    Effect::new(move |_| {
        if open.get() {
            name.set(String::new());
            expiry.set("90".to_owned());
            date.set(String::new());
            share_reads.set(false);
            if let Some(may_do) = may_do.get_untracked() {
                may_do.set_inner_html(&accesses.get_untracked());
            }
            access.set("read_only".to_owned());
            error.set(None);
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if create.pending().get_untracked() {
            return;
        }
        let (name, expiry, date) = (name.get_untracked(), expiry.get_untracked(), date.get_untracked());
        // The server decides; but it need not be asked for what is wrong already.
        let checked = KeyName::parse(&name).and(parse_expiry(&expiry, &date, platform::now()).map(drop));
        error.set(checked.err());
        if error.with_untracked(Option::is_none) {
            let share_reads = share_reads.get_untracked();
            create.dispatch(CreateKey {
                name,
                expiry,
                date,
                share_reads,
                access: access.get_untracked(),
            });
        }
    };
    view! {
        <form class="form" node_ref=form on:submit=submit>
            <Field id="key-name" label="Name" hint="What the key is for, such as \u{201c}Stock sheet\u{201d}.">
                <input
                    id="key-name"
                    type="text"
                    required
                    autofocus
                    autocomplete="off"
                    maxlength=NAME_MAX_CHARS.to_string()
                    aria-describedby="key-name-hint"
                    bind:value=name
                />
            </Field>
            <Field id="key-expiry" label="Expires">
                <select id="key-expiry" prop:value=move || expiry.get() on:change:target=move |event| expiry.set(event.target().value())>
                    {EXPIRIES
                        .map(|(value, label)| view! { <option value=value selected=value == "90">{label}</option> })
                        .into_iter()
                        .collect_view()}
                </select>
            </Field>
            {move || on_date().then(|| view! {
                <Field id="key-date" label="Last day" hint="The key is accepted to the end of this day, in UTC.">
                    <input id="key-date" type="date" required aria-describedby="key-date-hint" bind:value=date />
                </Field>
            })}
            <Field id="key-access" label="May do" hint="Its page says it in words, and can change it.">
                <select
                    id="key-access"
                    aria-describedby="key-access-hint"
                    prop:value=move || access.get()
                    on:change:target=move |event| access.set(event.target().value())
                    node_ref=may_do
                ></select>
            </Field>
            {move || access.with(|access| access == "full").then(|| view! {
                <p class="notice notice-warning">
                    "Whoever holds this key can read every secret in Odoo, run code there and give itself rights."
                </p>
            })}
            <div class="field">
                <label class="check">
                    <input type="checkbox" aria-describedby="key-share-hint" bind:checked=share_reads />
                    {sharing::TITLE}
                </label>
                <p class="field-hint" id="key-share-hint">{sharing::HINT}</p>
            </div>
            {move || error.get().map(|error| view! { <ErrorView error /> })}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button button-primary" aria-disabled=move || create.pending().get().then_some("true")>
                    {move || if create.pending().get() { "Creating\u{2026}" } else { "Create key" }}
                </button>
            </div>
        </form>
    }
}

/// Shows the key until its reader says that it is stored; Escape does not do.
#[component]
fn NewKeyDialog(created: RwSignal<Option<CreatedKey>>, announcement: RwSignal<Option<String>>) -> impl IntoView {
    let open = RwSignal::new(false);
    Effect::new(move |_| {
        if created.with(Option::is_some) {
            open.set(true);
        }
    });
    let done = move |_| {
        open.set(false);
        if let Some(created) = created.try_update(Option::take).flatten() {
            announcement.set(Some(format!(
                "\u{201c}{}\u{201d} is created and can be used now.",
                created.key.name
            )));
        }
    };
    view! {
        <Dialog open title="Your new key" insist=true>
            {move || created.get().map(|created| view! {
                <code class="key-reveal" id="new-key">{created.plaintext.clone()}</code>
                <CopyButton text=created.plaintext label="Copy key" />
            })}
            <p class="notice notice-warning">
                "This is the only time the key is shown. Copy it now and keep it as you would keep a password."
            </p>
            <div class="dialog-actions">
                <button type="button" class="button button-primary" on:click=done>"Done"</button>
            </div>
        </Dialog>
    }
}

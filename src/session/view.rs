//! The pages `/login`, `/setup` and `/account`. All three are plain forms: the
//! server answers with the next page, or with this one and the reason.

use std::time::Duration;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos::server_fn::error::ServerFnUrlError;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::error::{AppError, ErrorCode};
use crate::frame::{BareFrame, load_frame};
use crate::session::model::{NOT_SIGNED_IN, error_from_url, wait_in_words};
use crate::session::server_fns::{ChangePassword, SetUp, SignIn};
use crate::ui::error_view::ErrorView;
use crate::ui::field::Field;
use crate::ui::hydrated::use_hydrated;
use crate::ui::page_header::PageHeader;
use crate::ui::platform;

const PASSWORD_HINT: &str = "12 characters at least. Several words make a good password.";
/// How long a form that was sent is not sent again by a second click. Not for good:
/// a page that the browser brings back must react.
const SENT_FOR: Duration = Duration::from_secs(5);
/// How the server's answer to a form comes in the address.
const ANSWERS: [&str; 3] = [ERROR_OF, ERROR, CHANGED];
const ERROR_OF: &str = "__path";
const ERROR: &str = "__err";
const CHANGED: &str = "changed";

/// `/login`
#[component]
pub fn LoginPage() -> impl IntoView {
    let next = use_query_map().read_untracked().get("next").unwrap_or_default();
    view! {
        <Title text="Sign in" />
        <BareFrame>
            <div class="sign-in">
                <h1>"Sign in"</h1>
                <PlainForm action=SignIn::url() label="Sign in" label_busy="Signing in\u{2026}">
                    <input type="hidden" name="next" value=next />
                    <EmailField />
                    <PasswordField name="password" label="Password" autocomplete="current-password" />
                </PlainForm>
                // public/passkeys.js
                <button type="button" class="button" data-passkey="sign-in">"Sign in with a passkey"</button>
                <p class="passkey-said" role="status"></p>
            </div>
        </BareFrame>
    }
}

/// `/setup`
#[component]
pub fn SetupPage() -> impl IntoView {
    view! {
        <Title text="Set up" />
        <BareFrame>
            <div class="sign-in">
                <h1>"Set up Odoo Bridge"</h1>
                <p class="lead">"Make the first account. You sign in with it from now on."</p>
                <PlainForm action=SetUp::url() label="Make the account" label_busy="Making the account\u{2026}">
                    <Field
                        id="token"
                        label="Set-up token"
                        hint="Printed in the terminal where the bridge was started, so that only you can do this."
                    >
                        <input
                            id="token"
                            name="token"
                            type="text"
                            class="token"
                            autocomplete="off"
                            autocapitalize="none"
                            spellcheck="false"
                            aria-describedby="token-hint"
                            required
                        />
                    </Field>
                    <EmailField />
                    <PasswordField name="password" label="Password" autocomplete="new-password" hint=PASSWORD_HINT />
                </PlainForm>
            </div>
        </BareFrame>
    }
}

/// `/account`: change the password.
#[component]
pub fn AccountPage() -> impl IntoView {
    let info = load_frame();
    view! {
        <PageHeader title="Account" lead="How you sign in." />
        <Transition fallback=|| view! { <p class="muted">"Reading your account\u{2026}"</p> }>
            {move || Suspend::new(async move {
                let email = info.await.and_then(|info| {
                    info.email.ok_or_else(|| AppError::new(ErrorCode::Unauthenticated, NOT_SIGNED_IN))
                });
                match email {
                    Ok(email) => view! {
                        <PasswordForm email />
                        <a class="button" href="/account/security">"Passkeys, second factor, sessions"</a>
                    }
                    .into_any(),
                    Err(error) => view! { <ErrorView error=error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn PasswordForm(email: String) -> impl IntoView {
    let query = use_query_map();
    // An address may keep the word of a success from before a failure.
    let changed = query.with_untracked(|query| query.get_str(CHANGED).is_some() && query.get_str(ERROR).is_none());
    view! {
        <section class="card account-card" aria-labelledby="change-password">
            <h2 id="change-password">"Change password"</h2>
            <p class="muted">"Signed in as " <strong>{email.clone()}</strong> ". Wherever else you are signed in, you will be signed out."</p>
            <div role="status">
                {changed.then(|| view! {
                    <p class="notice notice-good">"The password is changed. Your other sessions are ended."</p>
                })}
            </div>
            <PlainForm action=ChangePassword::url() label="Change password" label_busy="Changing\u{2026}">
                // For password managers: whose password this is.
                <input type="text" name="username" autocomplete="username" value=email hidden readonly />
                <PasswordField name="old_password" label="Present password" autocomplete="current-password" />
                <PasswordField name="new_password" label="New password" autocomplete="new-password" hint=PASSWORD_HINT />
            </PlainForm>
        </section>
    }
}

/// A form that the browser itself sends, with what the server said to it the last
/// time above its fields and the one button below.
#[component]
fn PlainForm(
    /// Where it is sent.
    action: &'static str,
    /// Of the button.
    label: &'static str,
    /// Of the button, while the answer is under way.
    label_busy: &'static str,
    children: Children,
) -> impl IntoView {
    let sent = RwSignal::new(false);
    let submit = move |event: SubmitEvent| {
        if sent.get_untracked() {
            event.prevent_default();
            return;
        }
        sent.set(true);
        set_timeout(
            move || {
                // The page may be another one by then.
                let _ = sent.try_set(false);
            },
            SENT_FOR,
        );
    };
    let problem = error_in_address(action).map(|error| view! { <Problem error /> });
    let described_by = problem.is_some().then_some("problem");
    // What was said once is not said again by a reload.
    Effect::new(|| platform::forget_in_address(&ANSWERS));
    view! {
        <form method="post" action=action on:submit=submit aria-describedby=described_by>
            {problem}
            {children()}
            <button type="submit" class="button button-primary submit" aria-busy=move || sent.get().to_string()>
                {move || if sent.get() { label_busy } else { label }}
            </button>
        </form>
    }
}

#[component]
fn EmailField() -> impl IntoView {
    view! {
        <Field id="email" label="Email">
            <input
                id="email"
                name="email"
                type="email"
                autocomplete="username"
                autocapitalize="none"
                spellcheck="false"
                maxlength="254"
                required
            />
        </Field>
    }
}

/// A password with a switch that shows it, once the page reacts.
#[component]
fn PasswordField(
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    #[prop(optional)] hint: Option<&'static str>,
) -> impl IntoView {
    let shown = RwSignal::new(false);
    let hydrated = use_hydrated();
    let kind = move || if shown.get() { "text" } else { "password" };
    let input = view! {
        <div class="password-field">
            <input
                id=name
                name=name
                type=kind
                autocomplete=autocomplete
                autocapitalize="none"
                spellcheck="false"
                aria-describedby=hint.map(|_| format!("{name}-hint"))
                required
            />
            <Show when=move || hydrated.get()>
                <button
                    type="button"
                    class="button button-quiet button-small"
                    aria-controls=name
                    aria-label=move || format!("{} {}", if shown.get() { "Hide" } else { "Show" }, label.to_lowercase())
                    on:click=move |_| shown.update(|shown| *shown = !*shown)
                >
                    {move || if shown.get() { "Hide" } else { "Show" }}
                </button>
            </Show>
        </div>
    };
    match hint {
        Some(hint) => view! { <Field id=name label=label hint=hint>{input}</Field> }.into_any(),
        None => view! { <Field id=name label=label>{input}</Field> }.into_any(),
    }
}

/// What went wrong, in words; the browser puts the focus there when it loads the page.
#[component]
fn Problem(error: AppError) -> impl IntoView {
    let wait = error
        .retry_after_secs
        .map(|secs| format!(" Try again in {}.", wait_in_words(secs)));
    view! {
        <div id="problem" class="notice notice-bad" role="alert" tabindex="-1" autofocus>
            <p>{error.message.into_owned()}{wait}</p>
        </div>
    }
}

/// What the server answered to the form that was sent to `action`. Anybody can write
/// an address, so it is not believed word by word.
fn error_in_address(action: &str) -> Option<AppError> {
    use_query_map().with_untracked(|query| {
        let error = query.get_str(ERROR)?;
        (query.get_str(ERROR_OF) == Some(action)).then(|| error_from_url(&ServerFnUrlError::decode_err(error)))
    })
}

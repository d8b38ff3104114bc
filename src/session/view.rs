//! The pages `/login`, `/setup` and `/account`. All three work as plain forms
//! before the page reacts, and without JavaScript.

use leptos::form::ActionForm;
use leptos::html;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::error::{AppError, Result};
use crate::frame::BareFrame;
use crate::session::model::{error_from_url, wait_in_words};
use crate::session::server_fns::{ChangePassword, SetUp, SignIn, get_account};
use crate::ui::error_view::ErrorView;
use crate::ui::field::Field;
use crate::ui::hydrated::use_hydrated;
use crate::ui::page_header::PageHeader;

const PASSWORD_HINT: &str = "12 characters at least. Several words make a good password.";

/// `/login`
#[component]
pub fn LoginPage() -> impl IntoView {
    let action = ServerAction::<SignIn>::new();
    let query = use_query_map();
    let next = move || query.read().get("next").unwrap_or_default();
    load_on_success(action);
    view! {
        <Title text="Sign in" />
        <BareFrame>
            <div class="sign-in">
                <h1>"Sign in"</h1>
                <ActionForm action=action>
                    <Problem error=error_of(action) />
                    <input type="hidden" name="next" value=next />
                    <EmailField />
                    <PasswordField name="password" label="Password" autocomplete="current-password" />
                    <SubmitButton busy=busy(action) label="Sign in" label_busy="Signing in\u{2026}" />
                </ActionForm>
            </div>
        </BareFrame>
    }
}

/// `/setup`
#[component]
pub fn SetupPage() -> impl IntoView {
    let action = ServerAction::<SetUp>::new();
    load_on_success(action);
    view! {
        <Title text="Set up" />
        <BareFrame>
            <div class="sign-in">
                <h1>"Set up Odoo Bridge"</h1>
                <p class="lead">"Make the first account. You sign in with it from now on."</p>
                <ActionForm action=action>
                    <Problem error=error_of(action) />
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
                    <SubmitButton busy=busy(action) label="Make the account" label_busy="Making the account\u{2026}" />
                </ActionForm>
            </div>
        </BareFrame>
    }
}

/// `/account`: change the password.
#[component]
pub fn AccountPage() -> impl IntoView {
    let account = Resource::new(|| (), |()| get_account());
    view! {
        <PageHeader title="Account" lead="Change the password that you sign in with." />
        <Transition fallback=|| view! { <p class="muted">"Reading your account\u{2026}"</p> }>
            {move || Suspend::new(async move {
                match account.await {
                    Ok(user) => view! { <PasswordForm email=user.email /> }.into_any(),
                    Err(error) => view! { <ErrorView error=error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn PasswordForm(email: String) -> impl IntoView {
    let action = ServerAction::<ChangePassword>::new();
    let query = use_query_map();
    let form = NodeRef::<html::Form>::new();
    // Said by the URL to a form without JavaScript, by the action otherwise.
    let changed = move || {
        let done = action.value().with(|value| matches!(value, Some(Ok(()))));
        let told = action.version().get() == 0 && query.read().get("changed").is_some();
        (done || told) && !action.pending().get()
    };
    Effect::new(move || {
        if action.value().with(|value| matches!(value, Some(Ok(()))))
            && let Some(form) = form.get_untracked()
        {
            form.reset();
        }
    });
    view! {
        <section class="card account-card" aria-labelledby="change-password">
            <h2 id="change-password">"Change password"</h2>
            <p class="muted">"Signed in as " <strong>{email.clone()}</strong> ". Wherever else you are signed in, you will be signed out."</p>
            <div role="status">
                {move || changed().then(|| view! {
                    <p class="notice notice-good">"The password is changed. Your other sessions are ended."</p>
                })}
            </div>
            <ActionForm action=action node_ref=form>
                <Problem error=error_of(action) />
                // For password managers: whose password this is.
                <input type="text" name="username" autocomplete="username" value=email hidden readonly />
                <PasswordField name="old_password" label="Present password" autocomplete="current-password" />
                <PasswordField name="new_password" label="New password" autocomplete="new-password" hint=PASSWORD_HINT />
                <SubmitButton busy=action.pending().into() label="Change password" label_busy="Changing\u{2026}" />
            </ActionForm>
        </section>
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

#[component]
fn SubmitButton(busy: Signal<bool>, label: &'static str, label_busy: &'static str) -> impl IntoView {
    view! {
        <button
            type="submit"
            class="button button-primary submit"
            disabled=move || busy.get()
            aria-busy=move || busy.get().to_string()
        >
            {move || if busy.get() { label_busy } else { label }}
        </button>
    }
}

/// What went wrong, in words; the focus goes there when it appears.
#[component]
fn Problem(error: Signal<Option<AppError>>) -> impl IntoView {
    let notice = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if error.read().is_some()
            && let Some(notice) = notice.get()
        {
            // Focus fails only on an element that is gone, and then nobody looks.
            let _ = notice.focus();
        }
    });
    move || {
        error.get().map(|error| {
            let wait = error
                .retry_after_secs
                .map(|secs| format!(" Try again in {}.", wait_in_words(secs)));
            view! {
                <div class="notice notice-bad" role="alert" tabindex="-1" node_ref=notice>
                    <p>{error.message.to_string()}{wait}</p>
                </div>
            }
        })
    }
}

/// The error to show: none while the form is under way. One that came in the
/// URL (a form without JavaScript) is not believed word by word.
fn error_of<S>(action: ServerAction<S>) -> Signal<Option<AppError>>
where
    S: ServerFn<Error = AppError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    Signal::derive(move || {
        if action.pending().get() {
            return None;
        }
        let from_url = action.version().get() == 0;
        let error = action
            .value()
            .with(|value| value.as_ref().and_then(|value| value.as_ref().err().cloned()))?;
        Some(if from_url { error_from_url(&error) } else { error })
    })
}

/// Under way, or done and leaving for the next page.
fn busy<S>(action: ServerAction<S>) -> Signal<bool>
where
    S: ServerFn<Error = AppError, Output = String> + Clone + Send + Sync + 'static,
{
    Signal::derive(move || action.pending().get() || action.value().with(|value| matches!(value, Some(Ok(_)))))
}

/// Loads the page that the server names, as a whole: nothing of the time before
/// the sign-in stays in memory.
fn load_on_success<S>(action: ServerAction<S>)
where
    S: ServerFn<Error = AppError, Output = String> + Clone + Send + Sync + 'static,
{
    Effect::new(move || {
        let page = action
            .value()
            .with(|value: &Option<Result<String>>| value.as_ref().and_then(|value| value.clone().ok()));
        if let Some(page) = page
            && let Err(error) = window().location().assign(&page)
        {
            leptos::logging::error!("can't load the next page: {error:?}");
        }
    });
}

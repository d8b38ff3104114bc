//! What is on the printed pages of signing in. Instants are in UTC.

use leptos::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use crate::ids::UserId;
use crate::printed::parts::{Notice, header, noticed};
use crate::session::model::FRESH_FOR_MINUTES;
use crate::session::open_sessions::OpenSession;
use crate::session::passkeys::{Listed, NAME_MAX_CHARS};
use crate::session::second_factor::{Enrolment, State};
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// The page that asks for the code.
pub(super) fn code(next: String, notice: Option<Notice>) -> impl IntoView {
    view! {
        <div class="sign-in">
            <h1>"Second factor"</h1>
            {notice.map(noticed)}
            <form method="post" action="/login/code" class="form">
                <input type="hidden" name="next" value=next />
                <div class="field">
                    <label for="code">"Code"</label>
                    <input
                        id="code"
                        name="code"
                        type="text"
                        inputmode="numeric"
                        autocomplete="one-time-code"
                        autocapitalize="characters"
                        spellcheck="false"
                        maxlength="40"
                        aria-describedby="code-hint"
                        required
                        autofocus
                    />
                    <p class="field-hint" id="code-hint">"The six digits that your authenticator app shows now, or one of your recovery codes."</p>
                </div>
                <button type="submit" class="button button-primary submit">"Sign in"</button>
            </form>
            <p><a href="/login" rel="external">"Begin again"</a></p>
        </div>
    }
}

/// The page that asks for the password once more.
pub(super) fn confirm(next: String, notice: Option<Notice>) -> impl IntoView {
    view! {
        {header(
            "Confirm your password",
            &format!("What comes next is dangerous in the wrong hands. It stays confirmed for {FRESH_FOR_MINUTES} minutes."),
        )}
        <section class="card account-card">
            {notice.map(noticed)}
            <form method="post" action="/confirm" class="form">
                <input type="hidden" name="next" value=next />
                <div class="field">
                    <label for="password">"Password"</label>
                    <input id="password" name="password" type="password" autocomplete="current-password" maxlength="128" required autofocus />
                </div>
                <button type="submit" class="button button-primary">"Confirm"</button>
            </form>
        </section>
    }
}

/// What is shown once, in the middle of setting the second factor up.
pub(super) enum Setting {
    /// What an authenticator app needs.
    Enrolment(Enrolment),
    /// The recovery codes.
    RecoveryCodes(Vec<SecretString>),
}

/// All that is on `/account/security`.
pub(super) struct Security {
    /// Whose.
    pub(super) email: String,
    /// Whether the password was given a short while ago.
    pub(super) is_fresh: bool,
    pub(super) factor: State,
    pub(super) setting: Option<Setting>,
    /// The oldest first.
    pub(super) passkeys: Vec<Listed>,
    /// Whether a new one can be for the address at which the bridge is open.
    pub(super) passkeys_possible: bool,
    /// The last used first.
    pub(super) sessions: Vec<OpenSession>,
    pub(super) notice: Option<Notice>,
}

/// `/account/security`
pub(super) fn security(shown: Security) -> impl IntoView {
    let Security {
        email,
        is_fresh,
        factor,
        setting,
        passkeys,
        passkeys_possible,
        sessions,
        notice,
    } = shown;
    view! {
        {header("Sign-in and sessions", &format!("How {email} proves who they are, and where they are signed in."))}
        {notice.map(noticed)}
        <section class="card key-card stack" aria-labelledby="factor-title">
            <h2 id="factor-title">"Second factor"</h2>
            {state(&factor)}
            {match setting {
                Some(Setting::Enrolment(enrolment)) => enrol(&enrolment).into_any(),
                Some(Setting::RecoveryCodes(codes)) => view! { {recovery_codes(codes)} {factor_forms(&factor, is_fresh)} }.into_any(),
                None => factor_forms(&factor, is_fresh).into_any(),
            }}
        </section>
        <section class="card key-card stack" aria-labelledby="passkeys-title">
            <h2 id="passkeys-title">"Passkeys"</h2>
            <p>"A passkey on your phone, computer or security key signs you in by its lock: no password, no code. It works at this bridge's own address only, so no other page can ask for it."</p>
            {(!passkeys.is_empty()).then(|| passkey_table(passkeys))}
            {passkey_form(is_fresh, passkeys_possible)}
        </section>
        <section class="stack" aria-labelledby="sessions-title">
            <h2 id="sessions-title">"Where you are signed in"</h2>
            {session_table(sessions, "/account/security", None)}
        </section>
    }
}

fn state(factor: &State) -> AnyView {
    match factor {
        State::Off => view! {
            <p><Badge tone=Tone::Warning label="Off" /> " Whoever knows your password is you. With it on, a code of an authenticator app is asked for too."</p>
        }
        .into_any(),
        State::On { since, recovery_codes } => view! {
            <p>
                <Badge tone=Tone::Good label="On" /> " Since " <Timestamp at=*since />
                {format!(". Recovery codes left: {recovery_codes}.")}
            </p>
        }
        .into_any(),
    }
}

fn factor_forms(factor: &State, is_fresh: bool) -> AnyView {
    if !is_fresh {
        return view! {
            <p><a class="button" rel="external" href="/confirm?next=/account/security">"Confirm your password to change it"</a></p>
        }
        .into_any();
    }
    match factor {
        State::Off => view! {
            <form method="post" action="/account/security">
                <button type="submit" name="do" value="set_up" class="button button-primary">"Set it up"</button>
            </form>
        }
        .into_any(),
        State::On { .. } => view! {
            <form method="post" action="/account/security" class="form-actions">
                <button type="submit" name="do" value="renew_codes" class="button">"Make new recovery codes"</button>
                <button type="submit" name="do" value="turn_off" class="button button-danger">"Turn it off"</button>
            </form>
        }
        .into_any(),
    }
}

fn passkey_table(passkeys: Vec<Listed>) -> impl IntoView {
    let row = |passkey: Listed| {
        view! {
            <tr>
                <th scope="row" data-label="Name">{passkey.name.clone()}</th>
                <td data-label="Added"><Timestamp at=passkey.created_at /></td>
                <td data-label="Last used">
                    {passkey.last_used_at.map_or_else(|| "Never".into_any(), |at| view! { <Timestamp at /> }.into_any())}
                </td>
                <td>
                    <form method="post" action="/account/security">
                        <input type="hidden" name="passkey" value=passkey.id.to_string() />
                        <button
                            type="submit"
                            name="do"
                            value="remove_passkey"
                            class="button button-small"
                            aria-label=format!("Remove {}", passkey.name)
                        >
                            "Remove"
                        </button>
                    </form>
                </td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Table of passkeys">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Added"</th>
                        <th scope="col">"Last used"</th>
                        <td></td>
                    </tr>
                </thead>
                <tbody>{passkeys.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

/// Done by `public/passkeys.js`.
fn passkey_form(is_fresh: bool, is_possible: bool) -> AnyView {
    if !is_possible {
        return view! {
            <p class="muted">"A new one needs the bridge to be open under a name, over https: not under an address of numbers."</p>
        }
        .into_any();
    }
    if !is_fresh {
        return view! {
            <p><a class="button" rel="external" href="/confirm?next=/account/security">"Confirm your password to add one"</a></p>
        }
        .into_any();
    }
    view! {
        <div class="passkey">
            <noscript>
                <p class="muted">"Only JavaScript can ask the browser for a passkey."</p>
            </noscript>
            <label for="passkey-name">"Name of the new one"</label>
            <input id="passkey-name" name="passkey" type="text" maxlength=NAME_MAX_CHARS value="Passkey" autocomplete="off" />
            <button type="button" class="button button-primary" data-passkey="add">"Add a passkey"</button>
            <p class="passkey-said" role="status"></p>
        </div>
    }
    .into_any()
}

fn enrol(enrolment: &Enrolment) -> impl IntoView + use<> {
    view! {
        <ol class="steps">
            <li>
                <p>"Scan this with an authenticator app:"</p>
                <div class="qr" role="img" aria-label="QR code of the secret; the same as the text below" inner_html=enrolment.qr.expose_secret().to_owned()></div>
                <p>"Or type it there: " <code class="key-reveal" id="totp-secret">{enrolment.secret.expose_secret().to_owned()}</code></p>
            </li>
            <li>
                <form method="post" action="/account/security" class="form">
                    <div class="field">
                        <label for="code">"The code that it shows now"</label>
                        <div class="inline-fields">
                            <input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required />
                            <button type="submit" name="do" value="turn_on" class="button button-primary">"Turn it on"</button>
                        </div>
                    </div>
                </form>
            </li>
        </ol>
    }
}

fn recovery_codes(codes: Vec<SecretString>) -> impl IntoView {
    view! {
        <p class="notice notice-warning">
            "These recovery codes are shown only now. Each signs you in once without the app. Keep them where you keep passwords."
        </p>
        <ul class="recovery-codes">{codes.into_iter().map(|code| view! { <li><code>{code.expose_secret().to_owned()}</code></li> }).collect_view()}</ul>
    }
}

/// Sessions with their ends. The forms go to `action`, and say whose they are if they are
/// another person's.
pub(crate) fn session_table(sessions: Vec<OpenSession>, action: &'static str, whose: Option<UserId>) -> impl IntoView {
    let others = sessions.iter().any(|session| !session.is_present);
    let user = move || whose.map(|id| view! { <input type="hidden" name="user" value=id.to_string() /> });
    let row = move |session: OpenSession| {
        let agent = session.user_agent.unwrap_or_else(|| "Unknown".to_owned());
        view! {
            <tr>
                <th scope="row" data-label="Browser" class="agent">{agent}</th>
                <td data-label="From">{session.address.unwrap_or_else(|| "\u{2013}".to_owned())}</td>
                <td data-label="Since"><Timestamp at=session.created_at /></td>
                <td data-label="Last used"><Timestamp at=session.last_seen_at /></td>
                <td>
                    {if session.is_present {
                        view! { <Badge tone=Tone::Good label="This one" /> }.into_any()
                    } else {
                        view! {
                            <form method="post" action=action>
                                {user()}
                                <input type="hidden" name="session" value=session.id.to_string() />
                                <button type="submit" name="do" value="end" class="button button-small">"End it"</button>
                            </form>
                        }
                        .into_any()
                    }}
                </td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Open sessions">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Browser"</th>
                        <th scope="col">"From"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">"Last used"</th>
                        <td></td>
                    </tr>
                </thead>
                <tbody>{sessions.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        {others.then(|| view! {
            <form method="post" action=action>
                {user()}
                <button type="submit" name="do" value="end_others" class="button">
                    {if whose.is_some() { "End all of them" } else { "End all others" }}
                </button>
            </form>
        })}
    }
}

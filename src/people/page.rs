//! What is on `/people` and `/join/<token>`, printed by the server. Instants are in UTC.

use leptos::prelude::*;

use crate::ids::UserId;
use crate::people::accounts::Account;
use crate::people::invitations::Invitation;
use crate::printed::parts::{Notice, header, noticed};
use crate::session::model::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Role};
use crate::session::open_sessions::OpenSession;
use crate::session::pages::session_table;
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// All that is on `/people`.
pub(super) struct Shown {
    /// Who looks.
    pub(super) own: Option<UserId>,
    /// Whether they gave their password a short while ago.
    pub(super) is_fresh: bool,
    pub(super) accounts: Vec<Account>,
    pub(super) invitations: Vec<Invitation>,
    /// Where one of them is signed in, if that was asked for.
    pub(super) sessions: Option<Sessions>,
    /// Of an invitation just made: the only time that it is shown.
    pub(super) link: Option<String>,
    pub(super) notice: Option<Notice>,
}

/// Where a person is signed in.
pub(super) struct Sessions {
    pub(super) user: UserId,
    pub(super) email: String,
    /// The last used first.
    pub(super) open: Vec<OpenSession>,
}

const fn purpose(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer \u{2013} looks at keys and figures, changes nothing",
        Role::Operator => "Operator \u{2013} makes, changes and revokes keys",
        Role::Admin => "Admin \u{2013} also decides who may do what, and sees what everybody did",
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Operator => "Operator",
        Role::Admin => "Admin",
    }
}

/// `/people`
pub(super) fn people(shown: Shown) -> impl IntoView {
    let Shown {
        own,
        is_fresh,
        accounts,
        invitations,
        sessions,
        link,
        notice,
    } = shown;
    view! {
        {header("People", "Who may use this dashboard, and as what.")}
        <p class="page-links"><a class="button" rel="external" href="/audit">"What everybody did: the audit log"</a></p>
        {notice.map(noticed)}
        {link.map(|link| view! {
            <section class="card key-card stack" aria-labelledby="link-title">
                <h2 id="link-title">"The link"</h2>
                <code class="key-reveal" id="invitation-link">{link}</code>
                <p class="notice notice-warning">"This is the only time the link is shown. Whoever has it can make the account."</p>
            </section>
        })}
        {(!is_fresh).then(|| view! {
            <p class="notice">
                <a class="button" rel="external" href="/confirm?next=/people">"Confirm your password to change something here"</a>
            </p>
        })}
        <section class="stack" aria-labelledby="accounts-title">
            <h2 id="accounts-title">"Accounts"</h2>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Table of accounts">
                <table class="table table-stacked">
                    <thead>
                        <tr>
                            <th scope="col">"Email"</th>
                            <th scope="col">"Role"</th>
                            <th scope="col">"Second factor"</th>
                            <th scope="col" class="numeric">"Keys"</th>
                            <th scope="col">"Last here"</th>
                            <td></td>
                        </tr>
                    </thead>
                    <tbody>{accounts.into_iter().map(|account| row(account, own, is_fresh).into_any()).collect_view()}</tbody>
                </table>
            </div>
        </section>
        {sessions.map(|sessions| signed_in(sessions, is_fresh))}
        {(!invitations.is_empty()).then(|| pending(invitations, is_fresh))}
        {is_fresh.then(invite_form)}
    }
}

fn row(account: Account, own: Option<UserId>, is_fresh: bool) -> impl IntoView {
    let (email, id) = (account.email.clone(), account.id.to_string());
    let is_own = own == Some(account.id);
    let forms = is_fresh.then(|| {
        view! {
            <details class="row-menu">
                <summary aria-label=format!("Change {email}")>"Change"</summary>
                <form method="post" action="/people" class="form">
                    <input type="hidden" name="user" value=id.clone() />
                    <div class="field">
                        <label for=format!("role-{id}")>"Role"</label>
                        <div class="inline-fields">
                            <select id=format!("role-{id}") name="role">{roles(&account.role, name)}</select>
                            <button type="submit" name="do" value="role" class="button">"Set"</button>
                        </div>
                    </div>
                    {(account.has_factor || account.passkeys > 0).then(|| view! {
                        <button type="submit" name="do" value="reset_factor" class="button">"Turn the second factor off, and remove passkeys"</button>
                    })}
                    {(account.keys > 0).then(|| view! {
                        <button type="submit" name="do" value="revoke_keys" class="button">
                            {format!("Revoke all their keys ({})", account.keys)}
                        </button>
                    })}
                    <label class="check">
                        <input type="checkbox" name="revoke_keys" value="yes" />
                        {format!("Revoke the keys that they made, too ({})", account.keys)}
                    </label>
                    <button type="submit" name="do" value="remove" class="button button-danger">
                        {if is_own { "Remove my own account" } else { "Remove the account" }}
                    </button>
                </form>
            </details>
        }
    });
    let factor = if account.has_factor {
        view! { <Badge tone=Tone::Good label="On" /> }
    } else {
        view! { <Badge tone=Tone::Muted label="Off" /> }
    };
    let passkeys = match account.passkeys {
        0 => String::new(),
        1 => " 1 passkey".to_owned(),
        many => format!(" {many} passkeys"),
    };
    let role = Role::parse(&account.role).map_or(account.role, |role| name(role).to_owned());
    view! {
        <tr>
            <th scope="row" data-label="Email">{email.clone()}{is_own.then_some(" (you)")}</th>
            <td data-label="Role">{role}</td>
            <td data-label="Second factor">{factor} {passkeys}</td>
            <td class="numeric" data-label="Keys">{account.keys}</td>
            <td data-label="Last here">
                {match account.last_seen_at {
                    Some(at) => view! { <Timestamp at /> }.into_any(),
                    None => "\u{2013}".into_any(),
                }}
            </td>
            <td>
                <a rel="external" href=format!("/people?sessions={id}#sessions") aria-label=format!("Sessions of {email}")>"Sessions"</a>
                {forms}
            </td>
        </tr>
    }
}

fn signed_in(sessions: Sessions, is_fresh: bool) -> impl IntoView {
    let Sessions { user, email, open } = sessions;
    let is_empty = open.is_empty();
    view! {
        <section class="stack" aria-labelledby="sessions-title" id="sessions">
            <h2 id="sessions-title">{format!("Where {email} is signed in")}</h2>
            {if is_empty {
                view! { <p class="muted">"Nowhere."</p> }.into_any()
            } else if is_fresh {
                session_table(open, "/people", Some(user)).into_any()
            } else {
                view! { <p>{format!("{} open. Confirm your password to see and end them.", open.len())}</p> }.into_any()
            }}
        </section>
    }
}

/// Choices of a role, in the words that there is room for.
fn roles(selected: &str, words: fn(Role) -> &'static str) -> impl IntoView + use<> {
    Role::ALL
        .into_iter()
        .map(|role| {
            view! { <option value=role.as_str() selected=role.as_str() == selected>{words(role)}</option> }
        })
        .collect_view()
}

fn pending(invitations: Vec<Invitation>, is_fresh: bool) -> impl IntoView {
    let row = |invitation: Invitation| {
        view! {
            <tr>
                <th scope="row" data-label="Email">{invitation.email}</th>
                <td data-label="Role">{Role::parse(&invitation.role).map_or("\u{2013}", name)}</td>
                <td data-label="Ends"><Timestamp at=invitation.expires_at /></td>
                <td>
                    {is_fresh.then(|| view! {
                        <form method="post" action="/people">
                            <input type="hidden" name="invitation" value=invitation.id.to_string() />
                            <button type="submit" name="do" value="withdraw" class="button button-small">"Withdraw"</button>
                        </form>
                    })}
                </td>
            </tr>
        }
    };
    view! {
        <section class="stack" aria-labelledby="invitations-title">
            <h2 id="invitations-title">"Invitations"</h2>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Table of invitations">
                <table class="table table-stacked">
                    <thead>
                        <tr>
                            <th scope="col">"Email"</th>
                            <th scope="col">"Role"</th>
                            <th scope="col">"Ends"</th>
                            <td></td>
                        </tr>
                    </thead>
                    <tbody>{invitations.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

fn invite_form() -> impl IntoView {
    view! {
        <section class="card key-card stack" aria-labelledby="invite-title">
            <h2 id="invite-title">"Invite somebody"</h2>
            <form method="post" action="/people" class="form">
                <div class="field">
                    <label for="invite-email">"Email"</label>
                    <input id="invite-email" name="email" type="email" autocomplete="off" spellcheck="false" maxlength="254" required />
                </div>
                <div class="field">
                    <label for="invite-role">"Role"</label>
                    <select id="invite-role" name="role">{roles(Role::Operator.as_str(), purpose)}</select>
                </div>
                <div class="form-actions">
                    <button type="submit" name="do" value="invite" class="button button-primary">"Make the link"</button>
                </div>
            </form>
        </section>
    }
}

/// `/join/<token>`
pub(super) fn join(token: &str, invitation: Invitation, notice: Option<Notice>) -> impl IntoView + use<> {
    let role = Role::parse(&invitation.role).map_or("\u{2013}", name);
    view! {
        <div class="sign-in">
            <h1>"Join Odoo Bridge"</h1>
            <p class="lead">{format!("You are invited as {}: choose a password.", role.to_lowercase())}</p>
            {notice.map(noticed)}
            <form method="post" action=format!("/join/{token}") class="form">
                <div class="field">
                    <label for="email">"Email"</label>
                    <input id="email" type="email" autocomplete="username" value=invitation.email readonly />
                </div>
                <div class="field">
                    <label for="password">"Password"</label>
                    <input
                        id="password"
                        name="password"
                        type="password"
                        autocomplete="new-password"
                        minlength=PASSWORD_MIN_CHARS.to_string()
                        maxlength=PASSWORD_MAX_CHARS.to_string()
                        aria-describedby="password-hint"
                        required
                        autofocus
                    />
                    <p class="field-hint" id="password-hint">{format!("{PASSWORD_MIN_CHARS} characters at least. Several words make a good password.")}</p>
                </div>
                <button type="submit" class="button button-primary submit">"Make the account"</button>
            </form>
        </div>
    }
}

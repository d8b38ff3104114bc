//! `/keys/<id>/policy`, printed by the server: what a key may do, in words and as a
//! document; whether a call would be let through, and why; switching the key off and
//! rolling it. Plain forms, so that the browser needs no code for them.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::calls::usage::{self, Replay};
use crate::ids::PolicyId;
use crate::keys::issue::{About, NOTE_MAX_CHARS, OWNER_MAX_CHARS};
use crate::keys::limits::Limits;
use crate::keys::model::{ApiKey, ENDS_SOON_DAYS, KeyStatus, UNUSED_DAYS};
use crate::keys::policy::{Policy, in_words, presets};
use crate::keys::shared_policies::SharedPolicy;
use crate::ui::badge::{Badge, Tone};
use crate::ui::icon::{Icon, Shape};
use crate::ui::timestamp::Timestamp;

/// The choices of how long a rolled key lives on, in seconds, with the words for them.
pub const GRACES: [(i32, &str); 5] = [
    (0, "At once"),
    (15 * 60, "In 15 minutes"),
    (3_600, "In an hour"),
    (24 * 3_600, "In 24 hours"),
    (7 * 24 * 3_600, "In 7 days"),
];

/// What a person asks *Why?* of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Such as `sale.order`.
    pub model: String,
    /// Such as `search_read`.
    pub method: String,
    /// A JSON array.
    pub args: String,
    /// A JSON object.
    pub kwargs: String,
}

/// What the page says on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is done.
    Done(String),
    /// It is not.
    Wrong(String),
    /// A key that took this one's place: the only time that it is shown.
    NewKey(String),
}

/// What *Why?* found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the call would go to Odoo.
    pub is_allowed: bool,
    /// By which rule, or why not.
    pub sentence: String,
    /// What would go to Odoo in the place of the caller's arguments.
    pub rewritten: Option<String>,
}

/// All that is on the page.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose.
    pub key: ApiKey,
    /// The document in the editor: the key's, or a draft.
    pub document: String,
    /// Who made it, and what is to be remembered.
    pub about: About,
    /// When the page is printed.
    pub now: DateTime<Utc>,
    /// What the document says to what the key called lately.
    pub replay: Replay,
    /// All shared policies.
    pub shared: Vec<SharedPolicy>,
    /// The one of them that the key follows.
    pub follows: Option<PolicyId>,
    /// The limits in the editor: the key's, or a draft.
    pub limits: String,
    /// Whether the limits hold over all instances.
    pub limits_are_shared: bool,
    /// See [`Notice`].
    pub notice: Option<Notice>,
    /// What was asked.
    pub question: Question,
    /// What came of it.
    pub answer: Option<Answer>,
}

/// HTML; what a person wrote is text in it, never markup.
#[must_use]
pub fn print(shown: Shown) -> impl IntoView {
    let Shown {
        key,
        document,
        about,
        now,
        replay,
        shared,
        follows,
        limits,
        limits_are_shared,
        notice,
        question,
        answer,
    } = shown;
    let policy = Policy::load(&document);
    let followed = shared.iter().find(|policy| Some(policy.id) == follows).cloned();
    let address = format!("/keys/{}/policy", key.id);
    let usable = key.status != KeyStatus::Revoked && key.status != KeyStatus::Expired;
    view! {
        <a class="back-link" href=format!("/keys/{}", key.id)>
            <Icon shape=Shape::ArrowLeft />
            "The key"
        </a>
        <div class="policy-page">
            <header class="page-header">
                <div>
                    <h1>{key.name.clone()}</h1>
                    <p class="lead">"What this key may do."</p>
                </div>
            </header>
            {notice.map(noticed)}
            {reminders(&key, now).into_iter().map(|text| view! { <p class="notice notice-warning">{text}</p> }).collect_view()}
            {(policy == Policy::Full).then(full_warning)}
            <section class="card key-card" aria-labelledby="words-title">
                <h2 id="words-title">"In words"</h2>
                {words(&policy)}
            </section>
            {usage_section(&replay)}
            <form class="card key-card form" method="post" action=address.clone() aria-labelledby="document-title">
                <h2 id="document-title">"As a document"</h2>
                {followed.as_ref().map(|policy| view! {
                    <p class="notice">
                        "It follows the shared policy " <strong>{policy.name.clone()}</strong>
                        {format!(", as {} {} in all. ", policy.keys, if policy.keys == 1 { "key does" } else { "keys do" })}
                        "\u{201c}Save policy\u{201d} gives this key one of its own."
                    </p>
                })}
                <div class="field">
                    <label for="preset">"Begin with"</label>
                    <div class="inline-fields">
                        <select id="preset" name="preset">
                            {presets::PRESETS.iter().map(|preset| view! {
                                <option value=preset.id>{format!("{} \u{2013} {}", preset.name, preset.purpose)}</option>
                            }).collect_view()}
                            <option value="full">"Full access \u{2013} everything the Odoo user may do, code and rights included"</option>
                        </select>
                        <button type="submit" name="do" value="preset" class="button" formnovalidate>"Put it in the editor"</button>
                        <button type="submit" name="do" value="learn" class="button" formnovalidate>"Learn from its calls"</button>
                    </div>
                </div>
                <div class="field">
                    <label for="document">"Policy"</label>
                    <textarea id="document" name="document" rows="16" spellcheck="false" class="code-field" aria-describedby="document-hint">{in_textarea(&document)}</textarea>
                    <p class="field-hint" id="document-hint">
                        "JSON: " <code>"access"</code> " is full, read_only or rules; each rule names a model, its operations (read, create, write, delete), further methods, and the fields that may be read and written. What it does not allow is refused."
                    </p>
                </div>
                <fieldset class="field why">
                    <legend>"Why? Ask what this document says to a call. Nothing is called, nothing is saved."</legend>
                    <div class="why-fields">
                        {text_field("model", "Model", "sale.order", question.model)}
                        {text_field("method", "Method", "search_read", question.method)}
                        {text_field("args", "args", "[[]]", question.args)}
                        {text_field("kwargs", "kwargs", "{}", question.kwargs)}
                    </div>
                    {answer.map(answered)}
                </fieldset>
                <div class="form-actions">
                    <button type="submit" name="do" value="why" class="button">"Ask why"</button>
                    <button type="submit" name="do" value="save" class="button button-primary">"Save policy"</button>
                    {followed.is_some().then(|| view! {
                        <button type="submit" name="do" value="save_shared" class="button">"Save for all that follow it"</button>
                    })}
                </div>
                <div class="field">
                    <p><a rel="external" href="/policies">"All shared policies"</a></p>
                    <label for="shared-name">"Share this policy with other keys, under a name"</label>
                    <div class="inline-fields">
                        <input id="shared-name" type="text" name="shared_name" maxlength="100" autocomplete="off" placeholder="Stock robots" />
                        <button type="submit" name="do" value="share" class="button">"Share"</button>
                        {followed.is_some().then(|| view! {
                            <button type="submit" name="do" value="rename_shared" class="button">"Rename the shared policy"</button>
                        })}
                    </div>
                </div>
                {(!shared.is_empty()).then(|| view! {
                    <div class="field">
                        <label for="shared">"Or follow a policy that is shared"</label>
                        <div class="inline-fields">
                            <select id="shared" name="shared">
                                {shared.iter().map(|policy| view! {
                                    <option value=policy.id.to_string() selected=Some(policy.id) == follows>
                                        {format!("{} ({} {})", policy.name, policy.keys, if policy.keys == 1 { "key" } else { "keys" })}
                                    </option>
                                }).collect_view()}
                            </select>
                            <button type="submit" name="do" value="follow" class="button">"Follow it"</button>
                            <button type="submit" name="do" value="remove_shared" class="button">"Remove it"</button>
                        </div>
                    </div>
                })}
            </form>
            {limits_form(&address, &limits, limits_are_shared)}
            {note_form(&address, about)}
            {usable.then(|| lifecycle(&key, &address))}
        </div>
    }
}

/// The same in words, short: for the key's own page.
#[must_use]
pub fn print_summary(key: &ApiKey, document: &str) -> String {
    let policy = Policy::load(document);
    view! {
        <section class="card key-card stack" aria-labelledby="policy-title">
            <h2 id="policy-title">"What it may do"</h2>
            {(policy == Policy::Full).then(full_warning)}
            {words(&policy)}
            {key.replaced_by.map(|id| view! {
                <p>"It was rolled: "<a href=format!("/keys/{id}")>"another key"</a>" took its place."</p>
            })}
            <p><a class="button" rel="external" href=format!("/keys/{}/policy", key.id)>"Change, switch off or roll"</a></p>
        </section>
    }
    .to_html()
}

fn words(policy: &Policy) -> impl IntoView + use<> {
    let lines = in_words(policy);
    view! { <ul class="policy-words">{lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul> }
}

fn full_warning() -> impl IntoView {
    view! {
        <p class="notice notice-warning">
            <strong>"Full access. "</strong>
            "Whoever holds this key can read every secret in Odoo, run code there and give itself rights. Choose it only for what needs it."
        </p>
    }
}

fn noticed(notice: Notice) -> impl IntoView {
    match notice {
        Notice::Done(text) => view! { <p class="notice notice-good key-card" role="status">{text}</p> }.into_any(),
        Notice::Wrong(text) => view! { <p class="notice notice-bad key-card" role="alert">{text}</p> }.into_any(),
        Notice::NewKey(plaintext) => view! {
            <section class="card key-card" aria-labelledby="new-key-title" role="status">
                <h2 id="new-key-title">"Your new key"</h2>
                <code class="key-reveal" id="new-key">{plaintext}</code>
                <p class="notice notice-warning">
                    "This is the only time the key is shown. Copy it now and keep it as you would keep a password."
                </p>
            </section>
        }
        .into_any(),
    }
}

fn text_field(name: &'static str, label: &'static str, placeholder: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="field">
            <label for=format!("why-{name}")>{label}</label>
            <input id=format!("why-{name}") type="text" name=name placeholder=placeholder value=value autocomplete="off" spellcheck="false" />
        </div>
    }
}

fn answered(answer: Answer) -> impl IntoView {
    let (tone, label) = if answer.is_allowed {
        (Tone::Good, "Allowed")
    } else {
        (Tone::Bad, "Refused")
    };
    view! {
        <div class="why-answer" role="status" id="why-answer">
            <p><Badge tone label /> " " {answer.sentence}</p>
            {answer.rewritten.map(|text| view! { <p>"Odoo would get: " <code>{text}</code></p> })}
        </div>
    }
}

/// Text between the tags of a `textarea`: Leptos writes it as it is, because in scripts
/// and styles it has to be, but here the browser reads character references.
fn in_textarea(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// How many kinds of refused calls are listed.
const REFUSALS_SHOWN: usize = 10;

fn calls(number: u64) -> String {
    format!("{number} {}", if number == 1 { "call" } else { "calls" })
}

fn usage_section(replay: &Replay) -> impl IntoView + use<> {
    let refused_calls: u64 = replay.refused.iter().map(|one| one.calls).sum();
    let judged = match refused_calls {
        0 => "This document would refuse none of them.".to_owned(),
        number => format!("This document would refuse {}:", calls(number)),
    };
    let rows: Vec<_> = replay
        .refused
        .iter()
        .take(REFUSALS_SHOWN)
        .map(|one| view! { <li><code>{one.what.clone()}</code> {format!(" \u{2013} {} ({})", one.sentence, calls(one.calls))}</li> })
        .collect();
    let more = replay.refused.len().saturating_sub(REFUSALS_SHOWN);
    let followers = replay.followers.filter(|of| of.keys > 0).map(|of| {
        format!(
            "Of all keys that follow the shared policy, {} called something; it would refuse {} of {}.",
            of.keys,
            calls(of.refused_calls),
            if of.refused_keys == 1 {
                "1 key".to_owned()
            } else {
                format!("{} keys", of.refused_keys)
            },
        )
    });
    let unused = (!replay.unused.is_empty()).then(|| format!("It has never used: {}.", replay.unused.join("; ")));
    let held = if replay.by_name_only {
        "By model and method only: Odoo can\u{2019}t be asked for its fields just now."
    } else {
        "By models, methods and fields: what is kept of a call has no values."
    };
    view! {
        <section class="card key-card" aria-labelledby="usage-title">
            <h2 id="usage-title">"Held against its calls"</h2>
            {match replay.calls {
                0 => view! {
                    <p class="muted">{format!("Odoo did no call of this key in the last {} days.", usage::DAYS)}</p>
                }
                .into_any(),
                number => view! {
                    <p>{format!("Odoo did {} of this key in the last {} days. {judged}", calls(number), usage::DAYS)}</p>
                    {(!rows.is_empty()).then(|| view! { <ul class="policy-words">{rows}</ul> })}
                    {(more > 0).then(|| view! { <p>{format!("And {more} more kinds of calls.")}</p> })}
                    {unused.map(|text| view! { <p>{text}</p> })}
                    <p class="muted">{held}</p>
                    {replay.is_cut.then(|| view! {
                        <p class="notice notice-warning">{format!("Only the {} most frequent kinds of calls were looked at; there are more.", usage::KINDS_MAX)}</p>
                    })}
                }
                .into_any(),
            }}
            {followers.map(|text| view! { <p>{text}</p> })}
        </section>
    }
}

/// What somebody should look at.
fn reminders(key: &ApiKey, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = Vec::new();
    if key.status != KeyStatus::Active {
        return lines;
    }
    let idle = (now - key.last_used_at.unwrap_or(key.created_at)).num_days();
    if idle >= UNUSED_DAYS {
        lines.push(format!(
            "It was not used for {idle} days. If nobody needs it, switch it off."
        ));
    }
    let left = key.expires_at.map(|end| (end - now).num_days());
    if let Some(days) = left.filter(|days| *days < ENDS_SOON_DAYS && key.replaced_by.is_none()) {
        lines.push(match days {
            0 => "It ends today. Roll it, or make a new one, before its program stops.".into(),
            1 => "It ends tomorrow. Roll it, or make a new one, before its program stops.".into(),
            days => format!("It ends in {days} days. Make a new one before its program stops."),
        });
    }
    lines
}

fn note_form(address: &str, about: About) -> impl IntoView + use<> {
    let address = address.to_owned();
    let made_by = about
        .made_by
        .map_or_else(|| "on the command line".to_owned(), |email| format!("by {email}"));
    view! {
        <form class="card key-card form" method="post" action=address aria-labelledby="note-title">
            <h2 id="note-title">"Owner and note"</h2>
            <p class="muted">{format!("Made {made_by}.")}</p>
            <div class="field">
                <label for="owner">"Owner"</label>
                <input id="owner" type="text" name="owner" maxlength=OWNER_MAX_CHARS.to_string() value=about.owner autocomplete="off" aria-describedby="owner-hint" />
                <p class="field-hint" id="owner-hint">"Whom to ask. With an e-mail address, all keys of that person can be revoked at once."</p>
            </div>
            <div class="field">
                <label for="note">"Note"</label>
                <textarea id="note" name="note" rows="3" maxlength=NOTE_MAX_CHARS.to_string() aria-describedby="note-hint">{in_textarea(&about.note)}</textarea>
                <p class="field-hint" id="note-hint">"Whose program it is, and where it runs."</p>
            </div>
            <div class="form-actions"><button type="submit" name="do" value="note" class="button">"Save owner and note"</button></div>
        </form>
    }
}

fn limits_form(address: &str, limits: &str, are_shared: bool) -> impl IntoView + use<> {
    let words = Limits::parse(limits)
        .map(|limits| limits.in_words())
        .unwrap_or_default();
    let address = address.to_owned();
    view! {
        <form class="card key-card form" method="post" action=address aria-labelledby="limits-title">
            <h2 id="limits-title">"Limits"</h2>
            {match words.is_empty() {
                true => view! { <p class="muted">"It may call as often as it likes, from anywhere."</p> }.into_any(),
                false => view! { <ul class="policy-words">{words.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul> }.into_any(),
            }}
            <div class="field">
                <label for="limits">"Limits"</label>
                <textarea id="limits" name="limits" rows="4" spellcheck="false" class="code-field" aria-describedby="limits-hint">{in_textarea(limits)}</textarea>
                <p class="field-hint" id="limits-hint">
                    "JSON, such as " <code>r#"{"per_minute":60,"burst":10,"per_day":5000,"per_month":100000,"concurrent":2,"addresses":["192.0.2.0/24"],"origins":["https://shop.example.com"],"max_runtime_secs":20,"max_answer_bytes":1000000}"#</code> ". What is left out is not limited. "
                    {if are_shared {
                        "Pace, quotas and calls at the same time hold over all instances of the bridge."
                    } else {
                        "Each instance of the bridge holds the pace and the calls at the same time by itself; with REDIS_URL set they hold over all instances."
                    }}
                </p>
            </div>
            <div class="form-actions"><button type="submit" name="do" value="limits" class="button button-primary">"Save limits"</button></div>
        </form>
    }
}

fn lifecycle(key: &ApiKey, address: &str) -> impl IntoView + use<> {
    let disabled = key.status == KeyStatus::Disabled;
    let (verb, value, hint) = if disabled {
        ("Enable the key", "enable", "Programs that use it are let in again.")
    } else {
        (
            "Switch the key off",
            "disable",
            "Programs that use it are refused until you enable it again. Nothing else changes.",
        )
    };
    let can_roll = !disabled && key.replaced_by.is_none();
    let (address, roll_address) = (address.to_owned(), address.to_owned());
    view! {
        <form class="card key-card form" method="post" action=address aria-labelledby="switch-title">
            <h2 id="switch-title">{verb}</h2>
            <p class="muted">{hint}</p>
            <div class="form-actions"><button type="submit" name="do" value=value class="button">{verb}</button></div>
        </form>
        {can_roll.then(|| view! {
            <form class="card key-card form" method="post" action=roll_address aria-labelledby="roll-title">
                <h2 id="roll-title">"Roll the key"</h2>
                <p class="muted">"Makes a new key with the same name, policy and end. The old one goes on for a while, so that nothing stops meanwhile."</p>
                <div class="field">
                    <label for="grace">"The old key ends"</label>
                    <select id="grace" name="grace">
                        {GRACES.map(|(secs, label)| view! { <option value=secs.to_string() selected=secs == 24 * 3_600>{label}</option> }).into_iter().collect_view()}
                    </select>
                </div>
                <div class="form-actions"><button type="submit" name="do" value="roll" class="button">"Roll"</button></div>
            </form>
        })}
        {key.replaced_by.map(|id| {
            let end = key.expires_at;
            view! {
                <p class="notice key-card">
                    "This key was rolled. " <a href=format!("/keys/{id}")>"The new one"</a> " took its place"
                    {end.map(|at| view! { "; this one ends at " <Timestamp at /> })} "."
                </p>
            }
        })}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ApiKeyId;

    fn shown(document: &str) -> Shown {
        let at = "2026-11-24T12:00:00Z".parse().expect("an instant");
        Shown {
            key: ApiKey {
                id: ApiKeyId(uuid::Uuid::nil()),
                name: "<b>Stock</b>".into(),
                prefix: "obk_AbCd1234".into(),
                created_at: at,
                expires_at: None,
                last_used_at: None,
                revoked_at: None,
                share_reads: false,
                access: "rules".into(),
                replaced_by: None,
                status: KeyStatus::Active,
                spark: String::new(),
            },
            document: document.into(),
            limits: "{}".into(),
            about: About::default(),
            now: at,
            replay: Replay::default(),
            shared: Vec::new(),
            follows: None,
            limits_are_shared: false,
            notice: None,
            question: Question::default(),
            answer: None,
        }
    }

    fn html(shown: Shown) -> String {
        Owner::new().with(|| print(shown).to_html())
    }

    #[test]
    fn what_a_person_wrote_is_text() {
        let page = html(Shown {
            question: Question {
                model: "\"><script>".into(),
                ..Question::default()
            },
            limits: "</textarea><script>alert(2)</script>".into(),
            ..shown("</textarea><script>alert(1)</script> &lt;")
        });
        assert!(
            page.contains("&lt;/textarea>&lt;script>alert(1)") && page.contains("&amp;lt;"),
            "{page}"
        );
        assert!(!page.contains("<script>") && !page.contains("<b>Stock"), "{page}");
    }

    #[test]
    fn full_access_is_a_warning_and_read_only_is_none() {
        assert!(html(shown(r#"{"access":"full"}"#)).contains("read every secret"));
        assert!(!html(shown(r#"{"access":"read_only"}"#)).contains("read every secret"));
    }

    #[test]
    fn a_key_that_nobody_uses_or_that_ends_soon_is_reminded_of() {
        let said = |days_later: i64, expires_in: Option<i64>| {
            let mut of = shown(r#"{"access":"read_only"}"#);
            of.now += chrono::Duration::days(days_later);
            of.key.expires_at = expires_in.map(|days| of.now + chrono::Duration::days(days));
            html(of)
        };
        assert!(said(90, None).contains("not used for 90 days"));
        assert!(!said(89, None).contains("not used for"));
        assert!(said(0, Some(13)).contains("It ends in 13 days."));
        assert!(!said(0, Some(14)).contains("It ends in"));
    }

    #[test]
    fn that_not_all_calls_were_looked_at_is_said() {
        let mut cut = shown(r#"{"access":"read_only"}"#);
        cut.replay.calls = 5_000;
        assert!(!html(cut.clone()).contains("there are more"));
        cut.replay.is_cut = true;
        assert!(html(cut).contains("Only the 2000 most frequent kinds of calls were looked at"));
    }

    #[test]
    fn a_key_that_is_over_can_not_be_switched_or_rolled() {
        let mut over = shown(r#"{"access":"read_only"}"#);
        assert!(html(over.clone()).contains("Roll the key"));
        over.key.status = KeyStatus::Revoked;
        assert!(!html(over).contains("Roll the key"));
    }
}

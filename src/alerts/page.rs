//! What is on `/speed-test/channels`, printed by the server.

use leptos::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use crate::alerts::model::{Channel, ChannelKind, Delivery, NAME_MAX_CHARS};
use crate::printed::parts::{Notice, header, noticed};
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// All that is on the page.
pub(super) struct Shown {
    /// Whether who looks gave their password a short while ago.
    pub(super) is_fresh: bool,
    pub(super) can_mail: bool,
    pub(super) channels: Vec<Channel>,
    pub(super) deliveries: Vec<Delivery>,
    /// Of a webhook just added: the only time that it is shown.
    pub(super) key: Option<SecretString>,
    pub(super) notice: Option<Notice>,
}

const PAGE: &str = "/speed-test/channels";

/// `/speed-test/channels`
pub(super) fn print(shown: Shown) -> impl IntoView {
    let lead = "Who is told when an alert rule of a schedule fires, and when that is over.";
    let Shown {
        is_fresh,
        can_mail,
        channels,
        deliveries,
        key,
        notice,
    } = shown;
    view! {
        {header("Alert channels", lead)}
        <p class="page-links"><a rel="external" href="/speed-test/schedules">"Schedules and their rules"</a></p>
        {notice.map(noticed)}
        {key.map(|key| {
            let key = key.expose_secret().to_owned();
            view! {
                <section class="card key-card stack" aria-labelledby="key-title">
                    <h2 id="key-title">"The key of its signatures"</h2>
                    <code class="key-reveal" id="webhook-key">{key}</code>
                    <p class="notice notice-warning">"This is the only time the key is shown. By it the receiver knows that a webhook is from here."</p>
                </section>
            }
        })}
        {(!is_fresh).then(|| view! {
            <p class="notice">
                <a class="button" rel="external" href="/confirm?next=/speed-test/channels">"Confirm your password to change something here"</a>
            </p>
        })}
        {table(channels)}
        {form(can_mail)}
        <h2>"What was told"</h2>
        {told(deliveries)}
    }
}

fn table(channels: Vec<Channel>) -> AnyView {
    if channels.is_empty() {
        return view! { <p class="card muted">"There is no channel: nobody is told of anything."</p> }.into_any();
    }
    let row = |channel: Channel| {
        let id = channel.id.to_string();
        let place = channel
            .shown
            .unwrap_or_else(|| "Sealed by another bridge's key: add it anew.".to_owned());
        let name = channel.name.clone();
        let (test, remove) = (format!("Send a test to {name}"), format!("Remove {name}"));
        view! {
            <tr>
                <th scope="row" data-label="Name">{channel.name}</th>
                <td data-label="Kind">{channel.kind.label()}</td>
                <td data-label="Where">{place}</td>
                <td data-label="Added by">{channel.created_by}</td>
                <td>
                    <form method="post" action=PAGE class="form-actions">
                        <input type="hidden" name="channel" value=id />
                        <button type="submit" class="button" name="do" value="test" aria-label=test>"Send a test"</button>
                        <button type="submit" class="button" name="do" value="remove" aria-label=remove>"Remove"</button>
                    </form>
                </td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Channels">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Kind"</th>
                        <th scope="col">"Where"</th>
                        <th scope="col">"Added by"</th>
                        <td></td>
                    </tr>
                </thead>
                <tbody>{channels.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn form(can_mail: bool) -> AnyView {
    let kinds = [ChannelKind::Webhook, ChannelKind::Email].map(|kind| {
        view! { <option value=kind.as_str()>{kind.label()}</option> }
    });
    let no_mail = (!can_mail).then(|| {
        view! { <p class="muted speed-expected">"No mail server is set (BRIDGE_SMTP_URL): letters do not go out."</p> }
    });
    view! {
        <form method="post" action=PAGE class="card filters speed-plan" aria-labelledby="channel-title">
            <h2 id="channel-title">"New channel"</h2>
            <div class="field">
                <label for="name">"Name"</label>
                <input id="name" name="name" type="text" required maxlength=NAME_MAX_CHARS autocomplete="off" />
            </div>
            <div class="field">
                <label for="kind">"Kind"</label>
                <select id="kind" name="kind">{kinds.collect_view()}</select>
            </div>
            <div class="field">
                <label for="address">"Address: of a webhook https://\u{2026}, or a mailbox"</label>
                <input id="address" name="address" type="text" required maxlength="2000" autocomplete="off" spellcheck="false" />
            </div>
            {no_mail}
            <div class="form-actions">
                <button type="submit" class="button button-primary" name="do" value="add">"Add the channel"</button>
            </div>
        </form>
    }
    .into_any()
}

fn told(deliveries: Vec<Delivery>) -> AnyView {
    if deliveries.is_empty() {
        return view! { <p class="card muted">"Nothing was told yet."</p> }.into_any();
    }
    let row = |delivery: Delivery| {
        let at = delivery.created_at;
        let (tone, state) = match (delivery.sent_at, delivery.given_up_at) {
            (Some(_), _) => (Tone::Good, "Told"),
            (None, Some(_)) => (Tone::Bad, "Given up"),
            (None, None) => (Tone::Warning, "On its way"),
        };
        view! {
            <tr>
                <th scope="row" data-label="When"><Timestamp at /></th>
                <td data-label="Schedule">{delivery.schedule}</td>
                <td data-label="What">{delivery.event}</td>
                <td data-label="Channel">{delivery.channel}</td>
                <td data-label="State"><Badge tone=tone label=state /></td>
                <td class="numeric" data-label="Tries">{delivery.attempts}</td>
                <td data-label="Why not">{delivery.error.unwrap_or_default()}</td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="What was told">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Schedule"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"Channel"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="numeric">"Tries"</th>
                        <th scope="col">"Why not"</th>
                    </tr>
                </thead>
                <tbody>{deliveries.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

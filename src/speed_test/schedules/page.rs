//! What is on `/speed-test/schedules`, printed by the server.

use leptos::prelude::*;

use crate::alerts::model::NAME_MAX_CHARS;
use crate::odoo::Way;
use crate::printed::http::field;
use crate::printed::parts::{Notice, header, noticed};
use crate::speed_test::runs::plan::{Draft, SAMPLES_MAX};
use crate::speed_test::schedules::model::{LAST_RUNS_MAX, Rule, Schedule, UNITS, every, rule_in_words};
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// All that is on the page.
pub(super) struct Shown {
    pub(super) may_change: bool,
    pub(super) is_admin: bool,
    pub(super) schedules: Vec<(Schedule, Vec<Rule>)>,
    /// How many channels are told.
    pub(super) channels: i64,
    /// The Odoo of this bridge.
    pub(super) target: String,
    /// The ways that the settings allow.
    pub(super) open: Vec<Way>,
    /// A form that was sent and could not be.
    pub(super) draft: Option<Vec<(String, String)>>,
    pub(super) notice: Option<Notice>,
}

const PAGE: &str = "/speed-test/schedules";

/// What the fields of a schedule hold.
struct Fields {
    name: String,
    draft: Draft,
    every: String,
    unit: String,
}

impl Fields {
    fn first(open: &[Way]) -> Self {
        Self {
            name: String::new(),
            draft: Draft::first(open),
            every: "1".into(),
            unit: "hours".into(),
        }
    }

    fn of(schedule: &Schedule) -> Self {
        let (count, unit) = every(schedule.every_secs);
        Self {
            name: schedule.name.clone(),
            draft: Draft {
                kind: schedule.plan.kind.as_str().to_owned(),
                start: schedule.plan.start().to_owned(),
                ways: schedule.plan.ways.iter().map(|way| way.as_str().to_owned()).collect(),
                samples: schedule.plan.samples.to_string(),
            },
            every: count.to_string(),
            unit: unit.to_owned(),
        }
    }

    fn sent(form: &[(String, String)]) -> Option<Self> {
        Some(Self {
            name: field(form, "name").to_owned(),
            draft: Draft::parse(form)?,
            every: field(form, "every").to_owned(),
            unit: field(form, "unit").to_owned(),
        })
    }
}

/// `/speed-test/schedules`
pub(super) fn print(shown: &Shown) -> impl IntoView + use<> {
    let lead = "Speed test runs that begin by themselves, and rules by which somebody is told of them.";
    let sent = |wanted: &str| {
        let form = shown.draft.as_ref().filter(|form| field(form, "do") == wanted)?;
        Some((field(form, "schedule").to_owned(), Fields::sent(form)?))
    };
    let (new, changed) = (sent("create").map(|(_, fields)| fields), sent("update"));
    let channels = match shown.channels {
        0 => "There is no channel: rules are looked at, and nobody is told. An admin can add one.".to_owned(),
        1 => "One channel is told.".to_owned(),
        many => format!("{many} channels are told."),
    };
    let schedules = shown.schedules.iter().map(|(schedule, rules)| {
        let fields = changed
            .as_ref()
            .filter(|(id, _)| *id == schedule.id.to_string())
            .map(|(_, fields)| fields);
        card(schedule, rules, shown, fields)
    });
    let schedules = schedules.collect_view();
    view! {
        {header("Speed test schedules", lead)}
        {shown.notice.clone().map(noticed)}
        <p class="page-links">
            <a rel="external" href="/speed-test/runs">"All runs"</a>
            {shown.is_admin.then(|| view! { " " <a rel="external" href="/speed-test/channels">"Alert channels"</a> })}
        </p>
        <p class="muted">{channels}</p>
        {shown.schedules.is_empty().then(|| view! { <p class="card muted">"There is no schedule yet."</p> })}
        {schedules}
        {shown.may_change.then(|| {
            let fields = new.unwrap_or_else(|| Fields::first(&shown.open));
            view! {
                <form method="post" action=PAGE class="card filters speed-plan" aria-labelledby="new-title">
                    <h2 id="new-title">"New schedule"</h2>
                    {inputs("new", &fields, &shown.open)}
                    <p class="muted speed-expected">{format!("It measures {}.", shown.target)}</p>
                    <div class="form-actions">
                        <button type="submit" class="button button-primary" name="do" value="create">"Make the schedule"</button>
                    </div>
                </form>
            }
        })}
    }
}

fn card(schedule: &Schedule, rules: &[Rule], shown: &Shown, changed: Option<&Fields>) -> AnyView {
    let id = schedule.id.to_string();
    let title = format!("schedule-{id}");
    let runs = format!("/speed-test/runs?schedule={id}");
    let (tone, state) = if schedule.is_paused {
        (Tone::Muted, "Paused")
    } else if schedule.target == shown.target {
        (Tone::Good, "Goes on")
    } else {
        (Tone::Warning, "Another Odoo")
    };
    let next = (!schedule.is_paused).then(|| {
        let at = schedule.next_at;
        view! { " Next run: " <Timestamp at /> "." }
    });
    let elsewhere = (schedule.target != shown.target).then(|| {
        view! { <p class="muted">"This bridge is in front of another Odoo and leaves it out."</p> }
    });
    view! {
        <section class="card stack speed-schedule" aria-labelledby=title.clone()>
            <h2 id=title.clone()>{schedule.name.clone()}</h2>
            <p><Badge tone=tone label=state /> " " {schedule.in_words()} "." {next}</p>
            <p class="muted">{format!("At {}. Made by {}.", schedule.target, schedule.created_by)}</p>
            {elsewhere}
            <p><a rel="external" href=runs>"Its runs over time"</a></p>
            {rules_list(rules, shown.may_change)}
            {shown.may_change.then(|| changes(schedule, shown, changed))}
        </section>
    }
    .into_any()
}

fn rules_list(rules: &[Rule], may_change: bool) -> AnyView {
    if rules.is_empty() {
        return view! { <p class="muted">"No alert rule."</p> }.into_any();
    }
    let item = |rule: &Rule| {
        let text = rule_in_words(rule.last_runs, rule.above);
        let state = match rule.firing_since {
            Some(at) => view! { <Badge tone=Tone::Bad label="Fires" /> " since " <Timestamp at /> }.into_any(),
            None => view! { <Badge tone=Tone::Good label="Quiet" /> }.into_any(),
        };
        let (id, remove) = (rule.id.to_string(), format!("Remove the rule: {text}"));
        let remove = may_change.then(|| {
            view! {
                <form method="post" action=PAGE>
                    <input type="hidden" name="rule" value=id />
                    <button type="submit" class="button" name="do" value="remove_rule" aria-label=remove>"Remove"</button>
                </form>
            }
        });
        view! { <li>{state} " Tell when " {text} "." {remove}</li> }
    };
    view! { <ul class="speed-rules">{rules.iter().map(item).collect_view()}</ul> }.into_any()
}

fn changes(schedule: &Schedule, shown: &Shown, changed: Option<&Fields>) -> AnyView {
    let id = schedule.id.to_string();
    let name = schedule.name.clone();
    let is_open = changed.is_some();
    let own = Fields::of(schedule);
    let fields = changed.unwrap_or(&own);
    let (switch, switch_label) = if schedule.is_paused {
        ("resume", "Go on")
    } else {
        ("pause", "Pause")
    };
    view! {
        <form method="post" action=PAGE class="form-actions">
            <input type="hidden" name="schedule" value=id.clone() />
            <button type="submit" class="button" name="do" value=switch aria-label=format!("{switch_label}: {name}")>{switch_label}</button>
            <button type="submit" class="button" name="do" value="remove" aria-label=format!("Remove: {name}")>"Remove"</button>
        </form>
        <details open=is_open>
            <summary>"Change"</summary>
            <form method="post" action=PAGE class="filters speed-plan" aria-label=format!("Change {name}")>
                <input type="hidden" name="schedule" value=id.clone() />
                {inputs(&id, fields, &shown.open)}
                <div class="form-actions">
                    <button type="submit" class="button button-primary" name="do" value="update">"Save"</button>
                </div>
            </form>
        </details>
        <details>
            <summary>"Add an alert rule"</summary>
            {rule_form(&id, &name)}
        </details>
    }
    .into_any()
}

fn rule_form(id: &str, name: &str) -> AnyView {
    let of = |field: &str| format!("{field}-{id}");
    view! {
        <form method="post" action=PAGE class="filters speed-plan" aria-label=format!("New alert rule for {name}")>
            <input type="hidden" name="schedule" value=id.to_owned() />
            <div class="field">
                <label for=of("last")>"Last runs that are put together"</label>
                <input id=of("last") name="last_runs" type="number" min="1" max=LAST_RUNS_MAX required value="3" />
            </div>
            <div class="field">
                <label for=of("limit")>"p95 is above"</label>
                <input id=of("limit") name="limit" type="number" min="0.001" step="any" required />
            </div>
            <div class="field">
                <label for=of("above")>"Unit"</label>
                <select id=of("above") name="above">
                    <option value="ms">"ms"</option>
                    <option value="percent">"% more than the ten runs before"</option>
                </select>
            </div>
            <div class="form-actions">
                <button type="submit" class="button button-primary" name="do" value="add_rule">"Add the rule"</button>
            </div>
        </form>
    }
    .into_any()
}

/// The fields of a schedule; `of` keeps their ids apart.
fn inputs(of: &str, fields: &Fields, open: &[Way]) -> AnyView {
    let id = |name: &str| format!("{name}-{of}");
    let tests = [("light", "Light"), ("heavy", "Heavy")];
    let starts = [("warm", "Warm"), ("cold", "Cold")];
    let ways = Way::ALL.into_iter().filter(|way| open.contains(way)).map(|way| {
        let checked = fields.draft.ways.iter().any(|word| word == way.as_str());
        view! {
            <label class="check">
                <input type="checkbox" name="way" value=way.as_str() checked=checked />
                {way.label()}
            </label>
        }
    });
    let units = UNITS.map(|(unit, _)| (unit, unit));
    view! {
        <div class="field">
            <label for=id("name")>"Name"</label>
            <input id=id("name") name="name" type="text" required maxlength=NAME_MAX_CHARS autocomplete="off" value=fields.name.clone() />
        </div>
        {select(&id("test"), "test", "Test", &tests, &fields.draft.kind)}
        {select(&id("start"), "start", "Start", &starts, &fields.draft.start)}
        <div class="field">
            <label for=id("samples")>"Samples of each way"</label>
            <input id=id("samples") name="samples" type="number" min="1" max=SAMPLES_MAX required value=fields.draft.samples.clone() />
        </div>
        <div class="field">
            <label for=id("every")>"Every"</label>
            <input id=id("every") name="every" type="number" min="1" required value=fields.every.clone() />
        </div>
        {select(&id("unit"), "unit", "Unit of the pause", &units, &fields.unit)}
        <fieldset class="field">
            <legend>"Ways in"</legend>
            {ways.collect_view()}
        </fieldset>
    }
    .into_any()
}

fn select(
    id: &str,
    name: &'static str,
    label: &'static str,
    options: &[(&'static str, &'static str)],
    chosen: &str,
) -> AnyView {
    let option = |(word, text): &(&'static str, &'static str)| {
        let (word, text) = (*word, *text);
        view! { <option value=word selected=word == chosen>{text}</option> }
    };
    let id = id.to_owned();
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id name=name>{options.iter().map(option).collect_view()}</select>
        </div>
    }
    .into_any()
}

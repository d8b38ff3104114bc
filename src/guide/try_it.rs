//! *Try it*: sends a request of the reader's own to `/call` and shows all that
//! came back. The key lives in one signal of this component: it is in no
//! address, no storage and no form that a browser would send, and it is gone
//! with the page.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;

use crate::guide::model::{Draft, Reply, pasted_key};
use crate::guide::send::send;
use crate::ui::badge::{Badge, Tone};
use crate::ui::code::CodeBlock;
use crate::ui::field::Field;
use crate::ui::hydrated::use_hydrated;

/// A request to begin with.
struct Preset {
    label: &'static str,
    model: &'static str,
    method: &'static str,
    args: &'static str,
    kwargs: &'static str,
}

const PRESETS: [Preset; 3] = [
    Preset {
        label: "5 sales orders",
        model: "sale.order",
        method: "search_read",
        args: "[[]]",
        kwargs: "{\"limit\": 5, \"fields\": [\"name\", \"state\"]}",
    },
    Preset {
        label: "Count contacts",
        model: "res.partner",
        method: "search_count",
        args: "[[]]",
        kwargs: "{}",
    },
    Preset {
        label: "Fields of sale.order",
        model: "sale.order",
        method: "fields_get",
        args: "[]",
        kwargs: "{\"attributes\": [\"string\", \"type\", \"required\"]}",
    },
];

/// The fields of the panel.
#[derive(Clone, Copy)]
struct Fields {
    model: RwSignal<String>,
    method: RwSignal<String>,
    args: RwSignal<String>,
    kwargs: RwSignal<String>,
    key: RwSignal<String>,
}

impl Fields {
    fn new(preset: &Preset) -> Self {
        Self {
            model: RwSignal::new(preset.model.to_owned()),
            method: RwSignal::new(preset.method.to_owned()),
            args: RwSignal::new(preset.args.to_owned()),
            kwargs: RwSignal::new(preset.kwargs.to_owned()),
            key: RwSignal::new(String::new()),
        }
    }

    fn fill(self, preset: &Preset) {
        self.model.set(preset.model.to_owned());
        self.method.set(preset.method.to_owned());
        self.args.set(preset.args.to_owned());
        self.kwargs.set(preset.kwargs.to_owned());
    }

    /// The body and the key to send.
    fn request(self) -> Result<(String, String), String> {
        let draft = Draft {
            model: self.model.get_untracked(),
            method: self.method.get_untracked(),
            args: self.args.get_untracked(),
            kwargs: self.kwargs.get_untracked(),
        };
        Ok((draft.body()?, pasted_key(&self.key.get_untracked())?))
    }
}

/// The panel.
#[component]
pub fn TryIt() -> impl IntoView {
    let hydrated = use_hydrated();
    let fields = Fields::new(&PRESETS[0]);
    let problem = RwSignal::new(None::<String>);
    let sending = Action::new_unsync(|(body, key): &(String, String)| send(body.clone(), key.clone()));
    // Dropping the handle would end the request, so it is kept.
    let running = StoredValue::new(None);
    let pending = sending.pending();
    let reply = sending.value();

    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if pending.get_untracked() {
            return;
        }
        reply.set(None);
        match fields.request() {
            Ok(request) => {
                problem.set(None);
                running.set_value(Some(sending.dispatch_local(request)));
            }
            Err(sentence) => problem.set(Some(sentence)),
        }
    };
    let cancel = move |_| {
        if let Some(handle) = running.try_update_value(Option::take).flatten() {
            handle.abort();
            problem.set(Some(
                "Canceled. If the method writes, look in Odoo before you send it again: it may have happened.".into(),
            ));
        }
    };

    view! {
        <form class="try-it" data-testid="try-it" autocomplete="off" on:submit=submit>
            <p>
                "Sends a real request to this bridge from your browser. What a method changes is changed in Odoo. "
                "The key stays in this page's memory and is gone when you leave."
            </p>
            <noscript><p class="notice notice-warning">"This panel needs JavaScript. Without it, use the curl snippet above."</p></noscript>
            <fieldset disabled=move || !hydrated.get()>
                <legend class="visually-hidden">"Request"</legend>
                <RequestFields fields=fields />
                <div class="try-it-actions">
                    <button type="submit" class="button button-primary" data-testid="try-it-send" aria-disabled=move || pending.get().then_some("true")>
                        {move || if pending.get() { "Sending\u{2026}" } else { "Send request" }}
                    </button>
                    <Show when=move || pending.get()>
                        <button type="button" class="button" on:click=cancel>"Cancel"</button>
                    </Show>
                </div>
            </fieldset>
        </form>
        <div role="alert">
            {move || problem.get().map(|sentence| view! { <p class="notice notice-bad" data-testid="try-it-problem">{sentence}</p> })}
        </div>
        <div role="status" data-testid="try-it-result">
            {move || reply.get().map(|reply| match reply {
                Ok(reply) => view! { <ReplyView reply=reply /> }.into_any(),
                Err(sentence) => view! { <p class="notice notice-bad">{sentence}</p> }.into_any(),
            })}
        </div>
    }
}

/// Presets, model, method, args, kwargs, key.
#[component]
fn RequestFields(fields: Fields) -> impl IntoView {
    let presets = PRESETS
        .iter()
        .map(|preset| {
            view! { <button type="button" class="button button-small" on:click=move |_| fields.fill(preset)>{preset.label}</button> }
        })
        .collect_view();
    view! {
        <div class="try-it-presets" role="group" aria-label="Examples">{presets}</div>
        <div class="try-it-fields">
            <Field id="try-model" label="Model"><LineInput id="try-model" value=fields.model /></Field>
            <Field id="try-method" label="Method"><LineInput id="try-method" value=fields.method /></Field>
            <Field id="try-args" label="Args" hint="A JSON array. Optional.">
                <JsonInput id="try-args" value=fields.args />
            </Field>
            <Field id="try-kwargs" label="Kwargs" hint="A JSON object. Optional.">
                <JsonInput id="try-kwargs" value=fields.kwargs />
            </Field>
        </div>
        <Field id="try-key" label="API key" hint="Begins with obk_. It is shown once, when it is made.">
            <input
                id="try-key"
                type="password"
                autocomplete="off"
                spellcheck="false"
                aria-describedby="try-key-hint"
                prop:value=fields.key
                on:input:target=move |event| fields.key.set(event.target().value())
            />
        </Field>
    }
}

#[component]
fn LineInput(id: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <input
            id=id
            type="text"
            class="mono"
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            value=value.get_untracked()
            prop:value=value
            on:input:target=move |event| value.set(event.target().value())
        />
    }
}

#[component]
fn JsonInput(id: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <textarea
            id=id
            class="mono"
            rows="3"
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            aria-describedby=format!("{id}-hint")
            prop:value=value
            on:input:target=move |event| value.set(event.target().value())
        >
            {value.get_untracked()}
        </textarea>
    }
}

/// Status, time, headers, explanation and the formatted answer.
#[component]
fn ReplyView(reply: Reply) -> impl IntoView {
    let tone = if reply.status < 400 { Tone::Good } else { Tone::Bad };
    let explanation = reply.code().map(|code| {
        view! { <p class="notice notice-bad"><code>{code.as_str()}</code>": "{code.explanation()}</p> }
    });
    let (text, shortened) = reply.shown();
    let size = reply.body.len();
    let shortened = shortened.then(|| {
        view! { <p class="hint">{format!("The answer has {size} bytes. Only its beginning is shown, as it came.")}</p> }
    });
    let count = reply.headers.len();
    let headers = reply
        .headers
        .into_iter()
        .map(|(name, value)| view! { <dt><code>{name}</code></dt><dd><code>{value}</code></dd> })
        .collect_view();
    view! {
        <div class="try-it-reply">
            <p class="try-it-summary">
                <Badge tone=tone label=format!("HTTP {}", reply.status) />
                <span data-testid="try-it-time">{format!("{} ms", reply.elapsed_ms)}</span>
                <span>{format!("{size} bytes")}</span>
            </p>
            {explanation}
            <details class="try-it-headers">
                <summary>{format!("Headers ({count})")}</summary>
                <dl>{headers}</dl>
            </details>
            <div data-testid="try-it-answer">
                <CodeBlock text=text label="Answer" />
            </div>
            {shortened}
        </div>
    }
}

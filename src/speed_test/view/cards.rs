//! The card of one test: a button, its progress, and what came of the last run.

use std::time::Duration;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;

use crate::error::AppError;
use crate::speed_test::model::{HistoryPage, LastRuns, SpeedTest, TestType, format_ms};
use crate::speed_test::server_fns::RunSpeedTest;
use crate::ui::resource::Loaded;
use crate::ui::timestamp::Timestamp;

/// One test. Both buttons rest while either test runs: Odoo takes one at a time.
#[component]
pub(super) fn TestCard(
    test_type: TestType,
    about: &'static str,
    action: ServerAction<RunSpeedTest>,
    page: Loaded<Result<HistoryPage, AppError>>,
) -> impl IntoView {
    let word = test_type.as_str();
    let title = format!("{} Test", test_type.label());
    let pending = action.pending();
    let running = Memo::new(move |_| {
        pending.get()
            && action
                .input()
                .read()
                .as_ref()
                .is_some_and(|input| input.test_type == word)
    });
    let button = format!("Run {title}");
    let run = move |event: SubmitEvent| {
        event.prevent_default();
        action.dispatch(RunSpeedTest {
            test_type: word.to_owned(),
        });
    };
    let last = move || {
        Suspend::new(async move {
            // An error is shown once, by the history below.
            let last = page.await.map(|page| match test_type {
                TestType::Light => page.light,
                TestType::Heavy => page.heavy,
            });
            view! { <LastRun test_type=test_type last=last.unwrap_or_default() /> }
        })
    };
    view! {
        <section class="card speed-card" aria-labelledby=format!("{word}-title")>
            <h2 id=format!("{word}-title")>{title}</h2>
            <p class="speed-about">{about}</p>
            <Transition fallback=move || view! { <LastRun test_type=test_type last=LastRuns::default() /> }>
                {last}
            </Transition>
            <div class="speed-actions">
                <form method="post" action=RunSpeedTest::url() on:submit=run>
                    <input type="hidden" name="test_type" value=word />
                    <button
                        type="submit"
                        class="button button-primary for-operators"
                        disabled=move || pending.get()
                        aria-busy=move || running.get().to_string()
                    >
                        {move || if running.get() { "Running\u{2026}".to_owned() } else { button.clone() }}
                    </button>
                </form>
                <Progress running=running />
            </div>
        </section>
    }
}

/// A moving bar and the time since the start, while the test runs.
#[component]
fn Progress(running: Memo<bool>) -> impl IntoView {
    let tenths = RwSignal::new(0_u32);
    Effect::new(move || {
        if !running.get() {
            return;
        }
        tenths.set(0);
        let tick = move || tenths.update(|tenths| *tenths += 1);
        if let Ok(interval) = set_interval_with_handle(tick, Duration::from_millis(100)) {
            on_cleanup(move || interval.clear());
        }
    });
    view! {
        <Show when=move || running.get()>
            <span class="speed-progress">
                <progress aria-label="The test is running"></progress>
                <span class="speed-elapsed" aria-hidden="true">
                    {move || format!("{}.{} s", tenths.get() / 10, tenths.get() % 10)}
                </span>
            </span>
        </Show>
    }
}

/// The last latency, its parts, and the failure since, if there is one.
#[component]
fn LastRun(test_type: TestType, last: LastRuns) -> impl IntoView {
    let latency = last
        .succeeded
        .as_ref()
        .map_or_else(|| "-- ms".to_owned(), |run| format_ms(run.latency_ms));
    let parts = (test_type == TestType::Heavy).then(|| {
        let part = |of: fn(&SpeedTest) -> Option<f64>| {
            last.succeeded
                .as_ref()
                .and_then(of)
                .map_or_else(|| "-- ms".to_owned(), format_ms)
        };
        view! {
            <dl class="speed-parts">
                <div><dt>"Authenticate"</dt><dd>{part(|run| run.authenticate_ms)}</dd></div>
                <div><dt>"Query"</dt><dd>{part(|run| run.query_ms)}</dd></div>
            </dl>
        }
    });
    let when = last.succeeded.as_ref().map(|run| {
        let details = run.details.clone();
        view! {
            <p class="speed-when">
                <Timestamp at=run.tested_at />
                {details.map(|details| view! { " \u{b7} " {details} })}
            </p>
        }
    });
    let failure = last.failed_since.map(|run| {
        let failure = run.failure.map(|failure| {
            let advice = failure.advice();
            view! { <p>{failure.message}</p> <p>{advice}</p> }
        });
        view! {
            <div class="notice notice-bad">
                <p><strong>"The last run failed "</strong> "(" <Timestamp at=run.tested_at /> ")."</p>
                {failure}
            </div>
        }
    });
    view! {
        <p class="speed-latency">"Last Latency: " <strong>{latency}</strong></p>
        {parts}
        {when}
        {failure}
    }
}

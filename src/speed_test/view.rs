//! The page `/speed-test`: two tests to run, and what became of all runs.
//! Complete without JavaScript: a test is a plain form, the filters are links.

mod cards;
mod history;

use leptos::prelude::*;
use leptos::server_fn::error::ServerFnUrlError;
use leptos_router::hooks::use_query_map;

use crate::error::{AppError, ErrorCode};
use crate::speed_test::model::{HistoryQuery, TestType, format_ms};
use crate::speed_test::server_fns::{RunSpeedTest, list_speed_tests};
use crate::ui::error_view::ErrorView;
use crate::ui::page_header::PageHeader;
use crate::ui::resource::load;

/// `/speed-test`
#[component]
pub fn SpeedTestPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| HistoryQuery::from_params(|name| params.read().get(name)));
    let action = ServerAction::<RunSpeedTest>::new();
    let page = load(
        move || (query.get(), action.version().get()),
        |(query, _)| list_speed_tests(query),
    );
    // Without JavaScript the answer's error comes back in the page's address.
    let error = move || match action.value().get() {
        Some(result) => result.err(),
        None => params.read().get("__err").map(|text| error_in_address(&text)),
    };
    view! {
        <PageHeader
            title="Odoo Bridge Speed Test"
            lead="Run latency benchmarks and track performance history against Odoo."
        />
        <a href="/speed-test/runs">"Many samples, way by way"</a>
        <div class="speed-error">{move || error().map(|error| view! { <ErrorView error=error /> })}</div>
        <p class="visually-hidden" role="status">{move || announcement(action)}</p>
        <div class="speed-cards">
            <cards::TestCard
                test_type=TestType::Light
                about="Performs a quick Odoo version ping to measure connection handshake overhead."
                action=action
                page=page
            />
            <cards::TestCard
                test_type=TestType::Heavy
                about="Authenticates and queries 25 Sales Orders with multiple fields from Odoo database."
                action=action
                page=page
            />
        </div>
        <history::History query=query page=page />
    }
}

/// What a screen reader hears while a test runs and when it is through.
fn announcement(action: ServerAction<RunSpeedTest>) -> String {
    if action.pending().get() {
        return "The test is running.".to_owned();
    }
    match action.value().get() {
        Some(Ok(run)) => match &run.failure {
            None => format!("{} test: {}.", run.test_type.label(), format_ms(run.latency_ms)),
            Some(failure) => format!("{} test failed. {}", run.test_type.label(), failure.message),
        },
        _ => String::new(),
    }
}

/// The error that a plain form's answer left in the address. Anybody can write
/// an address, so only the code is taken from there, never the sentence.
fn error_in_address(text: &str) -> AppError {
    match ServerFnUrlError::<AppError>::decode_err(text).code {
        ErrorCode::Conflict => AppError::new(ErrorCode::Conflict, "A test is running already. Wait for its result."),
        ErrorCode::Unauthenticated => AppError::new(ErrorCode::Unauthenticated, "Sign in to do this."),
        ErrorCode::Unavailable => AppError::new(ErrorCode::Unavailable, ErrorCode::Unavailable.explanation()),
        // Also what can't be decoded; of that, server and browser must say the same.
        _ => AppError::new(ErrorCode::Internal, "The test could not be run. Try again."),
    }
}

#[cfg(test)]
mod tests {
    use leptos::server_fn::error::ServerFnUrlError;

    use super::*;

    #[test]
    fn a_forged_address_puts_no_words_on_the_page() {
        let forged = AppError::new(ErrorCode::Conflict, "Call this number and tell us your password.");
        let url = ServerFnUrlError::new("/api/run_speed_test", forged).to_url("http://bridge.example.com/speed-test");
        let url = url.expect("an address");
        let (_, text) = url.query_pairs().find(|(name, _)| name == "__err").expect("the error");
        let shown = error_in_address(&text);
        assert_eq!(shown.code, ErrorCode::Conflict);
        assert_eq!(shown.message, "A test is running already. Wait for its result.");
        for garbage in ["", "%%%", "e30=", "bnVsbA=="] {
            assert_eq!(error_in_address(garbage).code, ErrorCode::Internal, "{garbage:?}");
        }
    }
}

//! What the dashboard asks of the server about speed tests. Each needs a
//! signed-in person; an API key never reaches any of them.

use leptos::prelude::*;

use crate::error::Result;
use crate::speed_test::model::{HistoryPage, HistoryQuery, SpeedTest};

/// Runs a test (`light` or `heavy`) and keeps it. An Odoo that fails is a run
/// that failed, not an error. A plain form can call it too.
///
/// # Errors
/// `invalid_request`, `unauthenticated`, `conflict` while this Odoo is tested
/// already, `unavailable`.
#[server(prefix = "/api", endpoint = "run_speed_test")]
pub async fn run_speed_test(test_type: String) -> Result<SpeedTest> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::speed_test::model::TestType;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let test_type = TestType::parse(&test_type)?;
        let state = state()?;
        crate::speed_test::run::run(&state.pool, &state.odoo, test_type).await
    })
    .await
}

/// One page of the runs that `query` finds, the last run of each test, and the chart.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "list_speed_tests", input = server_fn::codec::Json)]
pub async fn list_speed_tests(query: HistoryQuery) -> Result<HistoryPage> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let state = state()?;
        crate::speed_test::run::history(&state.pool, state.odoo.target(), &query).await
    })
    .await
}

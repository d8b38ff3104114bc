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
pub async fn run_speed_test(
    /// `light` or `heavy`.
    test_type: String,
) -> Result<SpeedTest> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::speed_test::model::TestType;
    use crate::speed_test::run;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let test_type = TestType::parse(&test_type)?;
        let state = state()?;
        run::run(
            &state.pool,
            &state.odoo,
            run::target(&state.odoo, state.is_demo()),
            test_type,
        )
        .await
    })
    .await
}

/// One page of the runs that `query` finds, the last run of each test, and the chart.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "list_speed_tests", input = server_fn::codec::Json)]
pub async fn list_speed_tests(
    /// Which runs, and which page of them.
    query: HistoryQuery,
) -> Result<HistoryPage> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::speed_test::run;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let state = state()?;
        run::history(&state.pool, run::target(&state.odoo, state.is_demo()), &query).await
    })
    .await
}

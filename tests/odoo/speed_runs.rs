//! The speed test on the real Odoo: each way gives its samples, and their parts are the whole.

use std::time::{Duration, Instant};

use odoo_bridge::audit::log::Actor;
use odoo_bridge::odoo::Way;
use odoo_bridge::speed_test::model::TestType;
use odoo_bridge::speed_test::runs::plan::Plan;
use odoo_bridge::speed_test::runs::run::{self, Starter};
use odoo_bridge::speed_test::runs::sample::RunState;
use odoo_bridge::speed_test::runs::search;

use super::*;

/// Runs a plan by all ways, and gives what came of it.
async fn measured(app: &RealApp, kind: TestType, is_cold: bool) -> search::Detailed {
    let plan = Plan {
        kind,
        is_cold,
        ways: Way::ALL.to_vec(),
        samples: 10,
    };
    let odoo = &app.bridge.state.odoo;
    let id = run::start(
        &app.pool,
        odoo,
        odoo.target(),
        plan,
        Starter::Person(&Actor::COMMAND_LINE),
        || false,
    )
    .await
    .expect("it starts");
    let late = Instant::now() + Duration::from_secs(120);
    loop {
        let found = search::find(&app.pool, &id.to_string()).await.expect("a run");
        if found.run.state != RunState::Running {
            assert_eq!(found.run.state, RunState::Finished);
            return found;
        }
        assert!(Instant::now() < late, "it takes too long");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[sqlx::test]
async fn the_parts_of_every_sample_make_up_its_whole_by_every_way(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn(pool).await;
    for (kind, is_cold) in [
        (TestType::Light, false),
        (TestType::Heavy, false),
        (TestType::Light, true),
        (TestType::Heavy, true),
    ] {
        let found = measured(&app, kind, is_cold).await;
        assert_eq!(found.samples.len(), 30);
        for sample in &found.samples {
            assert_eq!(sample.failure, None, "{sample:?}");
            let parts = sample.parts;
            let sum: f64 = parts.named().iter().map(|(_, ms)| ms).sum();
            assert!((sum - parts.total).abs() <= parts.total * 0.05, "{sample:?}");
            let has_login = is_cold && sample.way != Way::Json2;
            assert_eq!(parts.authenticate > 0.0, has_login, "{sample:?}");
            assert!(
                parts.odoo > 0.0 && sample.bytes.is_some_and(|bytes| bytes > 0),
                "{sample:?}"
            );
            if is_cold {
                assert!(parts.connect > 0.0, "{sample:?}");
            }
            if kind == TestType::Heavy {
                assert_eq!(sample.records, Some(25), "{sample:?}");
            }
        }
        for of_way in &found.statistics {
            let figures = of_way.figures.expect("figures");
            assert!(figures.min <= figures.p50 && figures.p50 <= figures.p95 && figures.p95 <= figures.max);
        }
    }
}

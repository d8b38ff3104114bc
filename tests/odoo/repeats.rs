//! Writes that are repeated with an `Idempotency-Key` are done once each in the real
//! Odoo, wherever the line between client and bridge is cut; records made under external
//! ids also wherever the line between bridge and Odoo is.

use super::faults::{Fault, Faulty};
use super::*;

/// How many writes; RELIABILITY_WRITES=1000 for the figure of docs/reliability.md.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
fn writes() -> usize {
    let writes = std::env::var("RELIABILITY_WRITES")
        .ok()
        .and_then(|writes| writes.parse().ok());
    writes.unwrap_or(50)
}

#[sqlx::test]
async fn writes_that_are_cut_anywhere_and_repeated_are_done_once_each(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn(pool.clone()).await;
    let key = make_key(&pool, "repeats", FULL).await;
    let way = Faulty::to(app.bridge.address.port()).await;
    let actor = Actor {
        address: way.url(),
        client: client(),
        key: Some(key.plaintext),
    };
    let run = uuid::Uuid::now_v7().simple().to_string();
    // The same on each run, and all over the place.
    let mut dice: usize = 7;
    let mut cuts = 0;
    for number in 0..writes() {
        let body = json!({"model": "res.partner", "method": "create", "args": [{"name": format!("{run} {number}")}]});
        let mut attempt = 0;
        loop {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let byte = (dice >> 33) % 420 + 1;
            way.set(match (attempt, number % 2) {
                (0 | 1, 0) => Fault::CutRequest(byte),
                (0 | 1, _) => Fault::CutAnswer(byte),
                _ => Fault::None,
            });
            attempt += 1;
            let request = actor
                .request(Method::POST, "/call")
                .header("Idempotency-Key", format!("{run}-{number}"));
            match request.json(&body).send().await {
                Ok(response) if response.status() == 200 => match response.bytes().await {
                    Ok(_) => break,
                    Err(_) => cuts += 1,
                },
                // The first may still run.
                Ok(response) => {
                    assert_eq!(response.status(), 409, "{number}");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                Err(_) => cuts += 1,
            }
        }
    }
    way.set(Fault::None);
    assert!(cuts > writes(), "{cuts} cuts");
    let domain = json!([["name", "=like", format!("{run} %")]]);
    let found = json!({"model": "res.partner", "method": "search", "args": [domain]});
    let ids = actor.call(&found).await.data().clone();
    let remove = json!({"model": "res.partner", "method": "unlink", "args": [ids]});
    actor.call(&remove).await.data();
    assert_eq!(ids.as_array().map(Vec::len), Some(writes()), "{cuts} cuts");
}

/// A `create` under an external id.
async fn create(actor: &Actor, key: &str, body: &Value) -> Answer {
    let request = actor.request(Method::POST, "/call");
    let request = request
        .header("Idempotency-Key", key)
        .header("Idempotency-Mode", "external-id");
    Answer::of(request.json(body).send().await.expect("the bridge answers")).await
}

/// A bridge that takes one way in particular, over a line to Odoo that can be cut.
async fn over_a_line(pool: &PgPool, way: &str) -> (Faulty, Actor, Bridge) {
    let url = env("URL");
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    let line = Faulty::to(port.expect("an address with a port")).await;
    let (url, db, username, key, password) = (line.url(), env("DB"), env("USERNAME"), env("API_KEY"), env("PASSWORD"));
    let odoo = ["--odoo-url", &url, "--odoo-db", &db, "--odoo-username", &username];
    let secrets = [
        "--odoo-api-key",
        &key,
        "--odoo-password",
        &password,
        "--odoo-transport",
        way,
    ];
    let bridge = helpers::start(pool.clone(), &[&odoo[..], &secrets[..]].concat()).await;
    let key = make_key(pool, &format!("by {way}"), FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    (line, actor, bridge)
}

#[sqlx::test]
async fn creates_under_an_external_id_are_done_once_each_wherever_the_way_to_odoo_is_cut(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    for way in WAYS {
        let (line, actor, _bridge) = over_a_line(&pool, way).await;
        let run = uuid::Uuid::now_v7().simple().to_string();
        let each = writes().div_ceil(WAYS.len());
        let (mut dice, mut unknown, mut repeated, mut made) = (7_usize, 0, 0, Vec::new());
        for number in 0..each {
            let values = json!({"name": format!("{run} {number}"), "is_company": number % 2 == 0});
            let body = json!({"model": "res.partner", "method": "create", "args": [values]});
            let mut attempt = 0;
            loop {
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let byte = (dice >> 33) % 700 + 1;
                line.set(match (attempt, (number + attempt) % 2) {
                    (0 | 1, 0) => Fault::CutRequest(byte),
                    (0 | 1, _) => Fault::CutAnswer(byte % 300 + 1),
                    _ => Fault::None,
                });
                attempt += 1;
                let answer = create(&actor, &format!("{run}-{number}"), &body).await;
                if answer.status == 200 {
                    made.push(answer.data().as_i64().expect("an id"));
                    repeated += usize::from(attempt > 1);
                    break;
                }
                let code = answer.code();
                unknown += usize::from(code == "outcome_unknown");
                let of_the_line = [
                    "outcome_unknown",
                    "odoo_unreachable",
                    "odoo_unavailable",
                    "idempotency_conflict",
                ];
                assert!(of_the_line.contains(&code), "{way}: {}", answer.text);
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        line.set(Fault::None);
        let domain = json!([["name", "=like", format!("{run} %")]]);
        let found = actor
            .call(&call("res.partner", "search", json!([domain]), json!({"order": "id"})))
            .await;
        let found = found.data().clone();
        actor
            .call(&call("res.partner", "unlink", json!([found]), json!({})))
            .await
            .data();
        made.sort_unstable();
        assert_eq!(found, json!(made), "{way}: one each, and the one that was told");
        assert_eq!(made.len(), each);
        assert!(
            unknown > each / 2,
            "{way}: {unknown} outcomes of {each} were unknown at first"
        );
        #[expect(
            clippy::print_stdout,
            reason = "the figures of docs/reliability.md, with --nocapture"
        )]
        {
            println!("{way}: {each} records, {repeated} of them after a repeat, {unknown} outcomes unknown at first");
        }
    }
}

/// What was made, without what is different each time.
async fn stored(actor: &Actor, model: &str, id: &Value, fields: &[&str]) -> Value {
    let read = call(
        model,
        "read",
        json!([[id]]),
        json!({"fields": fields, "load": "_classic_write"}),
    );
    let mut record = actor.call(&read).await.data()[0].clone();
    record.as_object_mut().expect("a record").remove("id");
    record
}

#[sqlx::test]
async fn what_is_made_under_an_external_id_is_what_create_makes(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    for way in WAYS {
        let (_line, actor, _bridge) = over_a_line(&pool, way).await;
        let run = uuid::Uuid::now_v7().simple().to_string();
        let some = |model: &'static str| {
            let actor = actor.clone();
            async move {
                let found = actor
                    .call(&call(model, "search", json!([[]]), json!({"limit": 2, "order": "id"})))
                    .await;
                found.data().clone()
            }
        };
        let (countries, tags, products) = (
            some("res.country").await,
            some("res.partner.category").await,
            some("product.product").await,
        );
        let partner = json!([{
            "name": format!("{run} \"Ad\u{e4}\"\n"), "is_company": true, "active": true, "employee": false, "comment": "<p>a, b</p>",
            "country_id": countries[0], "category_id": [[6, 0, tags]], "color": 0, "partner_latitude": 12.345678, "type": "invoice",
            "phone": "0", "street": false, "parent_id": null,
            "child_ids": [[0, 0, {"name": "One", "color": 3}], [0, 0, {"name": "Two", "color": 0}]],
        }]);
        let fields = [
            "name",
            "is_company",
            "active",
            "employee",
            "comment",
            "country_id",
            "category_id",
            "color",
            "partner_latitude",
            "type",
            "phone",
            "street",
            "parent_id",
            "lang",
            "tz",
            "user_id",
            "company_id",
        ];
        let body = call("res.partner", "create", partner, json!({}));
        let (plain, under) = (
            actor.call(&body).await.data().clone(),
            create(&actor, &format!("{run}-p"), &body).await.data().clone(),
        );
        assert_ne!(plain, under);
        assert_eq!(
            stored(&actor, "res.partner", &plain, &fields).await,
            stored(&actor, "res.partner", &under, &fields).await,
            "{way}"
        );
        let children = |parent: Value| {
            let asked = call(
                "res.partner",
                "search_read",
                json!([[["parent_id", "=", parent]]]),
                json!({"fields": ["name", "color", "type"], "order": "id"}),
            );
            let actor = actor.clone();
            async move {
                let mut children = actor.call(&asked).await.data().clone();
                for child in children.as_array_mut().expect("records") {
                    child.as_object_mut().expect("a record").remove("id");
                }
                children
            }
        };
        assert_eq!(children(plain.clone()).await, children(under.clone()).await, "{way}");

        let order = json!([[{
            "partner_id": under, "date_order": "2026-07-01 23:30:00", "client_order_ref": run, "validity_date": "2026-12-24",
            "order_line": [[0, 0, {"product_id": products[0], "product_uom_qty": 2, "price_unit": 10.05}], [0, 0, {"product_id": products[1], "product_uom_qty": 1.5, "price_unit": 0}]],
        }]]);
        let fields = [
            "date_order",
            "client_order_ref",
            "validity_date",
            "amount_total",
            "state",
            "partner_id",
            "pricelist_id",
            "user_id",
        ];
        let body = call("sale.order", "create", order, json!({}));
        let (plain, mine) = (
            actor.call(&body).await.data()[0].clone(),
            create(&actor, &format!("{run}-o"), &body).await.data()[0].clone(),
        );
        let orders = (
            stored(&actor, "sale.order", &plain, &fields).await,
            stored(&actor, "sale.order", &mine, &fields).await,
        );
        assert_eq!(orders.0, orders.1, "{way}");
        assert_eq!(
            orders.1["date_order"], "2026-07-01 23:30:00",
            "{way}: UTC, whatever the user's zone"
        );

        // A repeat of what was answered is not sent; the same under another key is another record.
        let again = create(&actor, &format!("{run}-o"), &body).await;
        assert_eq!(
            (again.data(), &again.headers["idempotency-replayed"]),
            (&json!([mine]), &"true".parse().expect("a value"))
        );
        let conflict = actor
            .request(Method::POST, "/call")
            .header("Idempotency-Key", format!("{run}-o"))
            .json(&body)
            .send()
            .await;
        assert_eq!(
            Answer::of(conflict.expect("an answer")).await.code(),
            "idempotency_conflict",
            "a repeat keeps to its mode"
        );

        let wrong = call("sale.order", "create", json!([{"client_order_ref": run}]), json!({}));
        let refused = create(&actor, &format!("{run}-w"), &wrong).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "odoo_rejected"),
            "{way}: {}",
            refused.text
        );
        let unsaid = call(
            "res.partner",
            "create",
            json!([{"name": run, "child_ids": [[4, 1]]}]),
            json!({}),
        );
        let refused = create(&actor, &format!("{run}-u"), &unsaid).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_request"),
            "{way}: {}",
            refused.text
        );
        assert_eq!(refused.json["details"]["name"], "child_ids");

        let orders = call(
            "sale.order",
            "search",
            json!([[["client_order_ref", "=", run]]]),
            json!({}),
        );
        let orders = actor.call(&orders).await.data().clone();
        assert_eq!(orders.as_array().map(Vec::len), Some(2));
        actor
            .call(&call("sale.order", "unlink", json!([orders]), json!({})))
            .await
            .data();
        let partners = call(
            "res.partner",
            "search",
            json!([[["name", "=like", format!("{run}%")]]]),
            json!({}),
        );
        let partners = actor.call(&partners).await.data().clone();
        actor
            .call(&call("res.partner", "unlink", json!([partners]), json!({})))
            .await
            .data();
    }
}

#[sqlx::test]
async fn a_user_who_may_not_read_external_ids_has_records_made_under_them(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn_as(pool, "demo", "demo").await;
    let actor = app.actor().await;
    let ids = call("ir.model.data", "search", json!([[]]), json!({"limit": 1}));
    assert_eq!(actor.call(&ids).await.code(), "odoo_access_denied");
    let run = uuid::Uuid::now_v7().simple().to_string();
    let body = call("res.partner", "create", json!([{"name": run}]), json!({}));
    let id = create(&actor, &run, &body).await.data().clone();
    let record = actor
        .call(&call("res.partner", "read", json!([[id]]), json!({"fields": ["name"]})))
        .await;
    assert_eq!(record.data()[0]["name"], json!(run));
    let denied = call("res.users", "create", json!([{"name": run, "login": run}]), json!({}));
    let denied = create(&actor, &format!("{run}-d"), &denied).await;
    assert_eq!(denied.code(), "odoo_rejected", "{}", denied.text);
    let admin = direct(2, &env("PASSWORD"), "res.partner", "unlink", &json!([[id]]), &json!({})).await;
    assert_eq!(admin["result"], true, "{admin}");
}

#[sqlx::test]
async fn a_policy_holds_for_what_is_made_under_an_external_id(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn(pool).await;
    let policy =
        r#"{"access":"rules","rules":[{"model":"res.partner","operations":["create"],"write_fields":["name"]}]}"#;
    let actor = Actor {
        key: Some(make_key(&app.pool, "limited", policy).await.plaintext),
        ..app.actor().await
    };
    let run = uuid::Uuid::now_v7().simple().to_string();
    let denied = call("res.partner", "create", json!([{"name": run, "phone": "1"}]), json!({}));
    let denied = create(&actor, &format!("{run}-d"), &denied).await;
    assert_eq!(denied.code(), "policy_denied", "{}", denied.text);
    let load = call("res.partner", "load", json!([["name"], [[run]]]), json!({}));
    assert_eq!(
        actor.call(&load).await.code(),
        "policy_denied",
        "load is the bridge's own"
    );
    let body = call("res.partner", "create", json!([{"name": run}]), json!({}));
    let id = create(&actor, &run, &body).await.data().clone();
    let full = app.actor().await;
    let read = full
        .call(&call("res.partner", "search", json!([[["name", "=", run]]]), json!({})))
        .await;
    assert_eq!(read.data(), &json!([id]));
    full.call(&call("res.partner", "unlink", json!([[id]]), json!({})))
        .await
        .data();
}

/// Why the repeat of a call that may still be running in Odoo is safe: of those that come
/// at the same moment, one makes the record, and the others find it or are undone.
#[sqlx::test]
async fn loads_at_the_same_moment_make_one_record(_pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let secret = env("PASSWORD");
    for _ in 0..20 {
        let run = uuid::Uuid::now_v7().simple().to_string();
        let args = json!([["id", "name"], [[format!("__odoo_bridge__.{run}"), run]]]);
        let kwargs = json!({"context": {"module": "__odoo_bridge__", "mode": "update", "noupdate": true}});
        let loads = (0..4).map(|_| direct(2, &secret, "res.partner", "load", &args, &kwargs));
        let answers = futures_util::future::join_all(loads).await;
        let domain = json!([[["name", "=", run]]]);
        let found = direct(2, &secret, "res.partner", "search", &domain, &json!({})).await["result"].clone();
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{answers:?}");
        for answer in &answers {
            let ids = &answer["result"]["ids"];
            assert!(*ids == found || *ids == false, "{answer}");
        }
        direct(2, &secret, "res.partner", "unlink", &json!([found]), &json!({})).await;
    }
}

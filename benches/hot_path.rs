//! The bridge's own parts of a call, each alone: `cargo bench --bench hot_path`.
//! What a whole call costs is measured by `make bench`.
#![expect(missing_docs, reason = "what criterion_group makes has none")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use odoo_bridge::calls::answer::frame;
use odoo_bridge::calls::request::CallRequest;
use odoo_bridge::keys::policy::{Asked, FieldKind, Knowledge, Policy, decide, presets, shape};
use odoo_bridge::keys::secret::PlainKey;
use odoo_bridge::odoo::answer::{Frame, Scanner, result_begins};
use odoo_bridge::server::request_id::RequestId;
use odoo_bridge::server::telemetry;
use odoo_bridge::server::telemetry::calls::{Counted, MODELS};
use serde_json::value::RawValue;

fn keys(criterion: &mut Criterion) {
    let key = PlainKey::generate();
    let text = key.reveal();
    let hash = key.hash();
    criterion.bench_function("key: parse", |bencher| {
        bencher.iter(|| PlainKey::parse(black_box(text.as_bytes())));
    });
    criterion.bench_function("key: refuse a malformed one", |bencher| {
        bencher.iter(|| PlainKey::parse(black_box(&text.as_bytes()[..50])));
    });
    criterion.bench_function("key: hash and compare", |bencher| {
        bencher.iter(|| hash.matches(&black_box(&key).hash()));
    });
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request: parse");
    for ids in [10, 2_000] {
        let ids: Vec<u32> = (1..=ids).collect();
        let body = format!(
            r#"{{"model":"sale.order","method":"search_read","args":[[["id","in",{ids:?}]]],"kwargs":{{"limit":5,"fields":["name","state"]}}}}"#
        );
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{} bytes", body.len()), |bencher| {
            bencher.iter(|| CallRequest::parse(black_box(body.as_bytes())).map(|call| call.args.get().len()));
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let record = r#"{"id": 1, "name": "S00001", "partner_id": [10, "Gemini Furniture"], "note": false}"#;
    let mut group = criterion.benchmark_group("answer");
    for records in [8, 12_000] {
        let result = format!("[{}]", vec![record; records].join(", "));
        let body = format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {result}}}"#);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("find the result in {} bytes", body.len()), |bencher| {
            bencher.iter(|| {
                let begin = result_begins(black_box(body.as_bytes()))?;
                let mut scanner = Scanner::new(Frame::Rpc);
                let taken = scanner.feed(&body.as_bytes()[begin..]).ok()?;
                scanner.finish().ok().map(|()| taken)
            });
        });
        group.bench_function(format!("frame {} bytes", result.len()), |bencher| {
            bencher.iter(|| frame(black_box(result.as_bytes()), "01a20d5d-21fd-748f-b876-dcd28503a2fe"));
        });
    }
    group.finish();
}

fn policies(criterion: &mut Criterion) {
    let sales = presets::find("sales_app").expect("the largest preset");
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let args = raw(r#"[[["date_order",">=","2026-05-01 00:00:00"],"|",["state","=","sale"],["name","ilike","S0"]]]"#);
    let kwargs = raw(r#"{"limit":5,"fields":["name","state"],"order":"date_order desc","context":{"lang":"en_US"}}"#);
    let asked = |model, method| Asked {
        model,
        method,
        args: &args,
        kwargs: &kwargs,
    };
    let mut known = Knowledge::default();
    let fields = |names: &[&str]| {
        Arc::new(
            names
                .iter()
                .map(|name| ((*name).to_owned(), FieldKind::Value))
                .collect(),
        )
    };
    known
        .fields
        .insert("sale.order".into(), fields(&["date_order", "state", "name"]));
    for model in ["sale.order", "res.partner"] {
        known.methods.insert(model.into(), Arc::default());
    }
    for (what, policy, call) in [
        (
            "read only, allowed",
            Policy::read_only(),
            asked("sale.order", "search_read"),
        ),
        (
            "sales app, allowed",
            Policy::load(sales.document),
            asked("sale.order", "search_read"),
        ),
        (
            "sales app, a field refused",
            Policy::load(sales.document),
            asked("res.partner", "search_read"),
        ),
    ] {
        criterion.bench_function(&format!("policy: {what}"), |bencher| {
            bencher.iter(|| decide(black_box(&policy), black_box(&call), &known));
        });
    }
}

fn shapes(criterion: &mut Criterion) {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (args, kwargs) = (
        raw(r#"[[["date_order",">=","2026-05-01 00:00:00"],"|",["state","=","sale"],["name","ilike","S0"]]]"#),
        raw(r#"{"limit":5,"fields":["name","state"],"order":"date_order desc","context":{"lang":"en_US"}}"#),
    );
    let call = Asked {
        model: "sale.order",
        method: "search_read",
        args: &args,
        kwargs: &kwargs,
    };
    criterion.bench_function("the shape of a call", |bencher| {
        bencher.iter(|| shape(black_box(&call)))
    });
}

fn metrics(criterion: &mut Criterion) {
    telemetry::install_metrics();
    let models: Vec<_> = (0..MODELS).map(|number| format!("some.model{number}")).collect();
    telemetry::admit_models(models.iter().map(String::as_str));
    let id = RequestId::from("01a20d5d-21fd-748f-b876-dcd28503a2fe".to_owned());
    for (what, model) in [("the first", &models[0]), ("the last", &models[MODELS - 1])] {
        let call = Counted {
            code: "ok",
            model: Some(model),
            request_id: &id,
            total: Duration::from_micros(5_300),
            odoo: Some(Duration::from_micros(5_100)),
        };
        criterion.bench_function(&format!("metrics: a call of {what} model"), |bencher| {
            bencher.iter(|| telemetry::record_call(black_box(call)));
        });
    }
}

criterion_group!(hot_path, keys, requests, answers, policies, shapes, metrics);
criterion_main!(hot_path);

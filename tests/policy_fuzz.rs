//! Policies and calls out of a corpus, changed at random: whatever comes, a policy
//! decides without a panic, and gives nothing that it does not have. Runs for
//! `POLICY_FUZZ_SECS` seconds (2 if unset; a minute in CI).

use std::time::{Duration, Instant};

use std::sync::Arc;

use odoo_bridge::keys::policy::{Asked, FieldKind, Knowledge, ModelMethods, Policy, Unknown, Verdict, decide, presets};
use serde_json::Value;
use serde_json::value::RawValue;

/// What stands at every place where a field's name can: must never go to Odoo.
const SECRET: &str = "comment";
const LIMITED: &str = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create","write"],
    "read_fields":["name","email","child_ids"],"write_fields":["email"]}],"max_limit":50,"context":["lang","default_email"]}"#;

/// xorshift64*: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % sides.max(1)
    }
}

/// Learns what a decision has to know, of an Odoo in which every model has the same fields.
fn learn(known: &mut Knowledge, unknown: Unknown) {
    match unknown {
        Unknown::FieldsOf(model) => {
            let one = |relation: &str| FieldKind::of("many2one", Some(relation), None);
            let many = |relation: &str| FieldKind::of("one2many", Some(relation), Some("parent_id"));
            let fields = [
                ("name", FieldKind::Value),
                ("email", FieldKind::Value),
                (SECRET, FieldKind::Value),
                ("access_token", FieldKind::Value),
                ("partner_id", one("res.partner")),
                ("user_id", one("res.users")),
                ("child_ids", many("res.partner")),
                ("order_line", many("sale.order.line")),
                ("user_ids", many("res.users")),
                ("group_ids", FieldKind::of("many2many", Some("res.groups"), None)),
                (
                    "category_id",
                    FieldKind::of("many2many", Some("res.partner.category"), None),
                ),
            ];
            let fields = fields.into_iter().map(|(name, kind)| (name.to_owned(), kind));
            known.fields.insert(model, Arc::new(fields.collect()));
        }
        Unknown::MethodsOf(model) => drop(known.methods.insert(model, Arc::new(ModelMethods::default()))),
        Unknown::CopiedWith(model) => drop(known.copied.insert(model, ["sale.order.line".to_owned()].into())),
        Unknown::UsersBehind(partners) => drop(known.users_behind.insert(partners, false)),
    }
}

/// All values in it, itself first.
fn values(value: &Value) -> Vec<Value> {
    let inner: Vec<_> = match value {
        Value::Array(items) => items.iter().flat_map(values).collect(),
        Value::Object(members) => members.values().flat_map(values).collect(),
        _ => Vec::new(),
    };
    [vec![value.clone()], inner].concat()
}

/// Changes one place: puts another value in, takes one out, doubles or renames one.
fn changed(value: &Value, pool: &[Value], dice: &mut Dice) -> Value {
    if dice.roll(4) == 0 {
        return pool[dice.roll(pool.len())].clone();
    }
    match value {
        Value::Array(items) if !items.is_empty() => {
            let (mut items, at) = (items.clone(), dice.roll(items.len()));
            match dice.roll(6) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, pool[dice.roll(pool.len())].clone()),
                _ => items[at] = changed(&items[at], pool, dice),
            }
            items.into()
        }
        Value::Object(members) if !members.is_empty() => {
            let mut members = members.clone();
            let name = members
                .keys()
                .nth(dice.roll(members.len()))
                .cloned()
                .unwrap_or_default();
            let inner = members.remove(&name).unwrap_or_default();
            match dice.roll(6) {
                0 => {}
                1 => drop(members.insert(
                    ["fields", "domain", "limit", "context", SECRET][dice.roll(5)].into(),
                    inner,
                )),
                _ => drop(members.insert(name, changed(&inner, pool, dice))),
            }
            members.into()
        }
        other => match dice.roll(3) {
            0 => Value::Array(vec![other.clone()]),
            _ => pool[dice.roll(pool.len())].clone(),
        },
    }
}

/// The names of fields that a call which was let through would have Odoo read or set.
fn names_fields(method: &str, args: &Value, kwargs: &Value) -> Vec<String> {
    let place = |index: usize, name: &str| {
        args.get(index)
            .or_else(|| kwargs.get(name))
            .cloned()
            .unwrap_or_default()
    };
    let named = match method {
        "read" => place(1, "fields"),
        "search_read" => place(1, "fields"),
        "create" => place(0, "vals_list"),
        "write" => place(1, "vals"),
        "web_read" => place(1, "specification"),
        _ => Value::Null,
    };
    match named {
        Value::Array(items) => items
            .iter()
            .flat_map(|item| match item {
                Value::String(name) => vec![name.clone()],
                Value::Object(members) => members.keys().cloned().collect(),
                _ => Vec::new(),
            })
            .collect(),
        Value::Object(members) => members.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "how long is the tester's own choice")]
fn time() -> Duration {
    let secs = std::env::var("POLICY_FUZZ_SECS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(secs.unwrap_or(2))
}

#[test]
fn whatever_comes_a_policy_decides_and_gives_nothing_that_it_does_not_have() {
    let attacks: Vec<Value> = serde_json::from_str(include_str!("attacks.json")).expect("the corpus");
    let mut calls: Vec<Value> = attacks.iter().map(|attack| attack["call"].clone()).collect();
    let pool: Vec<Value> = calls.iter().flat_map(values).collect();
    let policies: Vec<Policy> = presets::PRESETS
        .iter()
        .map(|preset| Policy::load(preset.document))
        .chain([Policy::load(LIMITED), Policy::Nothing])
        .collect();
    let limited = Policy::load(LIMITED);
    let mut known = Knowledge::default();
    let (mut dice, until, mut decided, mut allowed) =
        (Dice(0x0D00_B21D_6E00_0001), Instant::now() + time(), 0_u64, 0_u64);
    while Instant::now() < until {
        let call = &calls[dice.roll(calls.len())];
        let mut next = call.clone();
        next[2] = changed(&call[2], &pool, &mut dice);
        if dice.roll(2) == 0 {
            next[3] = changed(&call[3], &pool, &mut dice);
        }
        if dice.roll(8) == 0 {
            next[1] = calls[dice.roll(calls.len())][1].clone();
        }
        let (Some(model), Some(method)) = (next[0].as_str(), next[1].as_str()) else {
            continue;
        };
        let raw = |value: &Value| RawValue::from_string(value.to_string()).expect("JSON");
        let (args, kwargs) = (raw(&next[2]), raw(&next[3]));
        let asked = Asked {
            model,
            method,
            args: &args,
            kwargs: &kwargs,
        };
        for policy in &policies {
            let verdict = loop {
                match decide(policy, &asked, &known) {
                    Verdict::Needs(unknown) => learn(&mut known, unknown),
                    verdict => break verdict,
                }
            };
            decided += 1;
            let Verdict::Allowed(gone) = verdict else { continue };
            allowed += 1;
            assert!(
                *policy != Policy::Nothing && !method.starts_with('_') && !model.starts_with("ir.model"),
                "{next}"
            );
            let (args, kwargs) = gone.rewritten.unwrap_or_else(|| (args.clone(), kwargs.clone()));
            let read = |raw: &RawValue| -> Value { serde_json::from_str(raw.get()).expect("JSON goes to Odoo") };
            let (args, kwargs) = (read(&args), read(&kwargs));
            if *policy == limited {
                let names = names_fields(method, &args, &kwargs);
                assert!(names.iter().all(|name| name != SECRET), "{next} -> {names:?}");
                assert!(!["unlink", "action_archive"].contains(&method), "{next}");
            }
        }
        // A call of some depth is a good beginning for the next.
        if calls.len() < 5_000 && next.to_string().len() < 2_000 {
            calls.push(next);
        }
    }
    // That something was let through shows that the corpus is no heap of nonsense.
    assert!(decided > 1_000 && allowed > 10, "{decided} decided, {allowed} allowed");
}

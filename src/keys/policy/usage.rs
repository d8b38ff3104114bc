//! What a key has really called, held against a policy: what it never used, what a
//! draft would refuse, and the least policy that covers it. Judged by the very code
//! that judges calls, on their shapes (`shape.rs`): names, and no values.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::arguments::Asked;
use super::decide::{Stop, Verdict, decide, note_needs};
use super::document::{Access, Document, Operation, Policy, Rule};
use super::fields::{Knowledge, Unknown};
use super::grants::{Fields, Grants, is_out_of_reach};
use super::methods;
use super::shape::Shape;

/// Calls of a key that are alike but for their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Such as `sale.order`.
    pub model: String,
    /// Such as `search_read`.
    pub method: String,
    /// `None` if the arguments were not looked into.
    pub shape: Option<Shape>,
    /// How many.
    pub calls: u64,
}

/// Calls that a policy would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldRefuse {
    /// Such as `sale.order.search_read`.
    pub what: String,
    /// Why.
    pub sentence: String,
    /// How many.
    pub calls: u64,
}

/// Which fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Touched {
    /// All of them, because none was named.
    all: bool,
    named: BTreeSet<String>,
}

/// What is needed of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfModel {
    operations: BTreeSet<Operation>,
    methods: BTreeSet<String>,
    /// Whether a method was called with arguments that nobody understands.
    is_free: bool,
    read: Touched,
    set: Touched,
}

/// What calls need of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    models: BTreeMap<String, OfModel>,
    context: BTreeSet<String>,
}

impl Needs {
    fn of(&mut self, model: &str) -> &mut OfModel {
        self.models.entry(model.to_owned()).or_default()
    }

    fn touched(&mut self, model: &str, operation: Operation) -> &mut Touched {
        let of = self.of(model);
        if operation == Operation::Read {
            &mut of.read
        } else {
            &mut of.set
        }
    }

    pub(super) fn operation(&mut self, model: &str, operation: Operation) {
        self.of(model).operations.insert(operation);
    }

    pub(super) fn method(&mut self, model: &str, method: &str, is_understood: bool) {
        let of = self.of(model);
        of.methods.insert(method.to_owned());
        of.is_free |= !is_understood;
    }

    /// Always true: whatever is needed is allowed here.
    pub(super) fn field(&mut self, model: &str, operation: Operation, name: &str) -> bool {
        self.touched(model, operation).named.insert(name.to_owned());
        true
    }

    pub(super) fn all_fields(&mut self, model: &str, operation: Operation) {
        self.touched(model, operation).all = true;
    }

    pub(super) fn context(&mut self, name: &str) {
        self.context.insert(name.to_owned());
    }

    fn add(&mut self, other: Self) {
        for (model, more) in other.models {
            self.models.entry(model).or_default().add(&more);
        }
        self.context.extend(other.context);
    }
}

impl OfModel {
    fn add(&mut self, more: &Self) {
        self.operations.extend(&more.operations);
        self.methods.extend(more.methods.iter().cloned());
        self.is_free |= more.is_free;
        self.read.add(&more.read);
        self.set.add(&more.set);
    }
}

impl Touched {
    fn add(&mut self, more: &Self) {
        self.all |= more.all;
        self.named.extend(more.named.iter().cloned());
    }
}

/// What was needed for calls, but for what no policy gives below full access.
///
/// # Errors
/// [`Unknown`], if that has to be known first.
pub fn needs(used: &[Used], knowledge: &Knowledge) -> Result<Needs, Unknown> {
    let mut all = Needs::default();
    for used in used {
        let of_one = RefCell::default();
        match used.asked(|asked| note_needs(asked, knowledge, &of_one)) {
            Some(Ok(())) => all.add(of_one.into_inner()),
            Some(Err(Stop::Needs(unknown))) => return Err(unknown),
            Some(Err(Stop::Refused(_))) => {}
            None => all.add(used.needs_by_name()),
        }
    }
    Ok(all)
}

/// What `policy` allows and the key never used, in words. Only rules say what a key is
/// for; of read only and full access there is nothing to say.
#[must_use]
pub fn never_used(policy: &Policy, needs: &Needs) -> Vec<String> {
    let Policy::Limited(document) = policy else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for rule in &document.rules {
        let mut of_rule = OfModel::default();
        for (_, of) in needs.models.iter().filter(|(model, _)| rule.matches(model)) {
            of_rule.add(of);
        }
        for operation in rule.operations.difference(&of_rule.operations) {
            lines.push(format!("{} on {}", operation.as_str(), rule.model));
        }
        for method in rule.methods.difference(&of_rule.methods) {
            lines.push(format!("{method} on {}", rule.model));
        }
        let mut unused = |verb: &str, allowed: &Option<BTreeSet<String>>, touched: &Touched, is_used: bool| {
            let Some(allowed) = allowed else { return };
            if is_used && !touched.all {
                let fields: Vec<_> = allowed.difference(&touched.named).map(String::as_str).collect();
                if !fields.is_empty() {
                    lines.push(format!("{verb} {} of {}", fields.join(", "), rule.model));
                }
            }
        };
        let did = |operation| of_rule.operations.contains(&operation);
        unused("reading", &rule.read_fields, &of_rule.read, did(Operation::Read));
        let sets = did(Operation::Create) || did(Operation::Write);
        unused("setting", &rule.write_fields, &of_rule.set, sets);
    }
    lines
}

/// Those of the calls that `policy` would refuse, most frequent first.
///
/// # Errors
/// [`Unknown`], if that has to be known first.
pub fn would_refuse(policy: &Policy, used: &[Used], knowledge: &Knowledge) -> Result<Vec<WouldRefuse>, Unknown> {
    let mut refused: Vec<WouldRefuse> = Vec::new();
    for used in used {
        let sentence = match used.asked(|asked| decide(policy, asked, knowledge)) {
            Some(Verdict::Allowed(_)) => continue,
            // Which records it named is not kept.
            Some(Verdict::Needs(Unknown::UsersBehind(_))) => continue,
            Some(Verdict::Needs(unknown)) => return Err(unknown),
            Some(Verdict::Refused(refusal)) => refusal.sentence,
            None if used.could_be_allowed(policy) => continue,
            None => "No rule of this document allows the method.".into(),
        };
        let what = format!("{}.{}", used.model, used.method);
        match refused
            .iter_mut()
            .find(|one| one.what == what && one.sentence == sentence)
        {
            Some(one) => one.calls += used.calls,
            None => refused.push(WouldRefuse {
                what,
                sentence,
                calls: used.calls,
            }),
        }
    }
    refused.sort_by_key(|one| std::cmp::Reverse(one.calls));
    Ok(refused)
}

impl Used {
    /// The call that its shape is; `None` if it has none.
    fn asked<T>(&self, judge: impl FnOnce(&Asked<'_>) -> T) -> Option<T> {
        let shape = self.shape.as_ref()?;
        let (args, kwargs): (&RawValue, &RawValue) = (
            serde_json::from_str(&shape.args).ok()?,
            serde_json::from_str(&shape.kwargs).ok()?,
        );
        Some(judge(&Asked {
            model: &self.model,
            method: &self.method,
            args,
            kwargs,
        }))
    }

    fn operation(&self) -> Option<Operation> {
        methods::find(&self.model, &self.method).map(|method| method.operation)
    }

    fn is_given_by_no_policy(&self) -> bool {
        is_out_of_reach(&self.model, self.operation().unwrap_or(Operation::Write)) || self.method.starts_with('_')
    }

    /// What it needs, whatever its arguments.
    fn needs_by_name(&self) -> Needs {
        let mut needs = Needs::default();
        if self.is_given_by_no_policy() {
            return needs;
        }
        match self.operation() {
            Some(operation) => {
                needs.operation(&self.model, operation);
                needs.all_fields(&self.model, operation);
                // An import finds records as well as it makes them.
                if self.method == "load" {
                    needs.operation(&self.model, Operation::Write);
                }
            }
            None => needs.method(&self.model, &self.method, false),
        }
        needs
    }

    /// Whether a policy allows it, whatever its arguments.
    fn could_be_allowed(&self, policy: &Policy) -> bool {
        let document = match policy {
            Policy::Full => return true,
            Policy::Nothing => return false,
            Policy::Limited(document) => document,
        };
        let grants = Grants::of(document, &self.model);
        !self.is_given_by_no_policy()
            && match self.operation() {
                Some(operation) => grants.rule_for(operation).is_some(),
                None => grants.rule_for_method(&self.method).is_some(),
            }
    }
}

/// The least policy that covers what was needed; `None` if nothing was. Where calls
/// named no fields, they are those that `current` gives.
#[must_use]
pub fn learn(needs: &Needs, current: &Policy) -> Option<Document> {
    let given = |model: &str, operation: Operation| match current {
        Policy::Limited(document) => match Grants::of(document, model).fields(operation) {
            Fields::All => None,
            Fields::Only(names) => Some(names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()),
        },
        Policy::Full | Policy::Nothing => None,
    };
    let fields = |model: &str, operation: Operation, touched: &Touched| {
        if !touched.all {
            return Some(touched.named.clone());
        }
        let mut given = given(model, operation)?;
        given.extend(touched.named.iter().cloned());
        Some(given)
    };
    let rules: Vec<_> = needs
        .models
        .iter()
        .map(|(model, of)| {
            let sets = of.operations.contains(&Operation::Create) || of.operations.contains(&Operation::Write);
            let reads = of.operations.contains(&Operation::Read);
            let limited = |does: bool, operation, touched| match does && !of.is_free {
                true => fields(model, operation, touched),
                false => None,
            };
            Rule {
                model: model.clone(),
                operations: of.operations.clone(),
                methods: of.methods.clone(),
                read_fields: limited(reads, Operation::Read, &of.read),
                write_fields: limited(sets, Operation::Write, &of.set),
            }
        })
        .collect();
    let document = Document {
        rules,
        ..Document::of(Access::Rules)
    };
    let is_enough = needs.context.iter().all(|name| document.allows_context(name));
    (!document.rules.is_empty()).then(|| Document {
        context: (!is_enough).then(|| needs.context.clone()),
        ..document
    })
}

#[cfg(test)]
mod tests {
    use super::super::decide::tests::shop;
    use super::super::shape::shape;
    use super::*;

    fn used(model: &str, method: &str, args: &str, kwargs: &str) -> Used {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (args, kwargs) = (raw(args), raw(kwargs));
        let asked = Asked {
            model,
            method,
            args: &args,
            kwargs: &kwargs,
        };
        Used {
            model: model.into(),
            method: method.into(),
            shape: shape(&asked),
            calls: 2,
        }
    }

    fn learnt(calls: &[Used]) -> Option<Document> {
        learn(&needs(calls, &shop()).expect("known fields"), &Policy::Full)
    }

    fn refused(policy: &Policy, calls: &[Used]) -> Vec<String> {
        let refused = would_refuse(policy, calls, &shop()).expect("known fields");
        refused
            .into_iter()
            .map(|one| format!("{} {}", one.what, one.sentence))
            .collect()
    }

    fn calls() -> Vec<Used> {
        vec![
            used(
                "sale.order",
                "search_read",
                r#"[[["partner_id.email","=","a@example.com"]],["name","date_order"]]"#,
                r#"{"order":"id","context":{"lang":"fr_BE","mail_notrack":1}}"#,
            ),
            used("sale.order", "action_confirm", "[[7]]", "{}"),
            used(
                "sale.order",
                "write",
                r#"[[7],{"note":"x","order_line":[[0,0,{"name":"y"}]]}]"#,
                "{}",
            ),
            used("res.partner", "load", r#"[["email"],[["x"]]]"#, "{}"),
            used("crm.tag", "search", r#"[[["name","ilike","x"]]]"#, "{}"),
        ]
    }

    #[test]
    fn what_is_learnt_covers_all_calls_and_leaves_nothing_unused() {
        let calls = calls();
        let document = learnt(&calls).expect("a policy");
        let policy = Policy::parse(&document.to_json()).expect("it can be saved");
        assert_eq!(refused(&policy, &calls), Vec::<String>::new());
        assert_eq!(
            never_used(&policy, &needs(&calls, &shop()).expect("known")),
            Vec::<String>::new()
        );
        assert_eq!(
            document.to_json(),
            r#"{"version":1,"access":"rules","rules":[{"model":"crm.tag","operations":["read"],"read_fields":["name"]},{"model":"res.partner","operations":["read","create","write"],"read_fields":["email"],"write_fields":["email"]},{"model":"sale.order","operations":["read","write"],"methods":["action_confirm"],"read_fields":["date_order","name","partner_id"],"write_fields":["note","order_line"]},{"model":"sale.order.line","operations":["create"],"write_fields":["name"]}],"context":["lang","mail_notrack"]}"#
        );
    }

    #[test]
    fn every_right_that_is_taken_from_what_was_learnt_refuses_a_call() {
        let calls = calls();
        let document = learnt(&calls).expect("a policy");
        for (index, rule) in document.rules.iter().enumerate() {
            for field in rule.read_fields.iter().flatten() {
                let mut less = document.clone();
                less.rules[index].read_fields.get_or_insert_default().remove(field);
                assert!(
                    !refused(&Policy::from(less), &calls).is_empty(),
                    "{field} of {}",
                    rule.model
                );
            }
            for field in rule.write_fields.iter().flatten() {
                let mut less = document.clone();
                less.rules[index].write_fields.get_or_insert_default().remove(field);
                assert!(
                    !refused(&Policy::from(less), &calls).is_empty(),
                    "{field} of {}",
                    rule.model
                );
            }
            for operation in &rule.operations {
                let mut less = document.clone();
                less.rules[index].operations.remove(operation);
                assert!(
                    !refused(&Policy::from(less), &calls).is_empty(),
                    "{operation:?} of {}",
                    rule.model
                );
            }
        }
    }

    #[test]
    fn a_refusal_is_told_with_its_field_and_how_many_calls_it_is() {
        let policy = Policy::parse(
            r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read"],"read_fields":["name","partner_id"]},
                {"model":"res.partner","operations":["read"]},{"model":"crm.tag","operations":["read","delete"],"read_fields":["name","color"]}]}"#,
        )
        .expect("a policy");
        let all = would_refuse(&policy, &calls(), &shop()).expect("known");
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].sentence.contains("date_order") && all[0].calls == 2, "{all:?}");
        let unused = never_used(&policy, &needs(&calls(), &shop()).expect("known"));
        assert_eq!(unused, ["delete on crm.tag", "reading color of crm.tag"]);
    }

    #[test]
    fn what_was_not_looked_into_is_judged_by_model_and_method() {
        let mut one = used("sale.order", "search_read", "[[]]", "{}");
        one.shape = None;
        let document = learnt(std::slice::from_ref(&one)).expect("a policy");
        assert_eq!(document.rules[0].read_fields, None);
        assert!(refused(&Policy::from(document), std::slice::from_ref(&one)).is_empty());
        let other = r#"{"access":"rules","rules":[{"model":"sale.order","operations":["write"]}]}"#;
        assert_eq!(refused(&Policy::load(other), &[one]).len(), 1);
    }

    #[test]
    fn where_no_fields_were_named_the_key_keeps_those_that_it_has() {
        let calls = [used("res.partner", "search_read", "[[]]", r#"{"limit":5}"#)];
        let needs = needs(&calls, &shop()).expect("known");
        let current =
            r#"{"access":"rules","rules":[{"model":"res.*","operations":["read"],"read_fields":["email","name"]}]}"#;
        let fields = |current: &Policy| learn(&needs, current).expect("a policy").rules[0].read_fields.clone();
        assert_eq!(fields(&Policy::load(current)).map(|fields| fields.len()), Some(2));
        assert_eq!(fields(&Policy::Full), None);
    }

    #[test]
    fn what_nobody_may_have_is_not_learnt() {
        let calls = [
            used("ir.cron", "search_read", "[[]]", "{}"),
            used("res.users", "write", r#"[[1],{"name":"x"}]"#, "{}"),
            used("sale.order", "_private", "[]", "{}"),
        ];
        assert_eq!(learnt(&calls), None);
        assert_eq!(refused(&Policy::read_only(), &calls).len(), 3);
        assert_eq!(
            refused(&Policy::Full, &calls),
            ["sale.order._private _private is private to Odoo."]
        );
    }
}

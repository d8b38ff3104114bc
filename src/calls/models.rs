//! What Odoo says of its models' fields, as far as a policy, or a `create` under an
//! external id, has to know it: asked for when a call needs it, and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{AppError, Result};
use crate::keys::policy::{
    Asked, FieldKind, Knowledge, ModelFields, ModelMethods, Policy, Refusal, Unknown, Verdict, decide,
};
use crate::odoo::{Call, Odoo, OdooError, Party};

/// How many models are kept.
const KEPT: usize = 512;
/// After this, Odoo is asked anew, and no call waits for that: fields and methods come and go
/// with modules, seldom.
const FRESH_FOR: Duration = Duration::from_secs(10 * 60);
/// What is older than this, because nobody needed it since, is not trusted: the call waits.
const TRUSTED_FOR: Duration = Duration::from_secs(60 * 60);

/// The most models that one call may lead through.
const MODELS_MAX: usize = 16;

/// See the module.
pub struct Models {
    odoo: Arc<Odoo>,
    fields: Shelf<Fields>,
    methods: Shelf<Arc<ModelMethods>>,
}

/// For whom Odoo is asked for what has to be known, and how long that took.
#[derive(Debug)]
pub struct Asking {
    /// In whose turn.
    party: Party,
    /// The line included; `None`: all was known.
    pub took: Option<Duration>,
}

impl Asking {
    /// Nothing was asked yet.
    #[must_use]
    pub const fn of(party: Party) -> Self {
        Self { party, took: None }
    }

    /// Waits for an answer of Odoo's, and adds how long that was.
    async fn wait<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = answer.await;
        *self.took.get_or_insert_default() += began.elapsed();
        answer
    }
}

/// What Odoo said of models, by name.
struct Shelf<T: Clone> {
    kept: Arc<Cache<String, (Instant, T)>>,
    /// Questions on their way: who needs the same waits for the same answer, and for the same
    /// failure.
    asked: Mutex<HashMap<String, Question<T>>>,
}

type Question<T> = WeakShared<BoxFuture<'static, Result<T>>>;

impl<T: Clone + Send + Sync + 'static> Shelf<T> {
    fn new() -> Self {
        Self {
            kept: Arc::new(Cache::new(KEPT)),
            asked: Mutex::default(),
        }
    }

    /// What is known of a model. What is not fresh is asked for anew, beside the calls.
    fn find<Q>(&self, model: &str, question: impl FnOnce() -> Q) -> Option<T>
    where
        Q: Future<Output = Result<T>> + Send + 'static,
    {
        let (at, known) = self.kept.get(model)?;
        let age = at.elapsed();
        if age >= TRUSTED_FOR {
            return None;
        }
        if age >= FRESH_FOR && !self.is_asked(model) {
            let question = self.join(model, question());
            tokio::spawn(async move {
                if let Err(error) = question.await {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "what Odoo told of a model stays as it was"
                    );
                }
            });
        }
        Some(known)
    }

    fn is_asked(&self, model: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(model).is_some_and(is_open)
    }

    /// The question that is on its way, or this one. Its answer is kept.
    fn join(
        &self,
        model: &str,
        question: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Shared<BoxFuture<'static, Result<T>>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, question| is_open(question));
        if let Some(on_its_way) = asked.get(model).and_then(WeakShared::upgrade) {
            return on_its_way;
        }
        let (kept, name) = (Arc::clone(&self.kept), model.to_owned());
        let question = async move {
            let told = question.await?;
            kept.insert(name, (Instant::now(), told.clone()));
            Ok(told)
        };
        let question = question.boxed().shared();
        asked.extend(question.downgrade().map(|weak| (model.to_owned(), weak)));
        question
    }
}

/// Whether somebody waits for its answer.
fn is_open<T: Clone>(question: &Question<T>) -> bool {
    question.upgrade().is_some_and(|question| question.peek().is_none())
}

/// What Odoo said of a model's fields.
#[derive(Clone)]
struct Fields {
    fields: Arc<ModelFields>,
    types: Arc<FieldTypes>,
}

/// A field as Odoo tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// Such as `many2one`.
    pub kind: Box<str>,
    /// The model that it leads to.
    pub relation: Option<Box<str>>,
}

impl FieldType {
    /// The model of the records that belong to this one.
    #[must_use]
    pub fn lines(&self) -> Option<&str> {
        self.relation.as_deref().filter(|_| &*self.kind == "one2many")
    }
}

/// A model's fields by name, as Odoo tells them.
pub type FieldTypes = HashMap<String, FieldType>;

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    relation: Option<&'a str>,
    #[serde(default)]
    relation_field: Option<&'a str>,
}

impl Models {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(odoo: Arc<Odoo>) -> Self {
        Self {
            odoo,
            fields: Shelf::new(),
            methods: Shelf::new(),
        }
    }

    /// Decides about a call, and asks for the fields that the decision has to know; adds to
    /// `asking` how long that took.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn decide(&self, policy: &Policy, asked: &Asked<'_>, asking: &mut Asking) -> Result<Verdict> {
        let mut known = Knowledge::default();
        // Most decisions need it, and to decide twice costs more than to look.
        if *policy != Policy::Full
            && let Some(methods) = self.known_methods(asked.model)
        {
            known.methods.insert(asked.model.to_owned(), methods);
        }
        loop {
            match decide(policy, asked, &known) {
                Verdict::Needs(unknown) if known.fields.len().max(known.copied.len()) < MODELS_MAX => {
                    // In a box, because it is large and rare.
                    Box::pin(self.learn(&mut known, unknown, asking)).await?;
                }
                Verdict::Needs(_) => {
                    return Ok(Verdict::Refused(Refusal {
                        rule: "arguments",
                        name: asked.method.to_owned(),
                        sentence: format!("The call leads through more than {MODELS_MAX} models."),
                    }));
                }
                verdict => return Ok(verdict),
            }
        }
    }

    /// Asks for what is not known.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn learn(&self, known: &mut Knowledge, unknown: Unknown, asking: &mut Asking) -> Result<()> {
        match unknown {
            Unknown::FieldsOf(model) => {
                let fields = self.fields(&model, asking).await?;
                known.fields.insert(model, fields);
            }
            Unknown::MethodsOf(model) => {
                let methods = self.methods(&model, asking).await?;
                known.methods.insert(model, methods);
            }
            Unknown::CopiedWith(model) => {
                let lines = self.copied_with(&model, asking).await?;
                known.copied.insert(model, lines);
            }
            Unknown::UsersBehind(partners) => {
                let has_user = self.has_user(&partners, asking).await?;
                known.users_behind.insert(partners, has_user);
            }
        }
        Ok(())
    }

    /// The fields of a model with Odoo's own names of their types.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn fields(&self, model: &str, asking: &mut Asking) -> Result<Arc<ModelFields>> {
        Ok(self.ask(model, asking).await?.fields)
    }

    /// The same with Odoo's own names of their types.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn types(&self, model: &str, asking: &mut Asking) -> Result<Arc<FieldTypes>> {
        Ok(self.ask(model, asking).await?.types)
    }

    /// What Odoo tells of a model's methods: a large answer, which one asks for and all get.
    async fn methods(&self, model: &str, asking: &mut Asking) -> Result<Arc<ModelMethods>> {
        if let Some(methods) = self.known_methods(model) {
            return Ok(methods);
        }
        let question = methods_of(Arc::clone(&self.odoo), model.to_owned(), asking.party);
        asking.wait(self.methods.join(model, question)).await
    }

    /// The same as far as Odoo told it already.
    fn known_methods(&self, model: &str) -> Option<Arc<ModelMethods>> {
        self.methods.find(model, || {
            methods_of(Arc::clone(&self.odoo), model.to_owned(), Party::BRIDGE)
        })
    }

    /// The models of the lines that Odoo copies along with a record; all that there are, if
    /// it does not tell.
    async fn copied_with(&self, model: &str, asking: &mut Asking) -> Result<Arc<[String]>> {
        #[derive(Deserialize)]
        struct Line {
            relation: String,
        }
        let domain = json!([["model", "=", model], ["ttype", "=", "one2many"], ["copied", "=", true]]);
        let kwargs = json!({"domain": domain, "fields": ["relation"]});
        let party = asking.party;
        match asking
            .wait(read(&self.odoo, "ir.model.fields", "search_read", &kwargs, party))
            .await?
        {
            Some(lines) => {
                let lines: Vec<Line> = serde_json::from_slice(&lines).map_err(AppError::internal)?;
                Ok(lines.into_iter().map(|line| line.relation).collect())
            }
            None => Ok(self.fields(model, asking).await?.lines().map(str::to_owned).collect()),
        }
    }

    /// Whether one of these partners has a user; yes, if Odoo does not tell.
    async fn has_user(&self, partners: &[i64], asking: &mut Asking) -> Result<bool> {
        let kwargs = json!({"domain": [["partner_id", "in", partners]], "context": {"active_test": false}});
        let party = asking.party;
        let count = asking
            .wait(read(&self.odoo, "res.users", "search_count", &kwargs, party))
            .await?;
        Ok(count.is_none_or(|count| count.trim_ascii() != b"0"))
    }

    /// What is kept, or what Odoo says: asked once for all who need it at the same time.
    async fn ask(&self, model: &str, asking: &mut Asking) -> Result<Fields> {
        let question = |party| fields_of(Arc::clone(&self.odoo), model.to_owned(), party);
        match self.fields.find(model, || question(Party::BRIDGE)) {
            Some(fields) => Ok(fields),
            None => asking.wait(self.fields.join(model, question(asking.party))).await,
        }
    }
}

async fn fields_of(odoo: Arc<Odoo>, model: String, party: Party) -> Result<Fields> {
    let kwargs = json!({"attributes": ["type", "relation", "relation_field"]});
    // No such model, or none of the user's business: nothing is known.
    let told = read(&odoo, &model, "fields_get", &kwargs, party).await?;
    let (fields, types) = parse(told.as_deref().unwrap_or(b"{}"));
    Ok(Fields {
        fields: Arc::new(fields),
        types: Arc::new(types),
    })
}

/// What Odoo tells of a model's methods; nothing if it does not tell.
async fn methods_of(odoo: Arc<Odoo>, model: String, party: Party) -> Result<Arc<ModelMethods>> {
    let mut methods = ModelMethods::default();
    for told in odoo.methods(&model, party).await? {
        if told.is_readonly {
            methods.readonly.insert(told.name.clone());
        }
        if told.is_of_model {
            methods.of_model.insert(told.name.clone());
        }
        methods.parameters.insert(told.name, told.parameters);
    }
    Ok(Arc::new(methods))
}

/// Asks Odoo; `None` if that is none of the user's business.
async fn read(
    odoo: &Odoo,
    model: &str,
    method: &str,
    kwargs: &serde_json::Value,
    party: Party,
) -> Result<Option<Bytes>> {
    let (args, kwargs) = (
        RawValue::from_string("[]".into()),
        serde_json::value::to_raw_value(kwargs),
    );
    let (args, kwargs) = (args.map_err(AppError::internal)?, kwargs.map_err(AppError::internal)?);
    let call = Call {
        model,
        method,
        args: &args,
        kwargs: &kwargs,
    };
    match odoo.execute(call, party, None).await {
        Ok(answer) => Ok(Some(answer.into_bytes().await?)),
        Err(unanswered) if matches!(unanswered.error, OdooError::Raised { .. }) => Ok(None),
        Err(unanswered) => Err(unanswered.into()),
    }
}

/// What can't be read is not known.
fn parse(bytes: &[u8]) -> (ModelFields, FieldTypes) {
    let told: HashMap<String, &RawValue> = serde_json::from_slice(bytes).unwrap_or_default();
    let fields = told.into_iter().filter_map(|(name, told)| {
        let told: Told<'_> = serde_json::from_str(told.get()).ok()?;
        let field = FieldType {
            kind: told.kind.into(),
            relation: told.relation.map(Into::into),
        };
        let kind = FieldKind::of(told.kind, told.relation, told.relation_field);
        Some(((name.clone(), kind), (name, field)))
    });
    let (fields, types): (Vec<_>, FieldTypes) = fields.unzip();
    (fields.into_iter().collect(), types)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shelf gives at once that learnt 1 so long ago, and what it has a moment later, if
    /// Odoo says 2 by now.
    async fn after(age: Duration) -> (Option<u32>, Option<u32>) {
        let shelf = Shelf::new();
        let at = Instant::now().checked_sub(age).expect("an instant");
        shelf.kept.insert("res.partner".to_owned(), (at, 1));
        let found = shelf.find("res.partner", || async { Ok(2) });
        tokio::task::yield_now().await;
        (found, shelf.kept.get("res.partner").map(|(_, known)| known))
    }

    #[tokio::test]
    async fn what_is_not_fresh_is_given_and_asked_anew_beside_it_and_what_is_old_is_waited_for() {
        assert_eq!(after(Duration::ZERO).await, (Some(1), Some(1)));
        assert_eq!(after(FRESH_FOR).await, (Some(1), Some(2)));
        assert_eq!(after(TRUSTED_FOR).await, (None, Some(1)));
    }

    #[tokio::test]
    async fn a_question_that_failed_leaves_what_was_known() {
        let shelf = Shelf::new();
        let at = Instant::now().checked_sub(FRESH_FOR).expect("an instant");
        shelf.kept.insert("res.partner".to_owned(), (at, 1));
        let failing = || async { Err(AppError::internal("Odoo is away")) };
        assert_eq!(shelf.find("res.partner", failing), Some(1));
        tokio::task::yield_now().await;
        assert_eq!(shelf.find("res.partner", failing), Some(1));
    }

    #[test]
    fn what_odoo_tells_of_a_model_is_read() {
        let (fields, types) = parse(
            br#"{"name": {"type": "char"}, "partner_id": {"type": "many2one", "relation": "res.partner"},
                "order_line": {"type": "one2many", "relation": "sale.order.line", "relation_field": "order_id"},
                "odd": {"type": 5}, "props": {"type": "properties"}}"#,
        );
        assert_eq!(fields.get("name"), Some(&FieldKind::Value));
        assert_eq!(fields.get("props"), Some(&FieldKind::Opaque));
        assert_eq!(fields.lines().collect::<Vec<_>>(), ["sale.order.line"]);
        assert_eq!(fields.get("odd"), None);
        assert_eq!(types["order_line"].lines(), Some("sale.order.line"));
        assert_eq!(
            (&*types["partner_id"].kind, types["partner_id"].lines()),
            ("many2one", None)
        );
        assert_eq!(parse(b"[]").0.get("name"), None);
    }
}

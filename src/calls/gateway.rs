//! The product, in one function: who asks, what for, and what Odoo says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;

use crate::calls::cors::Preflights;
use crate::calls::external_id::{self, Load, Values};
use crate::calls::idempotency::{Begun, Idempotency, IdempotencyKey, Slip};
use crate::calls::models::{Asking, Models};
use crate::calls::records::{CallRecord, Recorder};
use crate::calls::request::CallRequest;
use crate::calls::sharing::Flights;
use crate::calls::traces::Traces;
use crate::config::Settings;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::policy::{Allowed, Asked, Policy, Verdict, shape};
use crate::keys::throttle::{Admission, Throttles};
use crate::keys::verify::{AuthedKey, KeyVerifier, Rejection};
use crate::odoo::{Call, Data, Odoo, OdooError, Party, Tell, Turn, Way};
use crate::odoo::{methods, trace_context};
use crate::server::database;

/// What `POST /call` works with: nothing that asks the database for each call.
pub struct Gateway {
    /// Decides whether a key is accepted.
    pub keys: KeyVerifier,
    /// The way to Odoo.
    pub odoo: Arc<Odoo>,
    /// What policies have to know of Odoo's models.
    pub models: Arc<Models>,
    /// Keeps what was called.
    pub records: Recorder,
    /// Identical reads on their way.
    pub flights: Flights,
    /// Whether a limited key may call now.
    pub throttles: Throttles,
    /// What browsers ask before a call.
    pub preflights: Preflights,
    /// Calls that are safe to repeat.
    pub idempotency: Idempotency,
    /// All settings.
    pub settings: Arc<Settings>,
    /// Where traces of calls go, if somebody wants them.
    pub traces: Option<Traces>,
}

/// What a call came to.
pub struct Outcome {
    /// Odoo's result, byte for byte.
    pub data: Data,
    /// How long Odoo took until it was known to be a result.
    pub odoo_duration: Duration,
    /// How long it waited for its turn.
    pub waited: Duration,
    /// By which way it came; `None`: Odoo was not asked again for a call that is repeated.
    pub way: Option<Way>,
    /// Its turn at Odoo, which ends when this is dropped.
    pub turn: Option<Turn>,
}

impl Outcome {
    /// Whether all of the result is there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.data, Data::Whole(_))
    }

    /// What came of a call before.
    fn again(data: Bytes) -> Self {
        Self {
            data: Data::Whole(data),
            odoo_duration: Duration::ZERO,
            waited: Duration::ZERO,
            way: None,
            turn: None,
        }
    }

    /// The same once more; `None` if it streams.
    #[must_use]
    pub fn copy(&self) -> Option<Self> {
        match &self.data {
            Data::Whole(bytes) => Some(Self {
                data: Data::Whole(Bytes::clone(bytes)),
                odoo_duration: self.odoo_duration,
                waited: self.waited,
                way: self.way,
                turn: None,
            }),
            Data::Stream(_) => None,
        }
    }
}

/// A call that Odoo was asked and did not do.
#[derive(Clone)]
pub struct Failed {
    /// By which way it was asked last.
    pub way: Option<Way>,
    /// How long it waited for its turn, and how long it was at Odoo: as far as it came.
    pub waited: Option<Duration>,
    /// See `waited`.
    pub odoo_duration: Option<Duration>,
    /// Why.
    pub error: AppError,
}

impl Gateway {
    /// Accepts the key that a request presented, or says nothing but that it does
    /// not: every reason gets the same answer, the log has the true one.
    ///
    /// # Errors
    /// `unauthenticated`, `unavailable`, `internal`.
    pub async fn authenticate(&self, presented: Result<&[u8], Rejection>, now: DateTime<Utc>) -> Result<AuthedKey> {
        let verdict = match presented {
            Ok(presented) => self.keys.verify(presented, now).await?,
            Err(rejection) => Err(rejection),
        };
        verdict.map_err(|rejection| {
            self.keys.tell_rejected(rejection);
            AppError::new(
                ErrorCode::Unauthenticated,
                "The API key is missing or not accepted. Send a valid one in the X-API-KEY header.",
            )
        })
    }

    /// Does the call that `body` describes, for a key that was accepted, and notes
    /// in `record` what it was.
    ///
    /// # Errors
    /// `invalid_request`, `policy_denied`, and whatever Odoo's answer is classified as.
    pub async fn call(
        &self,
        key: &AuthedKey,
        admission: &mut Admission,
        (body, idempotency_key): (&Bytes, Option<&IdempotencyKey>),
        record: &mut CallRecord,
    ) -> Result<Outcome> {
        let request = CallRequest::parse(body)?;
        record.asks(&request.model, &request.method);
        let parsed = Instant::now();
        let mut asking = Asking::of(Party::of(key.id.0));
        let permitted = permitted(&key.policy, &self.models, &request, &mut asking).await;
        record.fields = asking.took;
        // What Odoo was asked for its sake is Odoo's.
        let fields = record.fields.unwrap_or_default();
        record.policy = Some(parsed.elapsed().saturating_sub(fields));
        let permitted = permitted?;
        record.shape = shape(&asked(&request)).map(Box::new);
        let request = match &permitted.rewritten {
            Some((args, kwargs)) => CallRequest {
                args,
                kwargs,
                ..request
            },
            None => request,
        };
        let load = match idempotency_key {
            Some(key_of_call) if key_of_call.by_external_id() => {
                let id = external_id::name_of(key.id, key_of_call, body);
                let load = Box::pin(self.load(&request, &id, &mut asking)).await;
                record.fields = asking.took;
                Some(load?)
            }
            _ => None,
        };
        let slip = match idempotency_key {
            None => None,
            Some(idempotency_key) => match self.begin(key.id, idempotency_key, body).await? {
                Begun::New(slip) => Some(slip),
                Begun::Before(answer) => return answer.map(Outcome::again),
            },
        };
        let asked = Instant::now();
        let answer = match slip {
            None if key.share_reads => self.ask_together(key, body, &request, admission, record).await,
            None => {
                let mut sent = sent(admission, record);
                ask(&self.odoo, Terms::of(key), &request, &mut sent).await
            }
            Some(slip) => {
                // It is sent also if its client goes away by then.
                record.way = self.odoo.picked().map(|way| way.as_str().into());
                self.ask_once(key, admission.share(), slip, &request, load).await
            }
        };
        // Of an answer that was shared, this call had no more than its own part.
        let most = asked.elapsed();
        let mut outcome = answer.map_err(|failed| {
            record.way = failed.way.map(|way| way.as_str().into());
            record.odoo = failed.odoo_duration.map(|odoo| odoo.min(most));
            let left = most.saturating_sub(record.odoo.unwrap_or_default());
            record.queue = failed.waited.map(|waited| waited.min(left));
            failed.error
        })?;
        outcome.odoo_duration = outcome.odoo_duration.min(most);
        outcome.waited = outcome.waited.min(most.saturating_sub(outcome.odoo_duration));
        record.way = outcome.way.map(|way| way.as_str().into());
        record.odoo = outcome.way.map(|_| outcome.odoo_duration);
        record.queue = outcome.way.map(|_| outcome.waited);
        within(outcome, key.limits.max_answer_bytes, &request)
    }

    /// A `create` as a call of Odoo's `load`, under an external id.
    async fn load(&self, request: &CallRequest<'_>, id: &str, asking: &mut Asking) -> Result<Load> {
        let values = Values::of(request)?;
        let fields = self.models.types(&request.model, asking).await?;
        if fields.is_empty() {
            return Err(external_id::unknown_model(&request.model));
        }
        let mut known = HashMap::new();
        for model in values.models_of_lines(&fields) {
            if !known.contains_key(model) {
                known.insert(model.to_owned(), self.models.types(model, asking).await?);
            }
        }
        known.insert(request.model.clone(), Arc::clone(&fields));
        values.load(&request.model, id, &known)
    }

    /// Writes the call down whatever becomes of the caller: it is known whether it was.
    async fn begin(&self, id: ApiKeyId, key: &IdempotencyKey, body: &Bytes) -> Result<Begun> {
        let (calls, key, body) = (self.idempotency.clone(), key.clone(), Bytes::clone(body));
        let begun = tokio::spawn(async move { calls.begin(id, &key, &body).await });
        database::in_time(async { begun.await.map_err(AppError::internal)? }).await
    }

    /// Asks whatever becomes of the caller, so that the answer is kept for its repeat.
    async fn ask_once(
        &self,
        key: &AuthedKey,
        place: Admission,
        mut slip: Slip,
        request: &CallRequest<'_>,
        load: Option<Load>,
    ) -> Result<Outcome, Failed> {
        let (odoo, terms, flights) = (Arc::clone(&self.odoo), Terms::of(key), self.flights.clone());
        let id = key.id;
        let (model, method) = (request.model.clone(), request.method.clone());
        let (args, kwargs) = (request.args.to_owned(), request.kwargs.to_owned());
        slip.sent();
        let trace = trace_context::current();
        let asked = tokio::spawn(trace_context::scope(trace, async move {
            let (args, kwargs) = (&*args, &*kwargs);
            let request = CallRequest {
                model,
                method,
                args,
                kwargs,
            };
            // Also its place among the calls of its key ends with the call, not with its client.
            let mut is_counted = false;
            let mut sent = |_| {
                if !std::mem::replace(&mut is_counted, true) {
                    place.count();
                }
            };
            let answer = match load {
                None => ask(&odoo, terms, &request, &mut sent).await,
                Some(load) => ask_to_load(&odoo, terms, &request, &load, &mut sent).await,
            };
            flights.forget(id);
            slip.end(answer).await
        }));
        match asked.await {
            Ok(answer) => answer,
            Err(error) => Err(Failed {
                way: None,
                waited: None,
                odoo_duration: None,
                error: AppError::internal(error),
            }),
        }
    }

    /// For a key that shares its reads.
    async fn ask_together(
        &self,
        key: &AuthedKey,
        body: &Bytes,
        request: &CallRequest<'_>,
        admission: &Admission,
        record: &mut CallRecord,
    ) -> Result<Outcome, Failed> {
        let terms = Terms::of(key);
        if !methods::only_reads(&request.method) {
            let outcome = ask(&self.odoo, terms, request, &mut sent(admission, record)).await;
            self.flights.forget(key.id);
            return outcome;
        }
        // Each of those who share a call counts, and who leaves before its end does, too.
        record.way = self.odoo.picked().map(|way| way.as_str().into());
        admission.count();
        let shared = self.flights.join(key.id, Bytes::clone(body), || {
            let (odoo, model, method) = (Arc::clone(&self.odoo), request.model.clone(), request.method.clone());
            let (args, kwargs) = (request.args.to_owned(), request.kwargs.to_owned());
            async move {
                let (args, kwargs) = (&*args, &*kwargs);
                ask(
                    &odoo,
                    terms,
                    &CallRequest {
                        model,
                        method,
                        args,
                        kwargs,
                    },
                    &mut |_| {},
                )
                .await
            }
            .boxed()
        });
        let outcome = match shared.await {
            Some(outcome) => outcome,
            None => ask(&self.odoo, terms, request, &mut |_| {}).await,
        };
        if outcome.as_ref().is_err_and(|failed| failed.way.is_none()) {
            admission.discount();
        }
        outcome
    }
}

/// Holds a result to the largest that its key may have: here if all of it is there,
/// on its way if it streams.
fn within(mut outcome: Outcome, most: Option<u64>, request: &CallRequest<'_>) -> Result<Outcome> {
    let Some(most) = most else { return Ok(outcome) };
    match &mut outcome.data {
        Data::Whole(bytes) if bytes.len() as u64 > most => Err(if methods::only_reads(&request.method) {
            OdooError::AnswerTooLarge { limit: most }
        } else {
            OdooError::OutcomeUnknown { cause: None }
        }
        .into()),
        Data::Whole(_) => Ok(outcome),
        Data::Stream(stream) => {
            stream.limit_to(most);
            Ok(outcome)
        }
    }
}

/// Whether a policy lets a call through, and with which arguments; adds to `asking` how long
/// Odoo was asked for it.
///
/// # Errors
/// `policy_denied`, and those of an Odoo that can't tell of its models.
pub async fn permitted(
    policy: &Policy,
    models: &Models,
    request: &CallRequest<'_>,
    asking: &mut Asking,
) -> Result<Allowed> {
    match models.decide(policy, &asked(request), asking).await? {
        Verdict::Allowed(allowed) => Ok(allowed),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Needs(unknown) => Err(AppError::internal(format!("not known: {unknown:?}"))),
    }
}

/// On which terms a key's call is made.
#[derive(Clone, Copy)]
struct Terms {
    party: Party,
    longest: Option<Duration>,
}

impl Terms {
    fn of(key: &AuthedKey) -> Self {
        Self {
            party: Party::of(key.id.0),
            longest: key.limits.max_runtime_secs.map(|secs| Duration::from_secs(secs.into())),
        }
    }
}

/// A call, as policies look at it.
fn asked<'r>(request: &'r CallRequest<'_>) -> Asked<'r> {
    Asked {
        model: &request.model,
        method: &request.method,
        args: request.args,
        kwargs: request.kwargs,
    }
}

/// Notes in the record by which way a call is sent, when it is, and counts it.
fn sent<'c>(admission: &'c Admission, record: &'c mut CallRecord) -> impl FnMut(Way) + Send + 'c {
    move |way| {
        if record.way.replace(way.as_str().into()).is_none() {
            admission.count();
        }
    }
}

async fn ask(odoo: &Odoo, terms: Terms, request: &CallRequest<'_>, sent: Tell<'_>) -> Result<Outcome, Failed> {
    let call = Call {
        model: &request.model,
        method: &request.method,
        args: request.args,
        kwargs: request.kwargs,
    };
    let answer = odoo
        .execute_and_tell(call, terms.party, terms.longest, sent)
        .await
        .map_err(|failed| Failed {
            way: failed.way,
            waited: Some(failed.waited),
            odoo_duration: failed.duration,
            error: failed.error.into(),
        })?;
    Ok(Outcome {
        data: answer.data,
        odoo_duration: answer.duration,
        waited: answer.waited,
        way: Some(answer.way),
        turn: Some(answer.turn),
    })
}

/// Has records made under external ids, or found; answers as `create` does.
async fn ask_to_load(
    odoo: &Odoo,
    terms: Terms,
    request: &CallRequest<'_>,
    load: &Load,
    sent: Tell<'_>,
) -> Result<Outcome, Failed> {
    let request = CallRequest {
        model: request.model.clone(),
        method: "load".into(),
        args: &load.args,
        kwargs: &load.kwargs,
    };
    let Outcome {
        data,
        odoo_duration,
        waited,
        way,
        turn,
    } = ask(odoo, terms, &request, sent).await?;
    let ids = match data.whole().await {
        Ok(answer) => load.ids(&answer, &request.model),
        Err(error) => Err(error),
    };
    let ids = ids.map_err(|error| Failed {
        way,
        waited: Some(waited),
        odoo_duration: Some(odoo_duration),
        error: error.into(),
    })?;
    Ok(Outcome {
        data: Data::Whole(ids),
        odoo_duration,
        waited,
        way,
        turn,
    })
}

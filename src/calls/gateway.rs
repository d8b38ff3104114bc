//! The product, in one function: who asks, what for, and what Odoo says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;

use crate::calls::cors::Preflights;
use crate::calls::models::Models;
use crate::calls::records::{CallRecord, Recorder};
use crate::calls::request::CallRequest;
use crate::calls::sharing::Flights;
use crate::config::Settings;
use crate::error::{AppError, ErrorCode, Result};
use crate::keys::policy::{Allowed, Asked, Policy, Verdict, decide};
use crate::keys::throttle::{Admission, Throttles};
use crate::keys::verify::{AuthedKey, KeyVerifier, Rejection};
use crate::odoo::methods;
use crate::odoo::{Call, Data, Odoo, OdooError, Way};

/// The most models that one call may lead through.
const MODELS_MAX: usize = 16;

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
    /// All settings.
    pub settings: Arc<Settings>,
}

/// What a call came to.
pub struct Outcome {
    /// Odoo's result, byte for byte.
    pub data: Data,
    /// How long Odoo took until it was known to be a result.
    pub odoo_duration: Duration,
    /// By which way it came.
    pub way: Way,
}

impl Outcome {
    /// Whether all of the result is there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.data, Data::Whole(_))
    }

    /// The same once more; `None` if it streams.
    #[must_use]
    pub fn copy(&self) -> Option<Self> {
        match &self.data {
            Data::Whole(bytes) => Some(Self {
                data: Data::Whole(Bytes::clone(bytes)),
                odoo_duration: self.odoo_duration,
                way: self.way,
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
        admission: &Admission,
        body: &Bytes,
        record: &mut CallRecord,
    ) -> Result<Outcome> {
        let request = CallRequest::parse(body)?;
        record.asks(&request.model, &request.method);
        let permitted = permitted(&key.policy, &self.models, &request).await?;
        let request = match &permitted.rewritten {
            Some((args, kwargs)) => CallRequest {
                args,
                kwargs,
                ..request
            },
            None => request,
        };
        self.throttles.count(admission);
        let asked = self.ask(key, body, &request);
        let asked = match key.limits.max_runtime_secs {
            None => asked.await,
            Some(secs) => {
                let most = Duration::from_secs(secs.into());
                // Dropped, the call's connection is closed.
                let late = || Failed {
                    way: None,
                    error: too_late(most, &request.method).into(),
                };
                tokio::time::timeout(most, asked).await.unwrap_or_else(|_| Err(late()))
            }
        };
        let outcome = asked.map_err(|failed| {
            record.way = failed.way.map(Way::as_str);
            failed.error
        })?;
        within(outcome, key.limits.max_answer_bytes, &request)
    }

    async fn ask(&self, key: &AuthedKey, body: &Bytes, request: &CallRequest<'_>) -> Result<Outcome, Failed> {
        if !key.share_reads {
            return ask(&self.odoo, request).await;
        }
        if !methods::only_reads(&request.method) {
            let outcome = ask(&self.odoo, request).await;
            self.flights.forget(key.id);
            return outcome;
        }
        let shared = self.flights.join(key.id, Bytes::clone(body), || {
            let (odoo, model, method) = (Arc::clone(&self.odoo), request.model.clone(), request.method.clone());
            let (args, kwargs) = (request.args.to_owned(), request.kwargs.to_owned());
            async move {
                let (args, kwargs) = (&*args, &*kwargs);
                ask(
                    &odoo,
                    &CallRequest {
                        model,
                        method,
                        args,
                        kwargs,
                    },
                )
                .await
            }
            .boxed()
        });
        match shared.await {
            Some(outcome) => outcome,
            None => ask(&self.odoo, request).await,
        }
    }
}

/// The call took longer than its key may.
fn too_late(waited: Duration, method: &str) -> OdooError {
    if methods::only_reads(method) {
        OdooError::Timeout { waited }
    } else {
        OdooError::OutcomeUnknown { cause: None }
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

/// Whether a policy lets a call through, and with which arguments.
///
/// # Errors
/// `policy_denied`, and those of an Odoo that can't tell of its models.
pub async fn permitted(policy: &Policy, models: &Models, request: &CallRequest<'_>) -> Result<Allowed> {
    let asked = Asked {
        model: &request.model,
        method: &request.method,
        args: request.args,
        kwargs: request.kwargs,
    };
    let mut known = HashMap::new();
    loop {
        match decide(policy, &asked, &known) {
            Verdict::Allowed(allowed) => return Ok(allowed),
            Verdict::Refused(refusal) => return Err(refusal.into()),
            Verdict::NeedsFields(model) => {
                if known.len() >= MODELS_MAX {
                    return Err(AppError::new(
                        ErrorCode::PolicyDenied,
                        format!("The call leads through more than {MODELS_MAX} models."),
                    ));
                }
                let fields = Box::pin(models.fields(&model)).await?;
                known.insert(model, fields);
            }
        }
    }
}

async fn ask(odoo: &Odoo, request: &CallRequest<'_>) -> Result<Outcome, Failed> {
    let call = Call {
        model: &request.model,
        method: &request.method,
        args: request.args,
        kwargs: request.kwargs,
    };
    let answer = odoo.execute(call).await.map_err(|failed| Failed {
        way: failed.way,
        error: failed.error.into(),
    })?;
    Ok(Outcome {
        data: answer.data,
        odoo_duration: answer.duration,
        way: answer.way,
    })
}

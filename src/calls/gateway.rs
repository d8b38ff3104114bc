//! The product, in one function: who asks, what for, and what Odoo says.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::calls::records::CallRecord;
use crate::calls::request::CallRequest;
use crate::error::{AppError, ErrorCode, Result};
use crate::keys::verify::{AuthedKey, KeyVerifier, Rejection};
use crate::odoo::{Call, Odoo};

/// What a call came to.
#[derive(Debug)]
pub struct Outcome {
    /// Odoo's result, byte for byte.
    pub data: Bytes,
    /// How long Odoo took.
    pub odoo_duration: Duration,
}

/// Accepts the key that a request presented, or says nothing but that it does
/// not: every reason gets the same answer, the log has the true one.
///
/// # Errors
/// `unauthenticated`, `unavailable`, `internal`.
pub async fn authenticate(
    keys: &KeyVerifier,
    presented: Result<&[u8], Rejection>,
    now: DateTime<Utc>,
) -> Result<AuthedKey> {
    let verdict = match presented {
        Ok(presented) => keys.verify(presented, now).await?,
        Err(rejection) => Err(rejection),
    };
    match verdict {
        Ok(key) => Ok(key),
        Err(rejection) => {
            keys.tell_rejected(rejection);
            Err(AppError::new(
                ErrorCode::Unauthenticated,
                "The API key is missing or not accepted. Send a valid one in the X-API-KEY header.",
            ))
        }
    }
}

/// Does the call that `body` describes, for a key that was accepted, and notes in
/// `record` what it was.
///
/// # Errors
/// `invalid_request` and whatever Odoo's answer is classified as.
pub async fn call(odoo: &Odoo, key: &AuthedKey, body: &[u8], record: &mut CallRecord) -> Result<Outcome> {
    let request = CallRequest::parse(body)?;
    record.asks(&request.model, &request.method, "jsonrpc");
    let call = Call {
        model: &request.model,
        method: &request.method,
        args: request.args,
        kwargs: request.kwargs,
    };
    let answer = odoo.execute(call).await;
    tracing::debug!(
        key.id = %key.id,
        odoo.model = %request.model,
        odoo.method = %request.method,
        ok = answer.is_ok(),
        "call"
    );
    let answer = answer?;
    Ok(Outcome {
        data: answer.data,
        odoo_duration: answer.duration,
    })
}

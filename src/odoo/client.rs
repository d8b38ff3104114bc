//! One Odoo database and one identity, over HTTP: deadlines on the connection,
//! the first byte and the whole, a bound on the answer, no redirects.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout_at;

use super::credentials::Credentials;
use super::error::{OdooError, Raised};
use super::{jsonrpc, methods};
use crate::config::{ConfigError, OdooSettings, Settings};

/// One call, as `execute_kw` takes it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Such as `sale.order`.
    pub model: &'a str,
    /// Such as `search_read`.
    pub method: &'a str,
    /// A JSON array.
    pub args: &'a RawValue,
    /// A JSON object.
    pub kwargs: &'a RawValue,
}

/// What Odoo said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result's own bytes.
    pub data: Bytes,
    /// From the request to the last byte of the answer.
    pub duration: Duration,
}

/// What `version` answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// Such as `19.0`.
    pub server_version: String,
}

/// How long and how much is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// Until the head of the answer.
    pub first_byte: Duration,
    /// For the whole call.
    pub overall: Duration,
    /// The largest answer, in bytes.
    pub max_answer_bytes: u64,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            connect: Duration::from_secs(settings.odoo_connect_timeout_secs),
            first_byte: Duration::from_secs(settings.odoo_first_byte_timeout_secs),
            overall: Duration::from_secs(settings.odoo_timeout_secs),
            max_answer_bytes: settings.odoo_max_answer_bytes,
        }
    }
}

/// One Odoo database and one identity.
pub struct Odoo {
    settings: OdooSettings,
    limits: Limits,
    endpoint: reqwest::Url,
    client: reqwest::Client,
    /// Keeps no connection: each request opens its own. Made ahead, because
    /// reading the certificates takes longer than asking Odoo.
    fresh_client: reqwest::Client,
    credentials: Credentials,
}

impl Odoo {
    /// Prepares the way; opens no connection.
    ///
    /// # Errors
    /// When the address can't be used.
    pub fn new(settings: OdooSettings, limits: Limits) -> Result<Self, ConfigError> {
        let endpoint = format!("{}{}", settings.url, jsonrpc::PATH)
            .parse()
            .map_err(|error| ConfigError(format!("ODOO_URL: {error}")))?;
        let client = client_builder(limits)
            // Odoo's own server closes after each answer; a proxy in front of
            // it keeps alive, and there a spare connection blocks no worker.
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(|error| ConfigError(format!("the way to Odoo can't be prepared: {error}")))?;
        let fresh_client = client_builder(limits)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| ConfigError(format!("the way to Odoo can't be prepared: {error}")))?;
        Ok(Self {
            settings,
            limits,
            endpoint,
            client,
            fresh_client,
            credentials: Credentials::new(),
        })
    }

    /// Which Odoo this is, for people and records: address and database.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{} {}", self.settings.url, self.settings.db)
    }

    /// Asks for the version over a connection of its own: the cheapest question
    /// there is, and it needs no login.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Raised`.
    pub async fn version(&self) -> Result<Version, OdooError> {
        let body = self.post(&self.fresh_client, jsonrpc::version(), false).await?;
        let result = jsonrpc::result_of(&body, "")?;
        serde_json::from_slice(&result).map_err(|error| OdooError::Unreachable {
            message: "What answered at Odoo's address does not tell Odoo's version.".into(),
            cause: Some(error.into()),
        })
    }

    /// Logs in anew and returns the user's id. Costs Odoo about 0.3 s of CPU:
    /// for checks and speed tests, never for a call.
    ///
    /// # Errors
    /// `AuthFailed` (also while an earlier refusal is remembered), `Unreachable`,
    /// `Timeout`, `Raised`.
    pub async fn authenticate(&self) -> Result<i64, OdooError> {
        self.credentials.renew(|| self.log_in()).await
    }

    /// Does one call.
    ///
    /// # Errors
    /// All of [`OdooError`].
    pub async fn execute(&self, call: Call<'_>) -> Result<Answer, OdooError> {
        let uid = self.credentials.uid(|| self.log_in()).await?;
        let started = Instant::now();
        let may_write = !methods::only_reads(call.method);
        let request = jsonrpc::execute_kw(&self.settings.db, uid, &self.settings.secret, &call);
        let body = self.post(&self.client, request, may_write).await?;
        match jsonrpc::result_of(&body, call.model) {
            Ok(data) => Ok(Answer {
                data,
                duration: started.elapsed(),
            }),
            Err(OdooError::AuthFailed { .. }) => Err(self.credentials.refuse()),
            // The call may have run; only its answer is broken.
            Err(OdooError::Unreachable {
                cause: cause @ Some(_), ..
            }) if may_write => Err(OdooError::OutcomeUnknown { cause }),
            Err(error) => Err(error),
        }
    }

    /// `Some(uid)`, or `None` if Odoo refuses.
    async fn log_in(&self) -> Result<Option<i64>, OdooError> {
        let request = jsonrpc::authenticate(&self.settings.db, &self.settings.username, &self.settings.secret);
        let body = self.post(&self.client, request, false).await?;
        let result = match jsonrpc::result_of(&body, "") {
            Err(OdooError::AuthFailed { .. }) => return Ok(None),
            other => other?,
        };
        match serde_json::from_slice(&result) {
            Ok(serde_json::Value::Bool(false)) => Ok(None),
            Ok(serde_json::Value::Number(uid)) if uid.as_i64().is_some() => Ok(uid.as_i64()),
            _ => Err(OdooError::unreachable(
                "What answered at Odoo's address does not log in as Odoo does.",
            )),
        }
    }

    /// Sends one request and reads the whole answer.
    async fn post(&self, client: &reqwest::Client, body: Vec<u8>, may_write: bool) -> Result<Bytes, OdooError> {
        let started = tokio::time::Instant::now();
        let deadline = started + self.limits.overall;
        let late = || {
            if may_write {
                OdooError::OutcomeUnknown { cause: None }
            } else {
                OdooError::Timeout {
                    waited: started.elapsed(),
                }
            }
        };
        let request = client
            .post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let response = timeout_at((started + self.limits.first_byte).min(deadline), request.send())
            .await
            .map_err(|_| late())?
            .map_err(|error| classify(error, may_write))?;
        let status = response.status();
        let body = timeout_at(deadline, self.read(response, may_write))
            .await
            .map_err(|_| late())??;
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(not_ok(status, &body, may_write))
        }
    }

    /// Reads the body, up to the limit.
    async fn read(&self, mut response: reqwest::Response, may_write: bool) -> Result<Bytes, OdooError> {
        let limit = self.limits.max_answer_bytes;
        let too_large = || {
            let error = OdooError::AnswerTooLarge { limit };
            if may_write {
                OdooError::OutcomeUnknown {
                    cause: Some(error.into()),
                }
            } else {
                error
            }
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > limit {
            return Err(too_large());
        }
        // At most a mebibyte on trust: the rest grows with what really comes.
        let mut body = BytesMut::with_capacity(usize::try_from(announced.min(1 << 20)).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(error, may_write))? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

fn client_builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(limits.connect)
        // A redirect would carry the credentials to an address nobody set.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
}

/// A failure below HTTP.
fn classify(error: reqwest::Error, may_write: bool) -> OdooError {
    // The address may be in it and is none of the client's business.
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        let message = if error.is_timeout() {
            "Odoo can't be reached: no connection in time."
        } else {
            "Odoo can't be reached: no connection (address, DNS or TLS)."
        };
        return OdooError::Unreachable {
            message: message.into(),
            cause: Some(error.into()),
        };
    }
    if may_write {
        return OdooError::OutcomeUnknown {
            cause: Some(error.into()),
        };
    }
    OdooError::Unreachable {
        message: "The connection to Odoo broke before its answer was whole.".into(),
        cause: Some(error.into()),
    }
}

/// An answer that is not 200: Odoo's JSON-RPC never gives one to a well-formed
/// call, so something before it, or something else, answered.
fn not_ok(status: StatusCode, body: &[u8], may_write: bool) -> OdooError {
    let code = status.as_u16();
    if status == StatusCode::BAD_REQUEST && body.windows(12).any(|window| window == b"Invalid JSON") {
        return OdooError::Raised {
            kind: Raised::Rejected,
            name: "werkzeug.exceptions.BadRequest".into(),
            message: "Odoo can't read the arguments: a number or a nesting in them is beyond what it takes.".into(),
        };
    }
    match code {
        // The gateway gave up on an Odoo that may still be working on it.
        500 | 502 | 504 if may_write => OdooError::OutcomeUnknown {
            cause: Some(format!("HTTP {code}").into()),
        },
        300..=399 => OdooError::unreachable(format!(
            "Odoo's address redirects elsewhere (HTTP {code}), and redirects are not followed. The operator has to set the final address."
        )),
        400..=499 => OdooError::unreachable(format!(
            "What answered at Odoo's address refused the request (HTTP {code})."
        )),
        _ => OdooError::unreachable(format!("Odoo, or a proxy before it, answered HTTP {code}.")),
    }
}

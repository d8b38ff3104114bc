//! One Odoo database and one identity: a call in, its result or a classified
//! error out, by whichever way in works and costs least.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{self, Frame};
use super::choice::Choice;
use super::error::{OdooError, Raised};
use super::way::{Report, Way, WayState};
use super::ways::{Json2, JsonRpc, Web};
use super::wire::{Limits, Reply, ResultStream, Wire};
use super::{jsonrpc, methods, wire};
use crate::config::{ConfigError, OdooSettings};
use crate::error::AppError;

/// How often the ways in are tried, in the background.
const PROBE_EVERY: Duration = Duration::from_secs(10 * 60);
/// The first pause while one of them does not work; each further one doubles it. A
/// try can cost Odoo a hash (a user with two factors), so it is not made for ever.
const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// Calls of a probe; the quickest counts.
const PROBE_CALLS: u32 = 3;

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

/// A result's bytes, as Odoo sent them.
pub enum Data {
    /// All of them, checked to be one JSON value.
    Whole(Bytes),
    /// As they come: what is too large to be kept.
    Stream(Box<ResultStream>),
}

/// What Odoo said.
pub struct Answer {
    /// The result.
    pub data: Data,
    /// From the request until it was known to be a result.
    pub duration: Duration,
    /// By which way it came.
    pub way: Way,
}

/// A call that has no result.
#[derive(Debug)]
pub struct Unanswered {
    /// By which way it was tried last.
    pub way: Option<Way>,
    /// Why.
    pub error: OdooError,
}

impl From<Unanswered> for AppError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.error.into()
    }
}

impl Answer {
    /// All bytes of the result, for those who know that it is small.
    ///
    /// # Errors
    /// Those of the transfer.
    pub async fn into_bytes(self) -> Result<Bytes, OdooError> {
        match self.data {
            Data::Whole(bytes) => Ok(bytes),
            Data::Stream(mut stream) => {
                let mut bytes = Vec::new();
                while let Some(chunk) = stream.next().await? {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes.into())
            }
        }
    }
}

/// What `version` answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// Such as `19.0`.
    #[serde(alias = "version")]
    pub server_version: String,
}

/// One Odoo database and one identity.
pub struct Odoo {
    settings: OdooSettings,
    wire: Wire,
    choice: Choice,
    web: Option<Web>,
    json_rpc: Option<JsonRpc>,
    json2: Option<Json2>,
    version_over_rpc: reqwest::Url,
    version_over_json: reqwest::Url,
    rpc_is_closed: AtomicBool,
}

impl Odoo {
    /// Prepares the ways; opens no connection.
    ///
    /// # Errors
    /// When the address can't be used.
    pub fn new(settings: OdooSettings, limits: Limits) -> Result<Self, ConfigError> {
        let wire = Wire::new(&settings.url, limits)?;
        let (web, json_rpc, json2) = (Web::new(&settings)?, JsonRpc::new(&settings)?, Json2::new(&settings)?);
        let missing = |way: Way| match way {
            Way::Web if web.is_none() => Some("It needs ODOO_PASSWORD; an API key does not open a session."),
            Way::Json2 if json2.is_none() => Some("It needs ODOO_API_KEY; a password does not work there."),
            Way::Web | Way::JsonRpc | Way::Json2 => None,
        };
        let choice = Choice::new(settings.way, missing);
        Ok(Self {
            version_over_rpc: wire::address(&settings.url, jsonrpc::PATH)?,
            version_over_json: wire::address(&settings.url, "/json/version")?,
            rpc_is_closed: AtomicBool::new(false),
            settings,
            wire,
            choice,
            web,
            json_rpc,
            json2,
        })
    }

    /// Which Odoo this is, for people and records: address and database.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{} {}", self.settings.url, self.settings.db)
    }

    /// How the bridge gets in at this moment.
    #[must_use]
    pub fn report(&self) -> Report {
        let (ways, picked_because) = self.choice.report();
        let credentials = [
            self.web.as_ref().map(|web| &web.credential),
            self.json_rpc.as_ref().map(|json_rpc| &json_rpc.credential),
            self.json2.as_ref().map(|json2| &json2.credential),
        ];
        let mut refused: Vec<_> = credentials
            .into_iter()
            .flatten()
            .filter_map(|credential| credential.report())
            .collect();
        refused.dedup_by_key(|refused| refused.setting);
        let (calls, connections_opened) = self.wire.counts();
        Report {
            url: self.settings.url.clone(),
            db: self.settings.db.clone(),
            username: self.settings.username.clone(),
            fixed: self.settings.way.is_some(),
            ways,
            refused,
            picked_because,
            calls,
            connections_opened,
        }
    }

    /// Asks for the version over a connection of its own: the cheapest question
    /// there is, and it needs no login.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Raised`.
    pub async fn version(&self) -> Result<Version, OdooError> {
        let over_rpc = if self.rpc_is_closed.load(Ordering::Relaxed) {
            None
        } else {
            let request = self.wire.post(self.version_over_rpc.clone());
            match self.json_rpc_result(with_json(request, jsonrpc::version()), "").await {
                // Odoo 22 has no JSON-RPC any more, and a proxy may close it before.
                Err(OdooError::WayClosed { .. }) => None,
                result => Some(result?),
            }
        };
        let result = match over_rpc {
            Some(result) => result,
            None => self.version_by_get().await?,
        };
        serde_json::from_slice(&result).map_err(|error| OdooError::Unreachable {
            message: "What answered at Odoo's address does not tell Odoo's version.".into(),
            cause: Some(error.into()),
        })
    }

    /// By `/json/version`, for an Odoo without JSON-RPC. Once that has worked, JSON-RPC
    /// is not asked for the version any more.
    async fn version_by_get(&self) -> Result<Bytes, OdooError> {
        let answer = self.wire.ask(self.wire.get(self.version_over_json.clone())).await?;
        if answer.status().as_u16() != 200 {
            return Err(not_ok(answer.status(), answer.body(), false));
        }
        self.rpc_is_closed.store(true, Ordering::Relaxed);
        Ok(answer.into_body())
    }

    /// Logs in anew, by the way that calls take, and returns the user's id. Costs
    /// Odoo about 0.3 s of CPU: for checks and speed tests, never for a call.
    ///
    /// # Errors
    /// `AuthFailed` (also while an earlier refusal is remembered), `Unreachable`,
    /// `Timeout`, `Raised`.
    pub async fn authenticate(&self) -> Result<i64, OdooError> {
        let mut last = None;
        for way in self.choice.order() {
            let result = match way {
                Way::Web => match &self.web {
                    Some(web) => web.log_in_anew(self).await,
                    None => continue,
                },
                Way::JsonRpc => match &self.json_rpc {
                    Some(json_rpc) => json_rpc.log_in_anew(self).await,
                    None => continue,
                },
                Way::Json2 => match &self.json2 {
                    Some(json2) => json2.user_id(self).await,
                    None => continue,
                },
            };
            match self.learned(way, result) {
                Ok(uid) => return Ok(uid),
                Err(error) if error.is_of_the_way() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(no_way))
    }

    /// Does one call. If the way it takes turns out to be closed or refused, the
    /// call did not run, and takes the next one.
    ///
    /// # Errors
    /// All of [`OdooError`].
    pub async fn execute(&self, call: Call<'_>) -> Result<Answer, Unanswered> {
        let (mut tried, mut last) = (None, None);
        for way in self.choice.order() {
            tried = Some(way);
            match self.learned(way, self.execute_by(way, call).await) {
                Ok(answer) => return Ok(answer),
                // A refusal, or that nobody knows the method, says more to the caller than
                // a way that is closed.
                Err(error) if error.is_of_the_way() => match last {
                    Some(OdooError::AuthFailed { .. } | OdooError::NotListed(_) | OdooError::Unmapped { .. }) => {}
                    _ => last = Some(error),
                },
                Err(error) => return Err(Unanswered { way: tried, error }),
            }
        }
        Err(Unanswered {
            way: tried,
            error: last.unwrap_or_else(no_way),
        })
    }

    async fn execute_by(&self, way: Way, call: Call<'_>) -> Result<Answer, OdooError> {
        let started = Instant::now();
        let data = match (way, &self.web, &self.json_rpc, &self.json2) {
            (Way::Web, Some(web), _, _) => web.execute(self, call).await?,
            (Way::JsonRpc, _, Some(json_rpc), _) => json_rpc.execute(self, call).await?,
            (Way::Json2, _, _, Some(json2)) => json2.execute(self, call).await?,
            _ => return Err(no_way()),
        };
        Ok(Answer {
            data,
            duration: started.elapsed(),
            way,
        })
    }

    /// Remembers what a try of a way says of it.
    fn learned<T>(&self, way: Way, result: Result<T, OdooError>) -> Result<T, OdooError> {
        match &result {
            Ok(_) | Err(OdooError::Raised { .. }) => self.choice.works(way),
            Err(OdooError::AuthFailed { .. }) => self.choice.unusable(
                way,
                WayState::Refused,
                "Odoo refuses the credentials of this way.".into(),
            ),
            Err(error @ (OdooError::WayClosed { .. } | OdooError::SessionExpired)) => {
                self.choice.unusable(way, WayState::Closed, error.to_string());
            }
            Err(_) => {}
        }
        result
    }

    /// Tries the ways in, now and then, until it is cancelled. Nothing waits for it.
    /// Where the settings leave no choice there is nothing to find out.
    pub async fn run_probes(self: Arc<Self>) {
        if self.settings.way.is_some() {
            return;
        }
        let (mut pause, mut picked) = (PROBE_AGAIN, None);
        loop {
            self.probe().await;
            let all_work = Way::ALL
                .iter()
                .all(|way| matches!(self.choice.state(*way), WayState::Works | WayState::NotConfigured));
            pause = match self.choice.picked() {
                _ if all_work => PROBE_EVERY,
                now if now != picked => PROBE_AGAIN,
                _ => (pause * 2).min(PROBE_EVERY),
            };
            picked = self.choice.picked();
            tokio::time::sleep(pause).await;
        }
    }

    /// Tries every way that the settings allow, and measures what a call costs.
    pub async fn probe(&self) {
        let before = self.choice.picked();
        for way in self.choice.configured() {
            let mut quickest: Option<Duration> = None;
            // The first one pays for the login and is not measured.
            for index in 0..=PROBE_CALLS {
                let call = Call {
                    model: "res.users",
                    method: "context_get",
                    args: no_args(),
                    kwargs: no_kwargs(),
                };
                match self.learned(way, self.execute_by(way, call).await) {
                    Ok(answer) if index > 0 => {
                        quickest = Some(quickest.map_or(answer.duration, |quickest| quickest.min(answer.duration)));
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            if let Some(quickest) = quickest {
                self.choice.measured(way, quickest.as_secs_f64() * 1_000.0);
            }
        }
        let picked = self.choice.picked();
        if picked != before || before.is_none() {
            tracing::info!(
                odoo.way = picked.map(Way::as_str),
                reason = self.choice.report().1,
                "calls take another way into Odoo"
            );
        }
    }

    pub(super) const fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) const fn settings(&self) -> &OdooSettings {
        &self.settings
    }

    /// Sends a JSON-RPC request that only reads, and takes its small result.
    pub(super) async fn json_rpc_result(
        &self,
        request: reqwest::RequestBuilder,
        model: &str,
    ) -> Result<Bytes, OdooError> {
        let answer = self.wire.ask(request).await?;
        if answer.status().as_u16() != 200 {
            return Err(not_ok(answer.status(), answer.body(), false));
        }
        jsonrpc::result_of(answer.body(), model)
    }

    /// The result of a call over JSON-RPC's frame: whole if it is small or no
    /// result, streamed if its beginning shows one.
    pub(super) async fn json_rpc_data(reply: Reply, call: &Call<'_>) -> Result<Data, OdooError> {
        let may_write = !methods::only_reads(call.method);
        let (is_ok, status) = (reply.is_ok(), reply.status());
        let (window, is_whole) = reply.window();
        if is_ok
            && !is_whole
            && let Some(begin) = answer::result_begins(window)
        {
            return Ok(Data::Stream(Box::new(reply.stream(begin, Frame::Rpc))));
        }
        let body = reply.whole().await?;
        if !is_ok {
            return Err(not_ok(status, &body, may_write));
        }
        match jsonrpc::result_of(&body, call.model) {
            Ok(data) => Ok(Data::Whole(data)),
            // The call may have run; only its answer is broken.
            Err(OdooError::Unreachable {
                cause: cause @ Some(_), ..
            }) if may_write => Err(OdooError::OutcomeUnknown { cause }),
            Err(error) => Err(error),
        }
    }
}

/// `[]`
pub(super) fn no_args() -> &'static RawValue {
    serde_json::from_str("[]").expect("an empty list")
}

/// `{}`
pub(super) fn no_kwargs() -> &'static RawValue {
    serde_json::from_str("{}").expect("an empty object")
}

/// A request with a JSON body.
pub(super) fn with_json(request: reqwest::RequestBuilder, body: Vec<u8>) -> reqwest::RequestBuilder {
    request
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
}

fn no_way() -> OdooError {
    OdooError::unreachable("The bridge's settings hold no credentials for any way into Odoo.")
}

/// An answer that is not 200 and no error of Odoo's own: something before it, or
/// something else, answered.
pub(super) fn not_ok(status: http::StatusCode, body: &[u8], may_write: bool) -> OdooError {
    let code = status.as_u16();
    if code == 400 && body.windows(12).any(|window| window == b"Invalid JSON") {
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
        // Switched off in Odoo, or closed by a proxy: the call did not run.
        403 | 404 | 405 | 410 => OdooError::WayClosed {
            message: format!("What answered at Odoo's address refused the request (HTTP {code})."),
        },
        400..=499 => OdooError::unreachable(format!(
            "What answered at Odoo's address refused the request (HTTP {code})."
        )),
        _ => OdooError::unreachable(format!("Odoo, or a proxy before it, answered HTTP {code}.")),
    }
}

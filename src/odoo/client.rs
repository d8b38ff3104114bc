//! One Odoo database and one identity: a call in, its result or a classified
//! error out, by whichever way in works and costs least.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::answer::{self, Frame};
use super::breaker::{Breaker, BreakerState, TRY_EVERY};
use super::call::Call;
use super::choice::Choice;
use super::destination::Resolver;
use super::error::{OdooError, Raised, misread};
use super::retry::{self, RetryBudget};
use super::signatures::MethodTold;
use super::trip::{Tell, Trip};
use super::turns::{Load, Party, Turn, Turns};
use super::way::{Report, Way, WayState};
use super::ways::{Json2, JsonRpc, Web};
use super::wire::{Head, Limits, Reply, ResultStream, Wire};
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
/// How long is waited for the version before a call that may write is let through to an
/// Odoo that was left alone.
const LOOK: Duration = Duration::from_secs(5);

/// A result's bytes, as Odoo sent them.
pub enum Data {
    /// All of them, checked to be one JSON value.
    Whole(Bytes),
    /// As they come: what is too large to be kept.
    Stream(Box<ResultStream>),
}

impl Data {
    /// All bytes, for those who know that they are few.
    ///
    /// # Errors
    /// Those of the transfer.
    pub async fn whole(self) -> Result<Bytes, OdooError> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::Stream(mut stream) => {
                let mut bytes = Vec::new();
                while let Some(chunk) = stream.next().await? {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes.into())
            }
        }
    }
}

/// What Odoo said.
pub struct Answer {
    /// The result.
    pub data: Data,
    /// From the request until it was known to be a result.
    pub duration: Duration,
    /// By which way it came.
    pub way: Way,
    /// How long it waited for its turn.
    pub waited: Duration,
    /// Its turn, which ends when this is dropped.
    pub turn: Turn,
}

/// What came by a way.
pub(super) struct Answered {
    pub(super) data: Data,
    duration: Duration,
    way: Way,
}

/// A call that has no result.
#[derive(Debug)]
pub struct Unanswered {
    /// By which way something was sent for it last; `None`: nothing was.
    pub way: Option<Way>,
    /// How long it waited for its turn, in vain or not.
    pub waited: Duration,
    /// How long it was at Odoo; `None`: it was not sent.
    pub duration: Option<Duration>,
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
        let _turn = self.turn;
        self.data.whole().await
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
    turns: Turns,
    breaker: Breaker,
    retries: RetryBudget,
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
        Self::with_resolver(settings, limits, Resolver::of_the_system())
    }

    /// The same, with somebody else to ask for the addresses of names.
    pub(super) fn with_resolver(
        settings: OdooSettings,
        limits: Limits,
        resolver: Resolver,
    ) -> Result<Self, ConfigError> {
        let wire = Wire::new(&settings.url, limits, resolver)?;
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
            turns: Turns::new(limits.turns),
            breaker: Breaker::default(),
            retries: RetryBudget::default(),
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

    /// The methods of a model, as Odoo tells of them (`/doc-bearer`, Odoo 19 and later, for
    /// an API key); none if it does not tell.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn methods(&self, model: &str, party: Party) -> Result<Vec<MethodTold>, OdooError> {
        let Some(json2) = &self.json2 else {
            return Ok(Vec::new());
        };
        if let Some(known) = json2.known_methods(model) {
            return Ok(known);
        }
        // As a call does, so that it is not one more beside a call.
        self.breaker.pass()?;
        let _turn = self.turns.take(party).await?;
        self.breaker.pass()?;
        let asked = json2.methods(self, model, &mut self.own_trip()).await;
        if asked.as_ref().is_err_and(OdooError::is_trouble) {
            self.breaker.failed();
        }
        asked
    }

    /// What the bridge asks for itself.
    pub(super) fn own_trip(&self) -> Trip<'_> {
        Trip::own(&self.breaker, self.wire.ends_by(Instant::now()))
    }

    /// The line before Odoo, and whether it is left alone.
    #[must_use]
    pub fn line(&self) -> (Load, BreakerState) {
        (self.turns.load(), self.breaker.state())
    }

    /// From now on so many instances share what Odoo is asked, this one included.
    pub fn share_among(&self, instances: u32) {
        self.turns.share_among(instances);
        self.wire.share_among(instances);
    }

    /// The way that calls take now.
    #[must_use]
    pub fn picked(&self) -> Option<Way> {
        self.choice.picked()
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
            rules: self.turns.rules(),
            load: self.turns.load(),
            breaker: self.breaker.state(),
        }
    }

    /// Asks for the version over a connection of its own: the cheapest question
    /// there is, and it needs no login.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Raised`.
    pub async fn version(&self) -> Result<Version, OdooError> {
        let _turn = self.turns.take(Party::BRIDGE).await?;
        self.version_now(&mut self.own_trip()).await
    }

    async fn version_now(&self, trip: &mut Trip<'_>) -> Result<Version, OdooError> {
        let over_rpc = if self.rpc_is_closed.load(Ordering::Relaxed) {
            None
        } else {
            let request = self.wire.post(self.version_over_rpc.clone());
            match self
                .json_rpc_result(with_json(request, jsonrpc::version()), "", trip)
                .await
            {
                // Odoo 22 has no JSON-RPC any more, and a proxy may close it before.
                Err(OdooError::WayClosed { .. }) => None,
                result => Some(result?),
            }
        };
        let result = match over_rpc {
            Some(result) => result,
            None => self.version_by_get(trip).await?,
        };
        serde_json::from_slice(&result).map_err(|error| OdooError::Unreachable {
            message: "What answered at Odoo's address does not tell Odoo's version.".into(),
            cause: Some(misread(&error)),
            is_silent: false,
        })
    }

    /// By `/json/version`, for an Odoo without JSON-RPC. Once that has worked, JSON-RPC
    /// is not asked for the version any more.
    async fn version_by_get(&self, trip: &mut Trip<'_>) -> Result<Bytes, OdooError> {
        let question = self.wire.get(self.version_over_json.clone());
        let answer = self.wire.ask(question, trip).await?;
        if answer.status().as_u16() != 200 {
            return Err(not_ok(answer.status(), answer.headers(), answer.body()));
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
        let _turn = self.turns.take(Party::BRIDGE).await?;
        let mut last = None;
        for way in self.choice.order() {
            let result = self.log_in_by(way, &mut self.own_trip()).await;
            match self.learned(way, result) {
                Ok(uid) => return Ok(uid),
                Err(error) if error.is_of_the_way() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(no_way))
    }

    /// Logs in anew by this way. JSON-2 has no login: a call tells whether its key is accepted.
    pub(super) async fn log_in_by(&self, way: Way, trip: &mut Trip<'_>) -> Result<i64, OdooError> {
        trip.take(way);
        match (way, &self.web, &self.json_rpc, &self.json2) {
            (Way::Web, Some(web), _, _) => web.log_in_anew(self, trip).await,
            (Way::JsonRpc, _, Some(json_rpc), _) => json_rpc.log_in_anew(self, trip).await,
            (Way::Json2, _, _, Some(json2)) => json2.user_id(self, trip).await,
            _ => Err(no_way()),
        }
    }

    /// Does one call, when it is the turn of its party, and gives it up if Odoo's answer
    /// has not begun `longest` after it arrived. One that is known to read and got not one
    /// byte of an answer is sent once more, if the budget has it.
    ///
    /// # Errors
    /// All of [`OdooError`].
    pub async fn execute(&self, call: Call<'_>, party: Party, longest: Option<Duration>) -> Result<Answer, Unanswered> {
        self.execute_and_tell(call, party, longest, &mut |_| {}).await
    }

    /// The same; `tell` hears by which way something is sent for it, when it is.
    ///
    /// # Errors
    /// All of [`OdooError`].
    pub async fn execute_and_tell(
        &self,
        call: Call<'_>,
        party: Party,
        longest: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Answer, Unanswered> {
        let arrived = Instant::now();
        let begins_by = longest.map(|longest| arrived + longest);
        let unsent = |error| Unanswered {
            way: None,
            waited: arrived.elapsed(),
            duration: None,
            error,
        };
        let finds_out = self.breaker.pass().map_err(unsent)?;
        let turn = self.turns.take_by(party, begins_by).await.map_err(unsent)?;
        let began = Instant::now();
        let waited = began.duration_since(arrived);
        // It may have opened while this call waited.
        let finds_out = finds_out || self.breaker.pass().map_err(unsent)?;
        let may_write = !methods::only_reads(call.method);
        let trip = Trip::own(&self.breaker, self.wire.ends_by(began));
        let mut trip = trip.of_a_caller(may_write, begins_by, tell);
        trip.finds_out(finds_out);
        if finds_out && may_write {
            let by = trip.begins_by.min(began + LOOK);
            Box::pin(self.look_before(by)).await.map_err(unsent)?;
        }
        self.retries.add();
        let result = self.execute_at_most_twice(call, &mut trip).await;
        let answered = result.map_err(|error| Unanswered {
            way: trip.sent_by(),
            waited,
            duration: trip.sent_by().map(|_| began.elapsed()),
            error,
        })?;
        Ok(Answer {
            data: answered.data,
            duration: answered.duration,
            way: answered.way,
            waited,
            turn,
        })
    }

    /// A call that may write does not find out itself whether Odoo is back: it could get
    /// lost. The version is asked for before it.
    async fn look_before(&self, by: Instant) -> Result<(), OdooError> {
        let mut trip = Trip::own(&self.breaker, by);
        match self.version_now(&mut trip).await {
            Err(error) if error.is_trouble() => {
                self.breaker.failed();
                Err(OdooError::LeftAlone { retry_in: TRY_EVERY })
            }
            _ => Ok(()),
        }
    }

    async fn execute_at_most_twice(&self, call: Call<'_>, trip: &mut Trip<'_>) -> Result<Answered, OdooError> {
        let result = self.execute_now(call, trip).await;
        let is_silent = matches!(&result, Err(OdooError::Unreachable { is_silent: true, .. }));
        if !is_silent || trip.may_write || self.breaker.is_open() {
            return result;
        }
        let pause = retry::pause();
        if Instant::now() + pause >= trip.begins_by || !self.retries.take() {
            return result;
        }
        tokio::time::sleep(pause).await;
        self.execute_now(call, trip).await
    }

    /// Does one call. If the way it takes turns out to be closed or refused, the
    /// call did not run, and takes the next one.
    async fn execute_now(&self, call: Call<'_>, trip: &mut Trip<'_>) -> Result<Answered, OdooError> {
        let mut last = None;
        for (way, is_closed) in self.choice.order_and_closed() {
            let result = if is_closed && trip.may_write {
                Box::pin(self.look_and_execute(way, call, trip)).await
            } else {
                self.execute_by(way, call, trip).await
            };
            if trip.says_something() {
                self.told_by_odoo(&result);
            }
            match self.told_by_way(way, result) {
                Ok(answer) => return Ok(answer),
                // A refusal, or that nobody knows the method, says more to the caller than
                // a way that is closed.
                Err(error) if error.is_of_the_way() => match last {
                    Some(OdooError::AuthFailed { .. } | OdooError::NotListed(_) | OdooError::Unmapped { .. }) => {}
                    _ => last = Some(error),
                },
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(no_way))
    }

    /// By a way that is known as closed: whether it still is, a call that only reads finds
    /// out, so that of one that may write nothing is sent if it is.
    async fn look_and_execute(&self, way: Way, call: Call<'_>, trip: &mut Trip<'_>) -> Result<Answered, OdooError> {
        trip.take(way);
        let mut own = Trip::own(&self.breaker, trip.begins_by);
        self.execute_by(way, harmless(), &mut own).await?;
        self.execute_by(way, call, trip).await
    }

    pub(super) async fn execute_by(
        &self,
        way: Way,
        call: Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Answered, OdooError> {
        let started = Instant::now();
        trip.take(way);
        let data = match (way, &self.web, &self.json_rpc, &self.json2) {
            (Way::Web, Some(web), _, _) => web.execute(self, call, trip).await?,
            (Way::JsonRpc, _, Some(json_rpc), _) => json_rpc.execute(self, call, trip).await?,
            (Way::Json2, _, _, Some(json2)) => json2.execute(self, call, trip).await?,
            _ => return Err(no_way()),
        };
        Ok(Answered {
            data,
            duration: started.elapsed(),
            way,
        })
    }

    /// Remembers what a try of a way says of it, and of Odoo.
    pub(super) fn learned<T>(&self, way: Way, result: Result<T, OdooError>) -> Result<T, OdooError> {
        self.told_by_odoo(&result);
        self.told_by_way(way, result)
    }

    fn told_by_odoo<T>(&self, result: &Result<T, OdooError>) {
        match result {
            Ok(_) | Err(OdooError::Raised { .. }) => self.breaker.answered(),
            Err(error) if error.is_trouble() => self.breaker.failed(),
            // It says nothing of Odoo.
            Err(_) => {}
        }
    }

    fn told_by_way<T>(&self, way: Way, result: Result<T, OdooError>) -> Result<T, OdooError> {
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
                // Also the bridge's own questions keep to the pace.
                let Ok(_turn) = self.turns.take(Party::BRIDGE).await else {
                    break;
                };
                match self.learned(way, self.execute_by(way, harmless(), &mut self.own_trip()).await) {
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

    pub(super) const fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(super) const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) const fn settings(&self) -> &OdooSettings {
        &self.settings
    }

    /// Sends a JSON-RPC request that only reads, and takes its small result.
    pub(super) async fn json_rpc_result(
        &self,
        request: reqwest::RequestBuilder,
        model: &str,
        trip: &mut Trip<'_>,
    ) -> Result<Bytes, OdooError> {
        let answer = self.wire.ask(request, trip).await?;
        if answer.status().as_u16() != 200 {
            return Err(not_ok(answer.status(), answer.headers(), answer.body()));
        }
        jsonrpc::result_of(answer.body(), model)
    }

    /// The result of a call over JSON-RPC's frame: whole if it is small or no
    /// result, streamed if its beginning shows one.
    pub(super) async fn json_rpc_data(
        &self,
        way: Way,
        reply: Reply,
        model: &str,
        may_write: bool,
    ) -> Result<Data, OdooError> {
        if !reply.is_ok() {
            return Err(self.refused(way, reply, may_write).await);
        }
        let (window, is_whole) = reply.window();
        if !is_whole && let Some(begin) = answer::result_begins(window) {
            return Ok(Data::Stream(Box::new(reply.stream(begin, Frame::Rpc))));
        }
        let body = reply.whole().await?;
        if let Some(result) = answer::result_in(&body) {
            return Ok(Data::Whole(body.slice(result)));
        }
        match jsonrpc::result_of(&body, model) {
            Ok(data) => Ok(Data::Whole(data)),
            Err(error) if may_write => Err(error.of_an_answered_write()),
            Err(error) => Err(error),
        }
    }

    async fn refused(&self, way: Way, reply: Reply, may_write: bool) -> OdooError {
        let head = reply.head();
        match reply.whole().await {
            Ok(body) => self.judge_refusal(way, &head, &body, may_write),
            Err(error) => error,
        }
    }

    /// What an answer that is not 200 and no error of Odoo's own means for the call that
    /// got it. One that may write is of unknown outcome, unless it is sure that it did not
    /// run: then it may take the next way.
    pub(super) fn judge_refusal(&self, way: Way, head: &Head, body: &[u8], may_write: bool) -> OdooError {
        let (status, headers) = head;
        let (status, error) = (*status, not_ok(*status, headers, body));
        // JSON-RPC's own login goes to the same address, and came before.
        let came_before = way == Way::JsonRpc || self.choice.has_worked(way);
        if !may_write || never_reached_odoo(status) || says_that_nothing_is_here(status) && !came_before {
            return error;
        }
        match error {
            OdooError::WayClosed { message } => {
                // The calls after this one take another way.
                self.choice.unusable(way, WayState::Closed, message.clone());
                OdooError::OutcomeUnknown {
                    cause: Some(message.into()),
                }
            }
            other => other.of_an_answered_write(),
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

/// A call that every user may make, and that changes nothing.
fn harmless() -> Call<'static> {
    Call {
        model: "res.users",
        method: "context_get",
        args: no_args(),
        kwargs: no_kwargs(),
    }
}

/// A request with a JSON body, which is wiped once it is sent: a login has a password in it.
pub(super) fn with_json(request: reqwest::RequestBuilder, body: Vec<u8>) -> reqwest::RequestBuilder {
    request
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(bytes::Bytes::from_owner(Zeroizing::new(body)))
}

fn no_way() -> OdooError {
    OdooError::unreachable("The bridge's settings hold no credentials for any way into Odoo.")
}

/// An answer that is not 200 and no error of Odoo's own: something before it, or
/// something else, answered.
pub(super) fn not_ok(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> OdooError {
    let code = status.as_u16();
    if code == 400 && body.windows(12).any(|window| window == b"Invalid JSON") {
        return OdooError::Raised {
            kind: Raised::Rejected,
            name: "werkzeug.exceptions.BadRequest".into(),
            message: "Odoo can't read the arguments: a number or a nesting in them is beyond what it takes.".into(),
        };
    }
    match code {
        300..=399 => OdooError::unreachable(format!(
            "Odoo's address redirects elsewhere (HTTP {code}), and redirects are not followed. The operator has to set the final address."
        )),
        // Switched off in Odoo, or closed by a proxy.
        403 | 404 | 405 | 410 => OdooError::WayClosed {
            message: format!("What answered at Odoo's address refused the request (HTTP {code})."),
        },
        429 => OdooError::Busy {
            retry_in: retry_after(headers),
        },
        400..=499 => OdooError::unreachable(format!(
            "What answered at Odoo's address refused the request (HTTP {code})."
        )),
        _ => OdooError::unreachable(format!("Odoo, or a proxy before it, answered HTTP {code}.")),
    }
}

/// When a busy server wants to be asked again: as it says, within a second and an hour.
fn retry_after(headers: &HeaderMap) -> Duration {
    let said = headers.get(header::RETRY_AFTER).and_then(|said| said.to_str().ok());
    let secs = said.and_then(|said| match said.trim().parse() {
        Ok(secs) => Some(secs),
        Err(_) => {
            let at = DateTime::parse_from_rfc2822(said).ok()?;
            u64::try_from((at.to_utc() - Utc::now()).num_seconds()).ok()
        }
    });
    Duration::from_secs(secs.unwrap_or(1).clamp(1, 3_600))
}

/// Whether an answer with this status is sure to come from before Odoo: it is about the
/// request itself, or asks for it elsewhere or later.
const fn never_reached_odoo(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        307 | 308 | 401 | 407 | 411 | 413 | 414 | 415 | 417 | 421 | 426 | 428 | 429 | 431
    )
}

/// Whether it says that nothing is here for us. A firewall that holds back an *answer*
/// says the same, so that it is believed only of a way by which nothing came yet.
const fn says_that_nothing_is_here(status: StatusCode) -> bool {
    matches!(status.as_u16(), 300..=399 | 400 | 403 | 404 | 405 | 410)
}

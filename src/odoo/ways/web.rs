//! A session as the web client has it: one login for all calls, renewed once when
//! Odoo says that it is over. The cheapest way, because no password is checked
//! after the login.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::super::call::Call;
use super::super::client::{Data, Odoo, not_ok, with_json};
use super::super::credentials::{Credential, Login};
use super::super::error::{NO_DATABASE, OdooError};
use super::super::trip::Trip;
use super::super::way::Way;
use super::super::{jsonrpc, wire};
use crate::config::{ConfigError, OdooSettings};

#[derive(Clone, PartialEq)]
struct Session {
    /// `session_id=…`, marked so that it is never printed.
    cookie: HeaderValue,
    uid: i64,
}

/// See the module.
pub(in crate::odoo) struct Web {
    pub(in crate::odoo) credential: Arc<Credential>,
    login: Login<Arc<Session>>,
    login_url: reqwest::Url,
}

impl Web {
    /// `None` without a password.
    pub(in crate::odoo) fn new(settings: &OdooSettings) -> Result<Option<Self>, ConfigError> {
        let Some(password) = settings.password.clone() else {
            return Ok(None);
        };
        Ok(Some(Self {
            credential: Credential::new("ODOO_PASSWORD", password),
            login: Login::new(),
            login_url: wire::address(&settings.url, jsonrpc::WEB_LOGIN_PATH)?,
        }))
    }

    pub(in crate::odoo) async fn log_in_anew(&self, odoo: &Odoo, trip: &mut Trip<'_>) -> Result<i64, OdooError> {
        let waits = trip.waits();
        let session = self
            .login
            .renew(&self.credential, waits, None, || Box::pin(self.log_in(odoo, trip)))
            .await?;
        Ok(session.uid)
    }

    pub(in crate::odoo) async fn execute(
        &self,
        odoo: &Odoo,
        call: Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Data, OdooError> {
        let waits = trip.waits();
        let session = self
            .login
            .get(&self.credential, waits, || Box::pin(self.log_in(odoo, trip)))
            .await?;
        match self.call(odoo, &session, &call, trip).await {
            // It did not run, so it may be sent again.
            Err(OdooError::SessionExpired) => {
                let session = self
                    .login
                    .renew(&self.credential, waits, Some(&session), || {
                        Box::pin(self.log_in(odoo, trip))
                    })
                    .await?;
                Box::pin(self.call(odoo, &session, &call, trip)).await
            }
            result => result,
        }
    }

    async fn call(
        &self,
        odoo: &Odoo,
        session: &Arc<Session>,
        call: &Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Data, OdooError> {
        // The model and the method in the path are for Odoo's log.
        let path = [jsonrpc::WEB_CALL_PATH, "/", call.model, ".", call.method].concat();
        let mut request = odoo.wire().call(&path, jsonrpc::web_call(call))?;
        request.headers_mut().insert(header::COOKIE, session.cookie.clone());
        let reply = odoo.wire().send(request, trip).await?;
        if let Some(cookie) = session_cookie(reply.headers())
            && cookie != session.cookie
        {
            // Odoo gives a session a new id every few hours.
            let rotated = Session {
                cookie,
                uid: session.uid,
            };
            self.login.replace(session, Arc::new(rotated));
        }
        match odoo.json_rpc_data(Way::Web, reply, call.model, trip.may_write).await {
            // The session was accepted: it is the method that says no.
            Err(OdooError::AuthFailed { .. }) => Err(OdooError::raised(
                "odoo.exceptions.AccessError",
                "Access Denied",
                call.model,
            )),
            result => result,
        }
    }

    /// `None` if Odoo refuses the password.
    async fn log_in(&self, odoo: &Odoo, trip: &mut Trip<'_>) -> Result<Option<Arc<Session>>, OdooError> {
        #[derive(Deserialize)]
        struct Info {
            #[serde(default)]
            uid: Option<i64>,
        }
        let settings = odoo.settings();
        let body = jsonrpc::web_login(&settings.db, &settings.username, &self.credential.secret);
        let question = with_json(odoo.wire().post(self.login_url.clone()), body);
        let answer = odoo.wire().ask(question, trip).await?;
        let cookie = session_cookie(answer.headers());
        if answer.status().as_u16() != 200 {
            return Err(not_ok(answer.status(), answer.headers(), answer.body()));
        }
        let result = match jsonrpc::result_of(answer.body(), "") {
            Err(OdooError::AuthFailed { .. }) => return Ok(None),
            Err(OdooError::Raised { message, .. }) if message == "Database not found." => {
                return Err(OdooError::unreachable(NO_DATABASE));
            }
            other => other?,
        };
        let closed = |message: &str| OdooError::WayClosed {
            message: message.into(),
        };
        let info: Info = serde_json::from_slice(&result)
            .map_err(|_| closed("What answers at /web does not log in as Odoo does."))?;
        match (info.uid, cookie) {
            (Some(uid), Some(cookie)) => Ok(Some(Arc::new(Session { cookie, uid }))),
            (None, _) => Err(closed(
                "The user has two-factor authentication, which a session asks a person for. An API key works without it.",
            )),
            (Some(_), None) => Err(closed("The login gave no session.")),
        }
    }
}

/// `session_id=…` of an answer that sets it.
fn session_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .rfind(|pair| pair.starts_with("session_id="))?;
    let mut cookie = HeaderValue::from_str(value).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

//! JSON-RPC's `execute_kw`: a user id that is asked for once, and the password or
//! API key with each call.

use std::sync::Arc;

use super::super::call::Call;
use super::super::client::{Data, Odoo, with_json};
use super::super::credentials::{Credential, Login};
use super::super::error::{OdooError, Raised};
use super::super::trip::Trip;
use super::super::way::Way;
use super::super::{jsonrpc, wire};
use crate::config::{ConfigError, OdooSettings};

/// See the module.
pub(in crate::odoo) struct JsonRpc {
    pub(in crate::odoo) credential: Arc<Credential>,
    login: Login<i64>,
    url: reqwest::Url,
}

impl JsonRpc {
    /// `None` without any credentials.
    pub(in crate::odoo) fn new(settings: &OdooSettings) -> Result<Option<Self>, ConfigError> {
        let key = settings.api_key.clone().map(|key| ("ODOO_API_KEY", key));
        let password = settings.password.clone().map(|password| ("ODOO_PASSWORD", password));
        let Some((setting, secret)) = key.or(password) else {
            return Ok(None);
        };
        Ok(Some(Self {
            credential: Credential::new(setting, secret),
            login: Login::new(),
            url: wire::address(&settings.url, jsonrpc::PATH)?,
        }))
    }

    pub(in crate::odoo) async fn log_in_anew(&self, odoo: &Odoo, trip: &mut Trip<'_>) -> Result<i64, OdooError> {
        let waits = trip.waits();
        self.login
            .renew(&self.credential, waits, None, || Box::pin(self.log_in(odoo, trip)))
            .await
    }

    pub(in crate::odoo) async fn execute(
        &self,
        odoo: &Odoo,
        call: Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Data, OdooError> {
        let waits = trip.waits();
        let uid = self
            .login
            .get(&self.credential, waits, || Box::pin(self.log_in(odoo, trip)))
            .await?;
        let body = jsonrpc::execute_kw(&odoo.settings().db, uid, &self.credential.secret, &call);
        let request = odoo.wire().call(jsonrpc::PATH, body)?;
        let reply = odoo.wire().send(request, trip).await?;
        match odoo
            .json_rpc_data(Way::JsonRpc, reply, call.model, trip.may_write)
            .await
        {
            Err(OdooError::AuthFailed { .. }) => Err(Box::pin(self.refused_by_whom(odoo, &call, trip)).await),
            // There is no session here that could end.
            Err(OdooError::SessionExpired) => Err(OdooError::Raised {
                kind: Raised::Failed,
                name: "odoo.http.SessionExpiredException".into(),
                message: String::new(),
            }),
            result => result,
        }
    }

    /// A method may say "Access Denied" itself (a wrong old password, say), in the
    /// same words as Odoo does for wrong credentials. A login tells them apart;
    /// one that went well counts for a minute.
    async fn refused_by_whom(&self, odoo: &Odoo, call: &Call<'_>, trip: &mut Trip<'_>) -> OdooError {
        if let Some(refused) = self.credential.refused() {
            return refused;
        }
        let confirmed = self.credential.is_confirmed() || self.log_in_anew(odoo, trip).await.is_ok();
        if confirmed {
            return OdooError::raised("odoo.exceptions.AccessError", "Access Denied", call.model);
        }
        self.credential.refused().unwrap_or_else(|| {
            OdooError::unreachable("Odoo refused a call, and then did not say whether it was the login.")
        })
    }

    /// `Some(uid)`, or `None` if Odoo refuses.
    async fn log_in(&self, odoo: &Odoo, trip: &mut Trip<'_>) -> Result<Option<i64>, OdooError> {
        let settings = odoo.settings();
        let body = jsonrpc::authenticate(&settings.db, &settings.username, &self.credential.secret);
        let request = with_json(odoo.wire().post(self.url.clone()), body);
        let result = match odoo.json_rpc_result(request, "", trip).await {
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
}

//! JSON-2: the API key with each call, and a name for each argument. Names come
//! from a table, or from what Odoo tells of the model, asked once and kept while
//! its ETag holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use quick_cache::sync::Cache;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::answer::Frame;
use super::super::call::Call;
use super::super::client::{Data, Odoo, no_args, no_kwargs};
use super::super::credentials::Credential;
use super::super::error::{OdooError, misread};
use super::super::json2::{self, Named};
use super::super::signatures::{self, Documentation, MethodTold, Signature};
use super::super::trip::Trip;
use super::super::way::Way;
use super::super::wire::Head;
use crate::config::{ConfigError, OdooSettings};

/// How many models' parameters are kept.
const MODELS_KEPT: usize = 256;
/// After this, Odoo is asked whether they changed.
const TRUSTED_FOR: Duration = Duration::from_secs(10 * 60);

const X_ODOO_DATABASE: HeaderName = HeaderName::from_static("x-odoo-database");

/// What Odoo told of a model; `None`: it does not tell.
struct Told {
    documentation: Option<Documentation>,
    etag: Option<HeaderValue>,
    asked_at: Mutex<Instant>,
}

impl Told {
    fn methods(&self) -> Vec<MethodTold> {
        self.documentation.iter().flat_map(Documentation::methods).collect()
    }
}

/// See the module.
pub(in crate::odoo) struct Json2 {
    pub(in crate::odoo) credential: Arc<Credential>,
    authorization: HeaderValue,
    db: HeaderValue,
    url: String,
    told: Cache<String, Arc<Told>>,
}

impl Json2 {
    /// `None` without an API key.
    pub(in crate::odoo) fn new(settings: &OdooSettings) -> Result<Option<Self>, ConfigError> {
        let Some(key) = settings.api_key.clone() else {
            return Ok(None);
        };
        let bearer = Zeroizing::new(format!("bearer {}", key.expose_secret()));
        let mut authorization = HeaderValue::from_str(&bearer)
            .map_err(|_| ConfigError("ODOO_API_KEY holds characters that no key has.".into()))?;
        authorization.set_sensitive(true);
        let db = HeaderValue::from_str(&settings.db)
            .map_err(|_| ConfigError("ODOO_DB holds characters that no database's name has.".into()))?;
        Ok(Some(Self {
            credential: Credential::new("ODOO_API_KEY", key),
            authorization,
            db,
            url: settings.url.clone(),
            told: Cache::new(MODELS_KEPT),
        }))
    }

    /// There is no login: the key is checked with each call.
    pub(in crate::odoo) async fn user_id(&self, odoo: &Odoo, trip: &mut Trip<'_>) -> Result<i64, OdooError> {
        #[derive(Deserialize)]
        struct Context {
            uid: i64,
        }
        let call = Call {
            model: "res.users",
            method: "context_get",
            args: no_args(),
            kwargs: no_kwargs(),
        };
        let context = match self.execute(odoo, call, trip).await? {
            Data::Whole(bytes) => serde_json::from_slice::<Context>(&bytes).ok(),
            Data::Stream(_) => None,
        };
        context
            .map(|context| context.uid)
            .ok_or_else(|| OdooError::unreachable("What answered at Odoo's address is not Odoo's JSON-2."))
    }

    pub(in crate::odoo) async fn execute(
        &self,
        odoo: &Odoo,
        call: Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Data, OdooError> {
        if let Some(refused) = self.credential.refused() {
            return Err(refused);
        }
        let signature = if json2::has_positional(&call) {
            Box::pin(self.signature(odoo, &call, trip)).await?
        } else {
            None
        };
        let Named { body, only_one } = json2::name_arguments(&call, signature.as_ref())?;
        let may_write = trip.may_write;
        let path = format!("/json/2/{}/{}", call.model, call.method);
        let mut request = odoo.wire().call(&path, body)?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(X_ODOO_DATABASE, self.db.clone());
        let reply = odoo.wire().send(request, trip).await?;
        if !reply.is_ok() {
            let head = reply.head();
            let body = reply.whole().await?;
            return Err(self.error(odoo, &head, &body, call.model, may_write));
        }
        self.accepted();
        if !reply.window().1 && !only_one {
            return Ok(Data::Stream(Box::new(reply.stream(0, Frame::Bare))));
        }
        let body = reply.whole().await?;
        match result_of(&body, only_one) {
            Err(error) if may_write => Err(error.of_an_answered_write()),
            result => result.map(Data::Whole),
        }
    }

    /// Takes a lock only when something is to be changed.
    fn accepted(&self) {
        if self.credential.report().is_some() || !self.credential.is_confirmed() {
            self.credential.accept();
        }
    }

    fn error(&self, odoo: &Odoo, head: &Head, body: &[u8], model: &str, may_write: bool) -> OdooError {
        match json2::error_of(head.0, body, model) {
            Some(OdooError::AuthFailed { .. }) => self.credential.refuse(),
            Some(error) if may_write => error.of_an_answered_write(),
            Some(error) => error,
            None => odoo.judge_refusal(Way::Json2, head, body, may_write),
        }
    }

    /// How a method is called; `None` if nobody tells.
    async fn signature(
        &self,
        odoo: &Odoo,
        call: &Call<'_>,
        trip: &mut Trip<'_>,
    ) -> Result<Option<Signature>, OdooError> {
        let known = signatures::known(call.method);
        if let Some((signature, false)) = known {
            return Ok(Some(signature));
        }
        let told = self.told_of(odoo, call.model, trip).await?;
        let Some(documentation) = &told.documentation else {
            return Ok(known.map(|(signature, _)| signature));
        };
        let own = documentation.signature(call.method);
        match own.or_else(|| known.map(|(signature, _)| signature)) {
            Some(signature) => Ok(Some(signature)),
            None => Err(not_listed(call)),
        }
    }

    /// The methods of a model; none if Odoo does not tell.
    pub(in crate::odoo) async fn methods(
        &self,
        odoo: &Odoo,
        model: &str,
        trip: &mut Trip<'_>,
    ) -> Result<Vec<MethodTold>, OdooError> {
        Ok(self.told_of(odoo, model, trip).await?.methods())
    }

    /// The same without asking, if that is not needed.
    pub(in crate::odoo) fn known_methods(&self, model: &str) -> Option<Vec<MethodTold>> {
        let told = self.told.get(model)?;
        let asked_at = *told.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        (asked_at.elapsed() < TRUSTED_FOR).then(|| told.methods())
    }

    async fn told_of(&self, odoo: &Odoo, model: &str, trip: &mut Trip<'_>) -> Result<Arc<Told>, OdooError> {
        let kept = self.told.get(model);
        if let Some(told) = &kept {
            let mut asked_at = told.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
            if asked_at.elapsed() < TRUSTED_FOR {
                return Ok(Arc::clone(told));
            }
            // This caller asks; the others go on with what is kept.
            *asked_at = Instant::now();
        }
        let url = format!("{}/doc-bearer/{model}.json", self.url)
            .parse()
            .map_err(|_| OdooError::unreachable("Odoo's address can't be used."))?;
        let mut request = odoo
            .wire()
            .get(url)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(X_ODOO_DATABASE, self.db.clone());
        if let Some(etag) = kept.as_ref().and_then(|told| told.etag.clone()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let answer = odoo.wire().ask(request, trip).await?;
        let status = answer.status().as_u16();
        if status == 304
            && let Some(told) = kept
        {
            return Ok(told);
        }
        let etag = answer.headers().get(header::ETAG).cloned();
        // Absent, forbidden or odd: the table and named arguments still work.
        let documentation = (status == 200).then(|| Documentation::parse(answer.body())).flatten();
        let told = Arc::new(Told {
            documentation,
            etag,
            asked_at: Mutex::new(Instant::now()),
        });
        self.told.insert(model.to_owned(), Arc::clone(&told));
        Ok(told)
    }
}

/// The result in an answer: all of it, or the one out of a list of one.
fn result_of(body: &Bytes, only_one: bool) -> Result<Bytes, OdooError> {
    if only_one {
        return json2::only_of(body);
    }
    let result = serde_json::from_slice::<&RawValue>(body).map_err(|error| OdooError::Unreachable {
        message: "What answered at Odoo's address is not Odoo's JSON-2.".into(),
        cause: Some(misread(&error)),
        is_silent: false,
    })?;
    Ok(body.slice_ref(result.get().as_bytes()))
}

/// What Odoo would say to a method that its documentation does not list.
fn not_listed(call: &Call<'_>) -> OdooError {
    let name = format!("{}.{}", call.model, call.method);
    if call.method.starts_with('_') {
        let message = format!("Private methods (such as '{name}') cannot be called remotely.");
        return OdooError::raised("odoo.exceptions.AccessError", &message, call.model);
    }
    let message = format!("The method '{name}' does not exist");
    OdooError::NotListed(Box::new(OdooError::raised(
        "builtins.AttributeError",
        &message,
        call.model,
    )))
}

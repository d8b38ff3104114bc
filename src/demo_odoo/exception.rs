//! Python's exceptions, as Odoo lets them reach a client: class, text,
//! arguments, and a traceback, which is there so that tests can prove that
//! nobody passes it on.

use super::value::Value;

/// A raised exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Its class, such as `odoo.exceptions.UserError`.
    pub name: &'static str,
    /// Its text.
    pub message: String,
}

macro_rules! raisers {
    ($($(#[$doc:meta])* $function:ident => $name:literal;)*) => {
        impl Exception {
            $($(#[$doc])*
            #[must_use]
            pub fn $function(message: impl Into<String>) -> Self {
                Self { name: $name, message: message.into() }
            })*
        }
    };
}

raisers! {
    /// Refused by access rights.
    access => "odoo.exceptions.AccessError";
    /// Refused by a business rule.
    user => "odoo.exceptions.UserError";
    /// Refused by a constraint.
    validation => "odoo.exceptions.ValidationError";
    /// A value that makes no sense.
    value => "builtins.ValueError";
    /// An argument of the wrong kind or name.
    type_ => "builtins.TypeError";
    /// Something without such a member.
    attribute => "builtins.AttributeError";
    /// A list that is too short.
    index => "builtins.IndexError";
    /// A dict without such a key.
    key => "builtins.KeyError";
    /// A name that is not there.
    name_error => "builtins.NameError";
    /// Any other.
    other => "builtins.Exception";
    /// An address or a name that is not there.
    not_found => "werkzeug.exceptions.NotFound";
    /// No API key, or a wrong one.
    unauthorized => "werkzeug.exceptions.Unauthorized";
    /// What JSON-2 can't bind to the method's parameters.
    unprocessable => "werkzeug.exceptions.UnprocessableEntity";
    /// A body that is no JSON, over JSON-2.
    bad_request => "werkzeug.exceptions.BadRequest";
    /// A body that is no JSON, over a web session.
    json => "json.decoder.JSONDecodeError";
    /// The session is over.
    session_expired => "odoo.http.SessionExpiredException";
    /// The database can't be reached.
    database => "psycopg2.OperationalError";
    /// A negative limit.
    limit => "psycopg2.errors.InvalidRowCountInLimitClause";
    /// A negative offset.
    offset => "psycopg2.errors.InvalidRowCountInResultOffsetClause";
    /// A text where a number belongs.
    text => "psycopg2.errors.InvalidTextRepresentation";
}

impl Exception {
    /// Wrong credentials.
    #[must_use]
    pub fn access_denied() -> Self {
        Self {
            name: "odoo.exceptions.AccessDenied",
            message: "Access Denied".to_owned(),
        }
    }

    /// A record that is not there.
    #[must_use]
    pub fn missing(model: &str, id: &Value, uid: i64) -> Self {
        let id = id.repr();
        Self {
            name: "odoo.exceptions.MissingError",
            message: format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: {uid})"),
        }
    }

    /// What is told of it: the body of a JSON-2 error, the `data` of JSON-RPC.
    #[must_use]
    pub fn to_data(&self) -> Value {
        self.told(vec![self.message.as_str().into()])
    }

    /// The same with these `arguments`.
    #[must_use]
    pub fn told(&self, arguments: Vec<Value>) -> Value {
        Value::Dict(vec![
            ("name".into(), self.name.into()),
            ("message".into(), self.message.as_str().into()),
            ("arguments".into(), Value::List(arguments)),
            ("context".into(), Value::Dict(Vec::new())),
            ("debug".into(), self.traceback().into()),
        ])
    }

    /// The `error` of a JSON-RPC answer.
    #[must_use]
    pub fn to_json_rpc(&self) -> Value {
        Value::Dict(vec![
            ("code".into(), 0.into()),
            ("message".into(), "Odoo Server Error".into()),
            ("data".into(), self.to_data()),
        ])
    }

    fn traceback(&self) -> String {
        let place = "/usr/lib/python3/dist-packages/odoo";
        let class = self.name.strip_prefix("builtins.").unwrap_or(self.name);
        if self.name == "odoo.exceptions.AccessDenied" {
            // The only one that Odoo takes the traceback from.
            return format!("{class}: {}\n", self.message);
        }
        format!(
            "Traceback (most recent call last):\n  File \"{place}/http.py\", line 2273, in _serve_db\n    \
             return service_model.retrying(serve_func, env=self.env)\n  \
             File \"{place}/service/model.py\", line 184, in retrying\n    result = func()\n{class}: {}\n",
            self.message
        )
    }
}

//! The bridge's own modules that read foreign bytes, each the very file that the
//! bridge is built of, and for each the promises that hold whatever comes.

#![allow(
    dead_code,
    unused_imports,
    reason = "the bridge uses more of these files than is read here"
)]

// error.rs names a trait of Leptos, which would bring a thousand files for one name.
extern crate self as leptos;

/// What error.rs needs of Leptos.
pub mod server_fn {
    pub mod codec {
        pub struct JsonEncoding;
    }
    pub mod error {
        pub trait FromServerFnError {
            type Encoder;
            fn from_server_fn_error(error: ServerFnErrorErr) -> Self;
        }
        #[derive(Debug)]
        pub enum ServerFnErrorErr {
            Request(String),
            Deserialization(String),
            Args(String),
            MissingArg(String),
            Response(String),
        }
        impl std::fmt::Display for ServerFnErrorErr {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self:?}")
            }
        }
    }
}

#[path = "../../src/error.rs"]
pub mod error;

#[path = "../../src/calls"]
mod calls {
    pub mod request;
}

#[path = "../../src/keys"]
mod keys {
    pub mod policy;
    pub mod secret;
}

#[path = "../../src/odoo"]
mod odoo {
    pub mod answer;
    pub mod call;
    pub mod error;
    pub mod json2;
    pub mod jsonrpc;
    pub mod renames;
    pub mod signatures;

    #[path = "../../fuzz/src/promises.rs"]
    pub mod promises;
}

pub use odoo::promises::{json2, jsonrpc};

use keys::policy::{self, Access, Asked, FieldKind, Knowledge, ModelFields, Policy, Verdict};
use keys::secret::{KEY_LEN, PlainKey};

/// A key that is accepted is the very bytes that came, and nothing longer or shorter.
pub fn key(bytes: &[u8]) {
    let Some(key) = PlainKey::parse(bytes) else {
        return;
    };
    assert_eq!(bytes.len(), KEY_LEN);
    assert_eq!(key.reveal().as_bytes(), bytes);
    assert!(bytes.starts_with(key.public_id().prefix().as_bytes()));
    let again = PlainKey::parse(key.reveal().as_bytes()).expect("it is a key");
    assert!(again.hash().matches(&key.hash()));
    // One bit is enough to make it another text, which is no key.
    for place in 0..KEY_LEN {
        let mut other = bytes.to_vec();
        other[place] ^= 1;
        assert!(PlainKey::parse(&other).is_none(), "{other:?}");
    }
}

/// A call that is accepted has names that Odoo can have, a list and an object, which
/// are JSON and part of what came; a refusal is a sentence on one line.
pub fn call(bytes: &[u8]) {
    use calls::request::CallRequest;
    let call = match CallRequest::parse(bytes) {
        Ok(call) => call,
        Err(error) => {
            assert_eq!(error.code, error::ErrorCode::InvalidRequest);
            assert!(!error.message.is_empty() && error.message.len() < 500, "{error}");
            assert!(!error.message.chars().any(char::is_control), "{error:?}");
            return;
        }
    };
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
    };
    assert!(is_name(&call.model) && is_name(&call.method) && !call.method.contains('.'));
    let args: Vec<&serde_json::value::RawValue> = serde_json::from_str(call.args.get()).expect("a list");
    let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
    assert!(text.contains(call.args.get()) || args.is_empty());
    assert!(call.kwargs.get().starts_with('{'));
    let again = format!(
        r#"{{"model":"{}","method":"{}","args":{},"kwargs":{}}}"#,
        call.model, call.method, call.args, call.kwargs
    );
    let again = CallRequest::parse(again.as_bytes()).expect("the same call");
    assert_eq!(
        (again.args.get(), again.kwargs.get()),
        (call.args.get(), call.kwargs.get())
    );
}

/// What is known of three models, and what is known of none.
fn knowledge() -> [Knowledge; 2] {
    let fields = |list: &[(&str, &str, Option<&str>)]| {
        let fields = list
            .iter()
            .map(|(name, kind, relation)| ((*name).to_owned(), FieldKind::of(kind, *relation, None)));
        std::sync::Arc::new(fields.collect::<ModelFields>())
    };
    let partner = fields(&[
        ("id", "integer", None),
        ("name", "char", None),
        ("email", "char", None),
        ("comment", "html", None),
        ("parent_id", "many2one", Some("res.partner")),
        ("child_ids", "one2many", Some("res.partner")),
        ("user_id", "many2one", Some("res.users")),
        ("create_date", "datetime", None),
    ]);
    let order = fields(&[
        ("name", "char", None),
        ("partner_id", "many2one", Some("res.partner")),
        ("date_order", "datetime", None),
    ]);
    let mut known = Knowledge::default();
    known.fields.insert("res.partner".into(), partner);
    known.fields.insert("sale.order".into(), order);
    for model in ["res.partner", "sale.order"] {
        known.methods.insert(model.into(), std::sync::Arc::default());
    }
    [Knowledge::default(), known]
}

/// The first line is a policy, the rest is the body of a call. Whatever they are: a
/// policy that can't be read allows nothing, a read-only one no method that writes,
/// and what goes to Odoo is JSON without the field that the policy does not have.
pub fn policy(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let policy = Policy::load(text);
    let _ = policy::in_words(&policy);
    assert_eq!(Policy::parse(text).is_err(), policy == Policy::Nothing, "fails closed");
    let Ok(call) = calls::request::CallRequest::parse(&bytes[end + 1..]) else {
        return;
    };
    let asked = Asked {
        model: &call.model,
        method: &call.method,
        args: call.args,
        kwargs: call.kwargs,
    };
    let _ = policy::shape(&asked);
    for knowledge in knowledge() {
        let allowed = match policy::decide(&policy, &asked, &knowledge) {
            Verdict::Allowed(allowed) => allowed,
            Verdict::Refused(refusal) => {
                assert!(!refusal.sentence.is_empty() && !refusal.rule.is_empty());
                continue;
            }
            Verdict::Needs(_) => continue,
        };
        let Policy::Limited(document) = &policy else {
            assert_eq!(policy, Policy::Full, "what can't be read allows nothing");
            continue;
        };
        assert!(!call.method.starts_with('_'), "a private method");
        if document.access == Access::ReadOnly {
            let writes = [
                "create",
                "write",
                "unlink",
                "copy",
                "action_archive",
                "load",
                "name_create",
            ];
            assert!(
                !writes.contains(&&*call.method),
                "{} by a key that only reads",
                call.method
            );
        }
        let (args, kwargs) = match &allowed.rewritten {
            Some((args, kwargs)) => (&**args, &**kwargs),
            None => (call.args, call.kwargs),
        };
        assert!(args.get().starts_with('[') && kwargs.get().starts_with('{'));
        let rewritten = Asked { args, kwargs, ..asked };
        assert!(
            matches!(policy::decide(&policy, &rewritten, &knowledge), Verdict::Allowed(_)),
            "what goes to Odoo is not what the policy allows: {args} {kwargs}"
        );
    }
}

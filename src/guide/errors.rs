//! What is behind each code of `POST /call`, in words: what it means, what to check, and
//! an example. The status, and whether to send again, are those that the server answers
//! with (`error`).

use crate::error::ErrorCode;

/// One code's page.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    /// Which.
    pub code: ErrorCode,
    /// What has happened, and to what: was the call sent to Odoo?
    pub means: &'static str,
    /// One after the other.
    pub check: &'static [&'static str],
    /// What leads to it.
    pub example: &'static str,
    /// The sentence that comes with it then.
    pub sentence: &'static str,
    /// `details` of that answer, as JSON; empty if there are none.
    pub details: &'static str,
}

/// The page of a code; `None` if `POST /call` never answers with it.
#[must_use]
pub fn explained(code: &str) -> Option<&'static Explained> {
    PAGES.iter().find(|page| page.code.as_str() == code)
}

/// All of them, in the order of the documentation.
pub static PAGES: [Explained; ErrorCode::OF_CALL.len()] = [
    Explained {
        code: ErrorCode::InvalidRequest,
        means: "The body is not a call that the bridge can take, so nothing was sent to Odoo. A misspelt field is refused \
                rather than left out: a filter that is lost would turn into all rows.",
        check: &[
            "The sentence names the field or the place in the JSON.",
            "The four fields are model, method, args (a list) and kwargs (an object); each may stand there once.",
            "Over JSON-2, arguments need names: give them in kwargs if the sentence asks for that.",
        ],
        example: r#"{"model": "res.partner", "method": "search_read", "kwarg": {"limit": 5}}"#,
        sentence: "The field \"kwarg\" is unknown. A call has model, method, args and kwargs only.",
        details: "",
    },
    Explained {
        code: ErrorCode::Unauthenticated,
        means: "There is no key, or it is not accepted: malformed, unknown, expired, switched off or revoked. The answer is \
                the same for each, so that nobody learns which; the bridge's operator sees which in the metrics.",
        check: &[
            "The header is X-API-KEY, or Authorization: Bearer. A key in the address is never looked at.",
            "The key was copied whole: 51 characters, from obk_ on.",
            "On the page of the key: its status, and when it ends.",
            "The address of the client, if the key is limited to some.",
        ],
        example: "A key that was revoked yesterday.",
        sentence: "The API key is missing or not accepted. Send a valid one in the X-API-KEY header.",
        details: "",
    },
    Explained {
        code: ErrorCode::PolicyDenied,
        means: "The key works, but what it may do does not cover this call. Nothing was sent to Odoo.",
        check: &[
            "details.rule says which rule refused, details.name which model, method or field.",
            "On the page of the key, What it may do: Why? tells the same for any call, without sending it.",
            "Ask for fewer fields, or have the operator widen the policy.",
        ],
        example: r#"{"model": "res.partner", "method": "write", "args": [[7], {"name": "A"}]}"#,
        sentence: "This key may not write res.partner.",
        details: r#"{"rule": "operation", "name": "write"}"#,
    },
    Explained {
        code: ErrorCode::OdooAccessDenied,
        means: "Odoo refuses what the user behind the bridge may not do. The key's policy would have allowed it.",
        check: &[
            "details.reason: access_right (the user's groups have no right on the model), record_rule (not on this record), \
             private_method (a method that Odoo takes from nobody outside).",
            "In Odoo: Settings, Users, the groups of the bridge's user; for a record rule, its companies too.",
            "Odoo's sentence names the groups that may.",
        ],
        example: r#"{"model": "ir.config_parameter", "method": "search_read"}"#,
        sentence: "You are not allowed to access 'System Parameter' (ir.config_parameter) records.",
        details: r#"{"exception": "odoo.exceptions.AccessError", "reason": "access_right"}"#,
    },
    Explained {
        code: ErrorCode::OdooNotFound,
        means: "Odoo knows no such model, method or record.",
        check: &[
            "details.reason: unknown_model, unknown_method or missing_record.",
            "details.now_called: the name that it has in newer versions of Odoo.",
            "A model of an app is there only where the app is installed.",
            "A record may have been deleted, or be of another company. (A read of it is no error, but an empty list.)",
        ],
        example: r#"{"model": "account.invoice", "method": "search_count", "args": [[]]}"#,
        sentence: "Object account.invoice doesn't exist. Since Odoo 13 it is account.move.",
        details: r#"{"exception": "odoo.exceptions.UserError", "reason": "unknown_model", "now_called": "account.move"}"#,
    },
    Explained {
        code: ErrorCode::MethodNotAllowed,
        means: "The address exists, for another HTTP method.",
        check: &[
            "Calls are sent with POST, also those that only read.",
            "A redirect may have turned POST into GET: use the final address.",
        ],
        example: "GET /call",
        sentence: "Use POST to make a call.",
        details: "",
    },
    Explained {
        code: ErrorCode::IdempotencyConflict,
        means: "The Idempotency-Key was used before, with another body, or its first call still runs. Nothing was sent to Odoo.",
        check: &[
            "A new call needs a new key; a repeat needs the very bytes of the first.",
            "If the first still runs: wait, and send the same again.",
        ],
        example: "The same Idempotency-Key with another name in the values.",
        sentence: "This Idempotency-Key was used with another body or mode. Use a new key for another call.",
        details: "",
    },
    Explained {
        code: ErrorCode::PayloadTooLarge,
        means: "The body is larger than this bridge takes. Nothing was sent to Odoo.",
        check: &[
            "Send records in several calls.",
            "The operator can raise BRIDGE_MAX_REQUEST_BYTES; what Odoo and a proxy before it take is another bound.",
        ],
        example: "A create with 20,000 records and their images.",
        sentence: "The body is larger than 8388608 bytes, the most that this bridge takes.",
        details: "",
    },
    Explained {
        code: ErrorCode::UnsupportedMediaType,
        means: "The body is not declared as JSON, and so it is not read.",
        check: &["Send Content-Type: application/json. A form, or no type at all, is refused."],
        example: "curl -d '{…}' without a Content-Type (curl declares a form then).",
        sentence: "The body must be JSON, declared with Content-Type: application/json.",
        details: "",
    },
    Explained {
        code: ErrorCode::OdooRejected,
        means: "Odoo refused the data: a required field that is missing, a rule of the model, a state that does not allow it. \
                Odoo undid what the call had begun.",
        check: &[
            "Odoo's sentence says which rule; it is written for people.",
            "Try the same by hand in Odoo, as the bridge's user.",
        ],
        example: r#"{"model": "sale.order", "method": "unlink", "args": [[12]]}"#,
        sentence: "You can not delete a sent quotation or a confirmed sales order. You must first cancel it.",
        details: r#"{"exception": "odoo.exceptions.UserError", "reason": "rejected_data"}"#,
    },
    Explained {
        code: ErrorCode::RateLimited,
        means: "The key has made its calls of this moment, or as many run at the same time as it may have. Nothing was sent.",
        check: &[
            "Wait as long as Retry-After says. The RateLimit headers tell what is left before it comes to that.",
            "Ask for many records at once rather than one by one.",
            "On the page of the key, Limits: its pace, and how many calls may run at the same time.",
        ],
        example: "The sixth call within a minute of a key that has five.",
        sentence: "This key may make 5 calls a minute, 5 at once.",
        details: "",
    },
    Explained {
        code: ErrorCode::QuotaExceeded,
        means: "The key has used up its calls of the day or month. Nothing was sent.",
        check: &[
            "Retry-After says when it begins anew (UTC).",
            "On the page of the key, Limits: its quota; on Calls, what used it.",
        ],
        example: "Call 1,001 of a key with 1,000 a day.",
        sentence: "This key has used up its calls of the day.",
        details: "",
    },
    Explained {
        code: ErrorCode::Internal,
        means: "The bridge failed. This is our fault, and the sentence is the same for all causes.",
        check: &[
            "The cause is in the bridge's log, under the request id.",
            "GET /readyz tells whether its database answers.",
        ],
        example: "A fault in the bridge.",
        sentence: "The bridge failed to do this. The cause is in its log, under the request id.",
        details: "",
    },
    Explained {
        code: ErrorCode::OdooError,
        means: "Odoo failed inside while it worked on the call: a field that does not exist, a domain of the wrong shape, or a \
                fault in a module. Odoo undid what the call had begun.",
        check: &[
            "details.exception: ValueError and KeyError are usually a field's name, TypeError an argument's.",
            "fields_get lists the fields that the model has in this version.",
            "Otherwise Odoo's own log has the traceback, at this moment.",
        ],
        example: r#"{"model": "res.partner", "method": "search", "args": [[["no_field", "=", 1]]]}"#,
        sentence: "Odoo failed while it worked on this call: Invalid field res.partner.no_field in condition ('no_field', '=', 1)",
        details: r#"{"exception": "builtins.ValueError", "reason": "failed"}"#,
    },
    Explained {
        code: ErrorCode::OdooUnreachable,
        means: "Odoo did not answer, or something that is not Odoo did. A call that may write was not sent, or did not arrive: \
                else it would be outcome_unknown.",
        check: &[
            "The page Odoo Connection says what was seen, and odoo-bridge check says how to mend it.",
            "details.reason: database (Odoo runs, but its database does not, or the configured one does not exist), version (this \
             Odoo has no such interface, or it is switched off).",
            "The name, the port, the certificate, a proxy between the two.",
        ],
        example: "Odoo is being restarted.",
        sentence: "Odoo can't be reached: no connection (address, DNS or TLS).",
        details: "",
    },
    Explained {
        code: ErrorCode::OdooAuthFailed,
        means: "Odoo refuses the bridge's own user and password or API key. Nobody's call goes through until that is mended.",
        check: &[
            "The user exists, is active, and may sign in without a second factor, or has an API key.",
            "API keys of Odoo end: look at the date in the user's preferences.",
            "odoo-bridge check tries the credentials and says which way in they work for.",
        ],
        example: "The API key of the bridge's user was deleted in Odoo.",
        sentence: "Odoo refuses the bridge's own credentials. Its operator has to check the Odoo user and its API key or password.",
        details: r#"{"reason": "credentials"}"#,
    },
    Explained {
        code: ErrorCode::Overloaded,
        means: "More calls wait for Odoo than the bridge lets wait, or this one waited too long. It was not sent.",
        check: &[
            "Wait as long as Retry-After says.",
            "The page Odoo Connection shows the line: how many run, how many wait.",
            "Which key makes them: the page Calls. Each key gets its turn, so one that floods waits for itself.",
        ],
        example: "A key sends 500 calls at once to an Odoo that takes one a second.",
        sentence: "Too many calls wait for Odoo already. This one was not sent.",
        details: "",
    },
    Explained {
        code: ErrorCode::Unavailable,
        means: "The bridge can't work at this moment: its database is away, or it is stopping. The call was not sent.",
        check: &["Wait as long as Retry-After says.", "GET /readyz names the reason."],
        example: "PostgreSQL is being restarted, and the key was not seen lately.",
        sentence: "The bridge's own database can't be reached at the moment. Try again shortly.",
        details: "",
    },
    Explained {
        code: ErrorCode::OdooUnavailable,
        means: "Odoo failed several times in a row and is left alone for a moment, so that it can recover. The call was not sent.",
        check: &[
            "Wait as long as Retry-After says: then one call tries.",
            "The page Odoo Connection says since when, and what the last failure was.",
        ],
        example: "The calls before this one timed out.",
        sentence: "Odoo failed too often in a row and is left alone for a moment. This call was not sent.",
        details: "",
    },
    Explained {
        code: ErrorCode::OdooTimeout,
        means: "Odoo did not answer in time. The method only reads, so nothing has changed; for one that may write it would be \
                outcome_unknown.",
        check: &[
            "Ask for fewer records or fields, or for a page at a time (limit, offset).",
            "A domain over a field that is not stored makes Odoo look at every record.",
            "The operator can raise ODOO_TIMEOUT_SECS, and a key's own runtime.",
        ],
        example: "A search_read of all orders with all fields.",
        sentence: "Odoo did not answer within 55 seconds.",
        details: "",
    },
    Explained {
        code: ErrorCode::OutcomeUnknown,
        means: "The call was sent, may have changed something, and its answer was lost. The bridge never sends it again by itself.",
        check: &[
            "Look in Odoo whether it happened before you send it again.",
            "With an Idempotency-Key, the same call gets the same answer instead of being done twice; for create, the mode \
             external-id finds the record that the first made.",
        ],
        example: "The connection broke after a create was sent.",
        sentence: "The call was sent to Odoo, but its answer was lost. It may have happened: look in Odoo before you send it again.",
        details: "",
    },
    Explained {
        code: ErrorCode::NotFound,
        means: "Nothing is at this address of the bridge.",
        check: &["Calls go to /call, below the bridge's own address."],
        example: "POST /jsonrpc",
        sentence: "Nothing is at this address of the bridge.",
        details: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_call_has_a_page_with_something_to_check() {
        for (page, code) in PAGES.iter().zip(ErrorCode::OF_CALL) {
            assert_eq!(page.code, code);
            assert!(explained(code.as_str()).is_some_and(|page| !page.check.is_empty()));
            if !page.details.is_empty() {
                let details: serde_json::Value = serde_json::from_str(page.details).expect("JSON");
                assert!(details.is_object());
            }
        }
        assert!(explained("no_such_code").is_none());
    }
}

//! The forms of `/keys/<id>/policy`. Each answers with the page itself, so that a
//! draft is not lost over a mistake and a new key is shown where it was asked for.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::audit::log::Actor;
use crate::calls::gateway::permitted;
use crate::calls::models::Asking;
use crate::calls::request::CallRequest;
use crate::calls::usage;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::issue;
use crate::keys::policy::{Policy, presets};
use crate::keys::policy_page::{Answer, GRACES, Notice, Question, Shown, print};
use crate::keys::shared_policies;
use crate::odoo::Party;
use crate::printed::http::{read_form, respond};
use crate::printed::parts::Printed;
use crate::session::guard;
use crate::state::AppState;

/// What the forms send; each sends what it has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicyForm {
    /// `save`, `save_shared`, `share`, `follow`, `rename_shared`, `remove_shared`, `why`, `preset`, `learn`, `limits`,
    /// `note`, `disable`, `enable` or `roll`.
    r#do: String,
    document: String,
    limits: String,
    preset: String,
    model: String,
    method: String,
    args: String,
    kwargs: String,
    grace: String,
    shared: String,
    shared_name: String,
    note: String,
    owner: Option<String>,
}

/// `POST /keys/<id>/policy`
pub async fn post_policy(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    let Some(by) = request.extensions().get::<Actor>().cloned() else {
        return guard::not_signed_in().into_response();
    };
    let answered = async {
        let (parts, form) = read_form::<PolicyForm>(request).await?;
        Ok::<_, AppError>((parts, answer(&state, &by, parse_id(&id)?, form).await?))
    };
    match answered.await {
        Ok((parts, shown)) => respond(&state, parts, printed(shown)).await,
        Err(error) => error.into_response(),
    }
}

/// `/keys/<id>/policy`
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn print_policy(state: &AppState, id: &str) -> Result<Printed> {
    let shown = without_calls(state, parse_id(id)?).await?;
    Ok(printed(with_calls(state, shown).await?))
}

fn parse_id(id: &str) -> Result<ApiKeyId> {
    id.parse()
        .map_err(|_| AppError::new(ErrorCode::NotFound, "There is no such key."))
}

fn printed(shown: Shown) -> Printed {
    Printed::of("What a key may do", || print(shown))
}

async fn answer(state: &AppState, by: &Actor, id: ApiKeyId, form: PolicyForm) -> Result<Shown> {
    use ErrorCode::{Conflict, Forbidden, InvalidRequest};
    let mut shown = without_calls(state, id).await?;
    shown.question = Question {
        model: form.model,
        method: form.method,
        args: form.args,
        kwargs: form.kwargs,
    };
    if matches!(&*form.r#do, "save" | "save_shared" | "share" | "why") {
        shown.document.clone_from(&form.document);
    }
    let (pool, keys) = (&state.pool, &state.keys);
    let done = match &*form.r#do {
        "save" => issue::set_policy(pool, keys, id, &form.document, by)
            .await
            .map(|_| Notice::Done("The policy is saved. It holds from now on, everywhere within a second.".into())),
        "save_shared" => match shown.follows {
            Some(policy) => shared_policies::change(pool, keys, policy, &form.document, by)
                .await
                .map(|()| {
                    Notice::Done("The shared policy is saved. All its keys follow, everywhere within a second.".into())
                }),
            None => Err(AppError::invalid("This key follows no shared policy.")),
        },
        "share" => shared_policies::share(pool, keys, id, &form.shared_name, &form.document, by)
            .await
            .map(|()| Notice::Done("The policy is shared. This key follows it; on their pages, others can.".into())),
        "follow" => {
            let policy = form
                .shared
                .parse()
                .map_err(|_| AppError::invalid("Choose a shared policy."))?;
            let followed = shared_policies::follow(pool, keys, id, policy, by).await;
            // From here on its document is the other's.
            if followed.is_ok() {
                shown.document = issue::policy_of(pool, id).await?;
            }
            followed.map(|()| Notice::Done("The key follows the shared policy from now on.".into()))
        }
        "rename_shared" => match shown.follows {
            Some(policy) => shared_policies::rename(pool, policy, &form.shared_name, by)
                .await
                .map(|()| Notice::Done("The shared policy has another name.".into())),
            None => Err(AppError::invalid("This key follows no shared policy.")),
        },
        "remove_shared" => {
            let policy = form
                .shared
                .parse()
                .map_err(|_| AppError::invalid("Choose a shared policy."))?;
            shared_policies::remove(pool, policy, by)
                .await
                .map(|()| Notice::Done("The shared policy is removed.".into()))
        }
        "why" => {
            let asked = why(state, &shown.document, &shown.question).await;
            match asked {
                Ok(answer) => {
                    shown.answer = Some(answer);
                    return with_calls(state, shown).await;
                }
                Err(error) => Err(error),
            }
        }
        "preset" => {
            presets::document(&form.preset)?.trim().clone_into(&mut shown.document);
            Ok(Notice::Done("It is in the editor. Nothing is saved yet.".into()))
        }
        "limits" => {
            shown.limits.clone_from(&form.limits);
            issue::set_limits(pool, keys, id, &form.limits, by).await.map(|_| {
                Notice::Done("The limits are saved. They hold from now on, everywhere within a second.".into())
            })
        }
        "learn" => match usage::least_policy(pool, &state.models, id, &Policy::load(&shown.document)).await? {
            Some(document) => {
                shown.document = serde_json::to_string_pretty(&document).map_err(AppError::internal)?;
                Ok(Notice::Done(
                    "The least that covers what it has called is in the editor. Nothing is saved yet.".into(),
                ))
            }
            None => Err(AppError::invalid(
                "There is nothing to learn: Odoo did no call of it lately that a policy may give.",
            )),
        },
        "note" => {
            let noted = issue::set_note(pool, keys, id, &form.note, by).await;
            let owned = match (&noted, &form.owner) {
                (Ok(_), Some(owner)) => issue::set_owner(pool, keys, id, owner, by).await,
                _ => noted,
            };
            owned.map(|_| Notice::Done("The note is saved.".into()))
        }
        "disable" | "enable" => issue::set_disabled(pool, keys, id, form.r#do == "disable", by)
            .await
            .map(|key| Notice::Done(format!("The key is {} now.", key.status.label().to_lowercase()))),
        "roll" => match GRACES.iter().find(|(secs, _)| secs.to_string() == form.grace) {
            Some((secs, _)) => issue::roll(pool, keys, id, *secs, by)
                .await
                .map(|created| Notice::NewKey(created.plaintext)),
            None => Err(AppError::invalid("Choose when the old key ends.")),
        },
        _ => Err(AppError::invalid("This form does nothing.")),
    };
    let (document, limits, question) = (shown.document, shown.limits, shown.question);
    let notice = match done {
        Ok(notice) => notice,
        Err(error) if matches!(error.code, InvalidRequest | Conflict | Forbidden) => {
            Notice::Wrong(error.message.into_owned())
        }
        Err(error) => return Err(error),
    };
    let shown = Shown {
        document,
        limits,
        question,
        notice: Some(notice),
        ..without_calls(state, id).await?
    };
    with_calls(state, shown).await
}

/// Holds the document in the editor against what the key called.
async fn with_calls(state: &AppState, mut shown: Shown) -> Result<Shown> {
    let policy = Policy::load(&shown.document);
    shown.replay = usage::replay(&state.pool, &state.models, &policy, shown.key.id, shown.follows).await?;
    Ok(shown)
}

async fn without_calls(state: &AppState, id: ApiKeyId) -> Result<Shown> {
    Ok(Shown {
        key: issue::find(&state.pool, id).await?,
        document: issue::policy_of(&state.pool, id).await?,
        limits: issue::limits_of(&state.pool, id).await?,
        about: issue::about(&state.pool, id).await?,
        now: Utc::now(),
        replay: usage::Replay::default(),
        shared: shared_policies::list(&state.pool).await?,
        follows: shared_policies::followed_by(&state.pool, id).await?,
        limits_are_shared: state.instances.is_some(),
        notice: None,
        question: Question::default(),
        answer: None,
    })
}

/// What a document says to a call. Odoo is asked for nothing but the fields of models.
async fn why(state: &AppState, document: &str, question: &Question) -> Result<Answer> {
    let policy = Policy::parse(document)?;
    let json = |text: &str, empty: &str| -> Result<Box<RawValue>> {
        let text = if text.trim().is_empty() { empty } else { text };
        RawValue::from_string(text.trim().to_owned()).map_err(|_| AppError::invalid("args and kwargs must be JSON."))
    };
    let (args, kwargs) = (json(&question.args, "[]")?, json(&question.kwargs, "{}")?);
    let body = serde_json::json!({
        "model": question.model.trim(), "method": question.method.trim(), "args": args, "kwargs": kwargs
    });
    let body = body.to_string();
    let request = CallRequest::parse(body.as_bytes())?;
    match permitted(&policy, &state.models, &request, &mut Asking::of(Party::BRIDGE)).await {
        Ok(permitted) => Ok(Answer {
            is_allowed: true,
            sentence: match permitted.rule {
                0 if policy == Policy::Full => "The policy is full access: nothing is looked at.".into(),
                0 => "The policy is read only, and this reads.".into(),
                number => format!("By rule {number}."),
            },
            rewritten: permitted
                .rewritten
                .map(|(args, kwargs)| format!("args {args}, kwargs {kwargs}")),
        }),
        Err(error) if error.code == ErrorCode::PolicyDenied => Ok(Answer {
            is_allowed: false,
            sentence: match error.details.as_ref().and_then(|details| details["rule"].as_str()) {
                Some(rule) => format!("{} (by \u{201c}{rule}\u{201d})", error.message),
                None => error.message.into_owned(),
            },
            rewritten: None,
        }),
        Err(error) => Err(error),
    }
}

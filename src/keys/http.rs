//! The forms of `/keys/<id>/policy`. Each answers with the page itself, so that a
//! draft is not lost over a mistake and a new key is shown where it was asked for.

use axum::extract::{Form, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::{HeaderValue, Method, header};
use leptos::prelude::{Owner, provide_context};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::calls::gateway::permitted;
use crate::calls::records;
use crate::calls::request::CallRequest;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::issue;
use crate::keys::policy::usage::learn;
use crate::keys::policy::{Policy, presets};
use crate::keys::policy_page::{Answer, GRACES, Notice, Question, Shown, print};
use crate::keys::shared_policies;
use crate::server::shell::shell;
use crate::session::guard;
use crate::session::model::SignedIn;
use crate::state::AppState;

/// What the forms send; each sends what it has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicyForm {
    /// `save`, `save_shared`, `share`, `follow`, `why`, `preset`, `learn`, `limits`,
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
}

/// A page that was printed for this very request.
#[derive(Clone)]
pub struct PrintedNow(pub String);

/// `POST /keys/<id>/policy`
pub async fn post_policy(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(user) = parts.extensions.get::<SignedIn>().cloned() else {
        return guard::not_signed_in().into_response();
    };
    let form = Request::from_parts(parts.clone(), body);
    let form = match <Form<PolicyForm> as axum::extract::FromRequest<()>>::from_request(form, &()).await {
        Ok(Form(form)) => form,
        Err(_) => return AppError::invalid("A field of this form is missing or malformed.").into_response(),
    };
    let printed = match id.parse::<ApiKeyId>() {
        Ok(id) => answer(&state, &user, id, form).await,
        Err(_) => Err(AppError::new(ErrorCode::NotFound, "There is no such key.")),
    };
    let printed = match printed {
        // There is no page around it yet.
        Ok(shown) => PrintedNow(Owner::new().with(|| print(shown))),
        Err(error) => return error.into_response(),
    };
    parts.method = Method::GET;
    parts.headers.remove(header::CONTENT_LENGTH);
    let options = state.leptos_options.clone();
    let render = leptos_axum::render_app_async_with_context(
        move || {
            provide_context(state.clone());
            provide_context(printed.clone());
        },
        move || shell(options.clone()),
    );
    let mut response = render(Request::from_parts(parts, axum::body::Body::empty())).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(state: &AppState, user: &SignedIn, id: ApiKeyId, form: PolicyForm) -> Result<Shown> {
    let mut shown = page(state, id).await?;
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
        "save" => issue::set_policy(pool, keys, id, &form.document, user.id)
            .await
            .map(|_| Notice::Done("The policy is saved. It holds from now on, everywhere within a second.".into())),
        "save_shared" => match shown.follows {
            Some(policy) => shared_policies::change(pool, keys, policy, &form.document, user.id)
                .await
                .map(|()| {
                    Notice::Done("The shared policy is saved. All its keys follow, everywhere within a second.".into())
                }),
            None => Err(AppError::invalid("This key follows no shared policy.")),
        },
        "share" => shared_policies::share(pool, keys, id, &form.shared_name, &form.document, user.id)
            .await
            .map(|()| Notice::Done("The policy is shared. This key follows it; on their pages, others can.".into())),
        "follow" => {
            let policy = form
                .shared
                .parse()
                .map_err(|_| AppError::invalid("Choose a shared policy."))?;
            let followed = shared_policies::follow(pool, keys, id, policy, user.id).await;
            // From here on its document is the other's.
            if followed.is_ok() {
                shown.document = issue::policy_of(pool, id).await?;
            }
            followed.map(|()| Notice::Done("The key follows the shared policy from now on.".into()))
        }
        "why" => {
            let asked = why(state, &shown.document, &shown.question).await;
            match asked {
                Ok(answer) => {
                    shown.answer = Some(answer);
                    return Ok(shown);
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
            issue::set_limits(pool, keys, id, &form.limits, user.id).await.map(|_| {
                Notice::Done("The limits are saved. They hold from now on, everywhere within a second.".into())
            })
        }
        "learn" => match learn(&shown.used) {
            Some(document) => {
                shown.document = serde_json::to_string_pretty(&document).map_err(AppError::internal)?;
                Ok(Notice::Done(
                    "What it has called is in the editor, by model and method. Add the fields, and save it.".into(),
                ))
            }
            None => Err(AppError::invalid(
                "There is nothing to learn: none of its last calls went to Odoo with something that a policy may give.",
            )),
        },
        "note" => issue::set_note(pool, id, &form.note)
            .await
            .map(|()| Notice::Done("The note is saved.".into())),
        "disable" | "enable" => issue::set_disabled(pool, keys, id, form.r#do == "disable", user.id)
            .await
            .map(|key| Notice::Done(format!("The key is {} now.", key.status.label().to_lowercase()))),
        "roll" => match GRACES.iter().find(|(secs, _)| secs.to_string() == form.grace) {
            Some((secs, _)) => issue::roll(pool, keys, id, *secs, user.id)
                .await
                .map(|created| Notice::NewKey(created.plaintext)),
            None => Err(AppError::invalid("Choose when the old key ends.")),
        },
        _ => Err(AppError::invalid("This form does nothing.")),
    };
    let (document, limits, question) = (shown.document, shown.limits, shown.question);
    let notice = match done {
        Ok(notice) => notice,
        Err(error) if error.code == ErrorCode::InvalidRequest || error.code == ErrorCode::Conflict => {
            Notice::Wrong(error.message.into_owned())
        }
        Err(error) => return Err(error),
    };
    Ok(Shown {
        document,
        limits,
        question,
        notice: Some(notice),
        ..page(state, id).await?
    })
}

/// The page as it is without any form.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn page(state: &AppState, id: ApiKeyId) -> Result<Shown> {
    Ok(Shown {
        key: issue::find(&state.pool, id).await?,
        document: issue::policy_of(&state.pool, id).await?,
        limits: issue::limits_of(&state.pool, id).await?,
        about: issue::about(&state.pool, id).await?,
        now: Utc::now(),
        used: records::used_by(&state.pool, id).await?,
        shared: shared_policies::list(&state.pool).await?,
        follows: shared_policies::of_key(&state.pool, id).await?,
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
    match permitted(&policy, &state.models, &request).await {
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

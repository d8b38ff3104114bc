//! `/speed-test/channels`, for admins: whatever is told leads out of the house.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use secrecy::SecretString;

use crate::alerts::channels;
use crate::alerts::model::{ChannelKind, parse_name};
use crate::alerts::page::{self, Shown};
use crate::audit::log::Actor;
use crate::error::{AppError, Result};
use crate::ids::AlertChannelId;
use crate::printed::http::{field, read_form, respond};
use crate::printed::parts::{Notice, Printed};
use crate::session::guard;
use crate::session::http::told;
use crate::state::AppState;

type Pairs = Vec<(String, String)>;

/// `/speed-test/channels`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_channels(state: &AppState, by: &Actor) -> Result<Printed> {
    page(state, by, None, None).await
}

async fn page(state: &AppState, by: &Actor, notice: Option<Notice>, key: Option<SecretString>) -> Result<Printed> {
    let shown = Shown {
        is_fresh: by.user.as_ref().is_some_and(|user| user.is_fresh(Utc::now())),
        can_mail: state.alerts.can_mail(),
        channels: channels::list(&state.pool, &state.sealing).await?,
        deliveries: channels::deliveries(&state.pool).await?,
        key,
        notice,
    };
    Ok(Printed::of("Alert channels", || page::print(shown)))
}

/// `POST /speed-test/channels`
pub async fn post_channels(State(state): State<AppState>, request: Request) -> Response {
    let answered = async {
        let by = request.extensions().get::<Actor>().cloned();
        let by = by.ok_or_else(guard::not_signed_in)?;
        let (parts, form) = read_form::<Pairs>(request).await?;
        let (notice, key) = match change(&state, &by, &form).await {
            Ok(done) => done,
            Err(error) => (told(error)?, None),
        };
        let printed = page(&state, &by, Some(notice), key).await?;
        Ok(respond(&state, parts, printed).await)
    };
    answered.await.unwrap_or_else(|error: AppError| error.into_response())
}

async fn change(state: &AppState, by: &Actor, form: &Pairs) -> Result<(Notice, Option<SecretString>)> {
    let id = || {
        let id = field(form, "channel").parse::<AlertChannelId>();
        id.map_err(|_| AppError::invalid("Choose a channel."))
    };
    match field(form, "do") {
        "add" => {
            guard::require_fresh(by)?;
            let kind = ChannelKind::from_word(field(form, "kind"));
            let kind = kind.ok_or_else(|| AppError::invalid("Kind: choose webhook or e-mail."))?;
            let name = parse_name(field(form, "name"))?;
            let key = channels::add(&state.pool, &state.sealing, name, kind, field(form, "address"), by).await?;
            let done = "The channel is added. Send a test to see whether it arrives.";
            Ok((Notice::Done(done.into()), key))
        }
        "remove" => {
            guard::require_fresh(by)?;
            channels::remove(&state.pool, id()?, by).await?;
            Ok((Notice::Done("The channel is removed.".into()), None))
        }
        "test" => {
            let sent = channels::try_out(&state.pool, &state.sealing, &state.alerts, id()?).await?;
            let notice = match sent {
                Ok(()) => Notice::Done("The test arrived.".into()),
                Err(why) => Notice::Wrong(format!("The test did not arrive: {why}.")),
            };
            Ok((notice, None))
        }
        _ => Err(AppError::invalid("This form does nothing.")),
    }
}

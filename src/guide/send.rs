//! Sends a request of the *Try it* panel to this bridge. The key goes into one
//! header of one request and is kept nowhere.

use gloo_net::http::Request;
use web_sys::{AbortController, RequestCredentials};

use crate::guide::model::Reply;

/// Ends the request when the future that waits for it is dropped.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends `body` to `/call` and waits for the whole answer, whatever its status.
///
/// # Errors
/// A sentence for the person if no answer came.
pub async fn send(body: String, key: String) -> Result<Reply, String> {
    let unsendable = |_| "The browser refuses to send this. Reload the page and try again.".to_owned();
    let abort = AbortOnDrop(AbortController::new().map_err(|_| "This browser is too old for this panel.".to_owned())?);
    let started_ms = now_ms();
    let response = Request::post("/call")
        .header("Content-Type", "application/json")
        .header("X-API-KEY", &key)
        // The session's cookie has no place in a client's request.
        .credentials(RequestCredentials::Omit)
        .abort_signal(Some(&abort.0.signal()))
        .body(body)
        .map_err(unsendable)?
        .send()
        .await
        .map_err(|_| "No answer came: the bridge can't be reached. Check your connection and try again.".to_owned())?;
    let body = response
        .text()
        .await
        .map_err(|_| "The answer broke off on its way. Try again.".to_owned())?;
    Ok(Reply {
        status: response.status(),
        elapsed_ms: whole_ms(now_ms() - started_ms),
        headers: response.headers().entries().collect(),
        body,
    })
}

/// Milliseconds since the page was opened, to a fraction.
fn now_ms() -> f64 {
    web_sys::window()
        .and_then(|window| window.performance())
        .map_or(0.0, |performance| performance.now())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an answer takes less than 49 days, and time does not run backwards"
)]
fn whole_ms(ms: f64) -> u32 {
    ms.round() as u32
}

//! The server's stand-in for `send`: pages are rendered there, but no click
//! happens, so nothing is ever sent.

use crate::guide::model::Reply;

/// Never called: only the browser has a button to click.
///
/// # Errors
/// Always.
pub async fn send(_body: String, _key: String) -> Result<Reply, String> {
    Err("Requests are sent by the browser only.".into())
}

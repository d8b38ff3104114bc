//! What the dashboard asks of the server about the way to Odoo. Needs a signed-in
//! person; an API key never reaches it.

use leptos::prelude::*;

use crate::connection::model::ConnectionStatus;
use crate::error::Result;

/// How the bridge gets into Odoo at this moment. Odoo itself is not asked.
///
/// # Errors
/// `unauthenticated`.
#[server(prefix = "/api", endpoint = "get_connection", input = server_fn::codec::Json)]
pub async fn get_connection() -> Result<ConnectionStatus> {
    use crate::connection::report::status_of;
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let state = state()?;
        Ok(status_of(
            state.odoo.report(),
            state.records.written(),
            state.records.dropped(),
        ))
    })
    .await
}

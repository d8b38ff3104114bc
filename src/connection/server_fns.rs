//! What the dashboard asks of the server about the way to Odoo. Needs a signed-in
//! person; an API key never reaches it.

use leptos::prelude::*;

use crate::error::Result;

/// How the bridge gets into Odoo at this moment, as HTML. Odoo itself is not asked.
///
/// # Errors
/// `unauthenticated`.
#[server(prefix = "/api", endpoint = "print_connection", input = server_fn::codec::Json)]
pub async fn print_connection() -> Result<String> {
    use crate::connection::page::print;
    use crate::connection::report::status_of;
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let state = state()?;
        let records = &state.records;
        Ok(print(status_of(
            state.odoo.report(),
            records.written(),
            records.dropped(),
        )))
    })
    .await
}

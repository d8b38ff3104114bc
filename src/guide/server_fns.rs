//! What the guide asks of the server.

use leptos::prelude::*;

use crate::error::Result;
use crate::guide::model::Guide;

/// The guide for this bridge, with its own address in every snippet.
///
/// # Errors
/// `unauthenticated`, `internal`.
#[server(prefix = "/api", endpoint = "get_guide", input = server_fn::codec::Json)]
pub async fn get_guide() -> Result<Guide> {
    use http::request::Parts;

    use crate::error::{AppError, answer};
    use crate::guide::{printed, reference};
    use crate::server::{openapi, origin};
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        signed_in()?;
        let parts = use_context::<Parts>().ok_or_else(|| AppError::internal("no request in the context"))?;
        let origin = origin::own_origin(&parts.headers, &state()?.settings);
        Ok(printed::guide(&origin, reference::endpoints(&openapi::document())))
    })
    .await
}

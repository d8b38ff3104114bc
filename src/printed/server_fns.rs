//! What the printed pages ask of the server.

use leptos::prelude::*;

use crate::error::Result;

/// Title and HTML of the printed page at `path`, with `search` after its `?`.
///
/// # Errors
/// `unauthenticated`, `forbidden`, `not_found`, and those of the page.
#[server(prefix = "/api", endpoint = "print_page", input = server_fn::codec::Json)]
pub async fn print_page(
    /// Such as `/connection`.
    path: String,
    /// Such as `by=ann%40example.com`; may be empty.
    search: String,
) -> Result<(String, String)> {
    use crate::error::answer;
    use crate::printed::pages::print;

    answer(async {
        // In a box: it is as large as the largest page.
        let printed = Box::pin(print(&path, &search)).await?;
        Ok((printed.title, printed.html))
    })
    .await
}

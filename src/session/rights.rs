//! Which role may do what. One table: an address that is not in it is the admins'.

use http::Method;

use crate::error::{AppError, ErrorCode, Result};
use crate::session::model::Role;

/// Pages for admins: other people, what everybody did, and what leads out of the house.
const ADMIN_PAGES: [&str; 4] = ["/people", "/audit", "/audit.csv", "/speed-test/channels"];

/// What everybody may send: questions, and what concerns their own account.
const OF_VIEWERS: [&str; 20] = [
    "/account/security",
    "/api/add_passkey",
    "/api/ask_for_new_passkey",
    "/api/ask_for_passkey",
    "/api/change_password",
    "/api/find_key",
    "/api/get_frame",
    "/api/get_guide",
    "/api/key_calls",
    "/api/list_keys",
    "/api/list_speed_tests",
    "/api/print_key_calls",
    "/api/print_page",
    "/api/set_theme",
    "/api/set_up",
    "/api/sign_in",
    "/api/sign_in_with_passkey",
    "/api/sign_out",
    "/confirm",
    "/login/code",
];

/// What operators may send besides.
const OF_OPERATORS: [&str; 9] = [
    "/api/create_key",
    "/api/revoke_key",
    "/api/run_speed_test",
    "/api/set_share_reads",
    "/keys/{id}/policy",
    "/policies",
    "/speed-test/runs",
    "/speed-test/runs/{id}",
    "/speed-test/schedules",
];

/// The least role that may do this.
#[must_use]
pub fn needed(method: &Method, path: &str) -> Role {
    if matches!(*method, Method::GET | Method::HEAD) {
        return if ADMIN_PAGES.contains(&path) {
            Role::Admin
        } else {
            Role::Viewer
        };
    }
    let is_id = |id: Option<&str>| id.is_some_and(|id| !id.is_empty() && !id.contains('/'));
    let route = if is_id(
        path.strip_prefix("/keys/")
            .and_then(|rest| rest.strip_suffix("/policy")),
    ) {
        "/keys/{id}/policy"
    } else if is_id(path.strip_prefix("/speed-test/runs/")) {
        "/speed-test/runs/{id}"
    } else {
        path
    };
    if OF_VIEWERS.contains(&route) {
        Role::Viewer
    } else if OF_OPERATORS.contains(&route) {
        Role::Operator
    } else {
        Role::Admin
    }
}

/// Lets `role` do this or says who may.
///
/// # Errors
/// `forbidden`.
pub fn check(role: Role, method: &Method, path: &str) -> Result<()> {
    let needed = needed(method, path);
    if role >= needed {
        return Ok(());
    }
    Err(AppError::new(
        ErrorCode::Forbidden,
        match needed {
            Role::Admin => "Only an admin may do this.",
            _ => "You may look at everything here and change nothing. An operator or admin can do this.",
        },
    ))
}

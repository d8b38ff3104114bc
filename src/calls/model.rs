//! What a call is, for those who describe it.

/// The address of the gateway below the bridge's own.
pub const PATH: &str = "/call";

/// The header that carries the key.
pub const KEY_HEADER: &str = "X-API-KEY";

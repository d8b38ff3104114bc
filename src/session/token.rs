//! The secrets that open a door without a password: a session's token (in the
//! cookie), and the set-up token (on the terminal). Neither prints itself; of a
//! session's token only the hash is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{AppError, Result};

/// Random bytes in a session's token.
const TOKEN_BYTES: usize = 32;
/// Characters of the set-up token: 142 bits.
const SETUP_TOKEN_CHARS: usize = 24;

/// In which cookie a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Of a session.
    Session,
    /// Of whoever gave the password and still owes the code of the second factor.
    Pending,
    /// Of a browser in which somebody signed in before. It opens nothing.
    Device,
}

impl Cookie {
    /// On https its name has the prefix `__Host-`, which binds it to this host and to
    /// encryption.
    const fn name(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Session, false) => "bridge_session",
            (Self::Session, true) => "__Host-bridge_session",
            (Self::Pending, false) => "bridge_pending",
            (Self::Pending, true) => "__Host-bridge_pending",
            (Self::Device, false) => "bridge_device",
            (Self::Device, true) => "__Host-bridge_device",
        }
    }

    /// The `Set-Cookie` that makes the browser forget it.
    ///
    /// # Errors
    /// None in practice: it is a fixed text.
    pub fn forget(self, https: bool) -> Result<HeaderValue> {
        self.set("", https, 0)
    }

    fn set(self, value: &str, https: bool, max_age_secs: i64) -> Result<HeaderValue> {
        let name = self.name(https);
        let secure = if https { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::from_str(&text).map_err(AppError::internal)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// What the browser holds: whoever has a session's is signed in. What an invitation's
/// link holds is one, too.
#[derive(Clone)]
pub struct SessionToken(SecretString);

impl SessionToken {
    /// 256 new random bits.
    #[must_use]
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>()).into())
    }

    /// The token in a request's cookies, if there is one that could be ours.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, cookie: Cookie, https: bool) -> Option<Self> {
        let name = cookie.name(https);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .find_map(|(_, value)| Self::parse(value))
    }

    /// The token that this text could be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == TOKEN_BYTES).then(|| Self(text.into()))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.expose_secret()).into())
    }

    /// The `Set-Cookie` that gives it to the browser for `max_age_secs`.
    ///
    /// # Errors
    /// None in practice: a token is plain ASCII.
    pub fn to_cookie(&self, cookie: Cookie, https: bool, max_age_secs: i64) -> Result<HeaderValue> {
        cookie.set(self.0.expose_secret(), https, max_age_secs)
    }

    /// For an invitation's link, which is shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// SHA-256 of a session's token: finds the session, opens nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenHash").finish_non_exhaustive()
    }
}

impl TokenHash {
    /// As the database keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What `/setup` asks for: printed on the terminal at each start, so that only
/// who started the bridge makes its first account.
#[derive(Clone)]
pub struct SetupToken(SecretString);

impl SetupToken {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        let text: String = rand::rng()
            .sample_iter(Alphanumeric)
            .take(SETUP_TOKEN_CHARS)
            .map(char::from)
            .collect();
        Self(text.into())
    }

    /// Whether `text` is it; takes as long wherever they differ. Blanks around,
    /// as copying leaves them, do not count.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        text.trim().as_bytes().ct_eq(self.0.expose_secret().as_bytes()).into()
    }

    /// The token, for the terminal only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(text).expect("a header"))])
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let cookie = SessionToken::generate()
            .to_cookie(Cookie::Session, false, 60)
            .expect("a header");
        let text = cookie.to_str().expect("text");
        assert!(text.starts_with("bridge_session="), "{text}");
        assert!(text.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"), "{text}");
    }

    #[test]
    fn on_https_the_cookie_is_secure_and_bound_to_the_host() {
        let cookie = SessionToken::generate()
            .to_cookie(Cookie::Session, true, 60)
            .expect("a header");
        let text = cookie.to_str().expect("text");
        assert!(text.starts_with("__Host-bridge_session="), "{text}");
        assert!(text.ends_with("; Secure"), "{text}");
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let token = SessionToken::generate();
        let cookie = token.to_cookie(Cookie::Session, false, 60).expect("a header");
        let pair = cookie.to_str().expect("text").split(';').next().expect("a pair");
        let found = SessionToken::from_headers(
            &cookies(&format!("theme=dark; bridge_session=junk; {pair}")),
            Cookie::Session,
            false,
        );
        assert!(found.is_some_and(|found| found.hash() == token.hash()));
        assert!(
            SessionToken::from_headers(&cookies(pair), Cookie::Session, true).is_none(),
            "the http cookie counts for nothing on https"
        );
        assert!(
            SessionToken::from_headers(&cookies(pair), Cookie::Pending, false).is_none(),
            "a session's is no other"
        );
    }

    #[test]
    fn a_malformed_cookie_is_no_token() {
        for wrong in [
            "",
            "bridge_session",
            "bridge_session=",
            "bridge_session=AAAA",
            "bridge_session=%00",
            "=;=;",
            ";;;",
        ] {
            assert!(
                SessionToken::from_headers(&cookies(wrong), Cookie::Session, false).is_none(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn the_setup_token_matches_itself_only() {
        let token = SetupToken::generate();
        assert_eq!(token.reveal().len(), SETUP_TOKEN_CHARS);
        assert!(token.matches(&format!(" {}\n", token.reveal())));
        assert!(!token.matches(""));
        assert!(!token.matches(&token.reveal()[1..]));
        assert!(!token.matches(SetupToken::generate().reveal()));
    }
}

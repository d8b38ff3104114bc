//! Sends one delivery to one channel, within ten seconds. Where it went to and what came back
//! is in no error: an address may be a password.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::alerts::model::Target;
use crate::config::{ConfigError, MailSettings};
use crate::odoo::destination::{Forbidden, Resolver};

/// Within which a delivery has to arrive.
pub const WITHIN: Duration = Duration::from_secs(10);
/// The header that names a delivery, the same however often it is tried.
const X_DELIVERY: &str = "x-bridge-delivery";
/// The header by which its receiver knows that it is ours.
const X_SIGNATURE: &str = "x-bridge-signature";

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// What sends. Without a mail server no letter goes.
pub struct Sender {
    client: reqwest::Client,
    mail: Option<(Transport, Mailbox)>,
    /// The origin that people see, for links.
    origin: Option<String>,
}

/// What is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Names it: whoever gets it twice knows by this.
    pub id: Uuid,
    /// In one line.
    pub subject: String,
    /// Everything, for programs.
    pub body: Value,
    /// A page of the dashboard that says more.
    pub page: String,
}

impl Sender {
    /// Connects to nobody.
    ///
    /// # Errors
    /// When the mail settings can't be.
    pub fn new(mail: Option<MailSettings>, origin: Option<String>) -> Result<Self, ConfigError> {
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            // It would carry what is told to an address that nobody set.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Resolver::of_the_system())
            .pool_max_idle_per_host(0)
            .user_agent(concat!("odoo-bridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConfigError(format!("webhooks can't be prepared: {error}")))?;
        let mail = mail.map(|mail| Ok::<_, ConfigError>((transport(&mail.url)?, mail.from)));
        Ok(Self {
            client,
            mail: mail.transpose()?,
            origin,
        })
    }

    /// Whether there is a mail server.
    #[must_use]
    pub const fn can_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Signs in at the mail server, and sends nothing.
    ///
    /// # Errors
    /// Why that does not work, as a sentence.
    pub async fn check_mail(&self) -> Result<(), String> {
        let Some((transport, _)) = &self.mail else {
            return Ok(());
        };
        match tokio::time::timeout(WITHIN, transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server ends the connection".into()),
            Ok(Err(error)) => Err(why_no_letter(&error)),
            Err(_) => Err(late()),
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// Why it did not arrive, as a sentence without the address.
    pub async fn send(&self, target: &Target, told: &Told) -> Result<(), String> {
        let sent = async {
            match target {
                Target::Webhook { url, key } => self.post(url, key, told).await,
                Target::Email { to } => self.mail(to, told).await,
            }
        };
        tokio::time::timeout(WITHIN, sent).await.unwrap_or_else(|_| Err(late()))
    }

    async fn post(&self, url: &SecretString, key: &SecretString, told: &Told) -> Result<(), String> {
        let mut body = told.body.clone();
        body["id"] = told.id.to_string().into();
        body["url"] = self.link(&told.page).into();
        let body = body.to_string();
        let at = chrono::Utc::now().timestamp();
        // An address that is no name is looked up by nobody, so it is judged here, too.
        let url = reqwest::Url::parse(url.expose_secret()).map_err(|_| "its address is none".to_owned())?;
        crate::odoo::destination::check(&url).map_err(|why| format!("its address {why}"))?;
        let request = self
            .client
            .post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(X_DELIVERY, told.id.to_string())
            .header(X_SIGNATURE, signature(key, at, &body))
            .body(body);
        let answer = request.send().await.map_err(|error| why_no_post(&error))?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            status @ 300..=399 => Err(format!("it answered {status}, and redirects are not followed")),
            status => Err(format!("it answered {status}")),
        }
    }

    async fn mail(&self, to: &SecretString, told: &Told) -> Result<(), String> {
        let Some((transport, from)) = &self.mail else {
            return Err("no mail server is set (BRIDGE_SMTP_URL)".into());
        };
        let to: Mailbox = to
            .expose_secret()
            .parse()
            .map_err(|_| "its address is none".to_owned())?;
        let domain = from.email.domain();
        let message = Message::builder()
            .from(from.clone())
            .to(to)
            .subject(format!("[Odoo Bridge] {}", told.subject))
            // The same however often it is tried: mail programs show it once.
            .message_id(Some(format!("<{}@{domain}>", told.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(self.letter(told))
            .map_err(|_| "the letter can't be written".to_owned())?;
        transport
            .send(message)
            .await
            .map(drop)
            .map_err(|error| why_no_letter(&error))
    }

    fn letter(&self, told: &Told) -> String {
        let text = |name: &str| told.body[name].as_str().unwrap_or_default().to_owned();
        let mut lines = vec![told.subject.clone(), String::new()];
        for (label, name) in [("Rule", "rule"), ("Test", "test"), ("Since", "since")] {
            let value = text(name);
            if !value.is_empty() {
                lines.push(format!("{label}: {value}"));
            }
        }
        for way in told.body["ways"].as_array().into_iter().flatten() {
            lines.push(format!(
                "{}: p95 {} ms, limit {} ms",
                way["way"].as_str().unwrap_or_default(),
                way["p95_ms"],
                way["limit_ms"]
            ));
        }
        lines.push(String::new());
        lines.push(self.link(&told.page));
        lines.join("\n")
    }

    /// Without an origin in the settings a path must do.
    fn link(&self, page: &str) -> String {
        format!("{}{page}", self.origin.as_deref().unwrap_or_default())
    }
}

/// `t=<seconds since 1970>,v1=<HMAC-SHA256 over "<seconds>.<body>", in hex>`. The time is in it,
/// so that nobody can send an old one again.
fn signature(key: &SecretString, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

/// The way to a mail server.
///
/// # Errors
/// When the address is none; it is not repeated.
pub fn transport(url: &SecretString) -> Result<Transport, ConfigError> {
    let wrong = || {
        ConfigError("BRIDGE_SMTP_URL must look like smtps://user:password@mail.example.com, or smtp://user:password@mail.example.com:587?tls=required.".into())
    };
    let builder = Transport::from_url(url.expose_secret()).map_err(|_| wrong())?;
    Ok(builder.timeout(Some(WITHIN)).build())
}

fn late() -> String {
    format!("no answer within {} seconds", WITHIN.as_secs())
}

fn why_no_post(error: &reqwest::Error) -> String {
    if Forbidden::is_behind(error) {
        return format!("its name leads to {Forbidden}, to which the bridge never connects");
    }
    if error.is_timeout() {
        return late();
    }
    if error.is_connect() {
        return "no connection: nobody listens there, its name is unknown, or its certificate is not trusted".into();
    }
    "the connection was cut".into()
}

fn why_no_letter(error: &lettre::transport::smtp::Error) -> String {
    if let Some(code) = error.status() {
        return format!("the mail server refuses it ({code})");
    }
    if error.is_timeout() {
        return late();
    }
    if error.is_tls() {
        return "the mail server's certificate is not trusted, or it speaks no TLS".into();
    }
    "no connection to the mail server".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_time_and_body() {
        let key = SecretString::from("key");
        // printf '7.{}' | openssl dgst -sha256 -hmac key
        let told = signature(&key, 7, "{}");
        assert!(told.starts_with("t=7,v1=") && told.len() == 7 + 64, "{told}");
        assert_ne!(told, signature(&key, 8, "{}"));
        assert_ne!(told, signature(&key, 7, "{ }"));
        assert_ne!(told, signature(&SecretString::from("other"), 7, "{}"));
    }

    #[test]
    fn a_wrong_mail_server_is_not_repeated() {
        for wrong in [
            "",
            "mail.example.com",
            "http://:hunter2@mail",
            "smtp://a:hunter2@mail?tls=maybe",
        ] {
            let error = transport(&wrong.to_owned().into()).expect_err(wrong);
            assert!(
                error.0.starts_with("BRIDGE_SMTP_URL") && !error.0.contains("hunter2"),
                "{error}"
            );
        }
    }
}

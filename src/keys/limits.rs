//! At which pace a key may call, how often, from where, and how large its answers may
//! be. Like a policy a document that is read strictly.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{AppError, Result};

/// The largest document, in bytes.
const DOCUMENT_MAX_BYTES: usize = 16 * 1024;
/// The most networks that a key may be bound to.
const ADDRESSES_MAX: usize = 100;

/// The limits of a key; what is `None` or empty is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls a minute, as a steady pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Calls that may come at once before the pace binds; a minute's worth if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Calls a day, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// Calls a calendar month, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_month: Option<u32>,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// The only networks that calls may come from: `192.0.2.7` or `192.0.2.0/24`.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "networks")]
    pub addresses: Vec<IpNet>,
    /// The web pages that may call with this key: `https://shop.example.com`. A key that a
    /// page holds is public by nature, so that it may only read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// How long Odoo may take until its answer begins, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_runtime_secs: Option<u32>,
    /// The largest result, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_answer_bytes: Option<u64>,
}

impl Limits {
    /// Reads and checks a document; nothing is no limit.
    ///
    /// # Errors
    /// `invalid_request` with a sentence that names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > DOCUMENT_MAX_BYTES {
            return Err(AppError::invalid(format!(
                "The limits are larger than {DOCUMENT_MAX_BYTES} bytes."
            )));
        }
        let text = if text.trim().is_empty() { "{}" } else { text };
        let limits: Self = serde_json::from_str(text)
            .map_err(|error| AppError::invalid(format!("The limits can't be read: {error}.")))?;
        let numbers = [
            ("per_minute", limits.per_minute),
            ("burst", limits.burst),
            ("per_day", limits.per_day),
            ("per_month", limits.per_month),
            ("concurrent", limits.concurrent),
            ("max_runtime_secs", limits.max_runtime_secs),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, number)| *number == Some(0)) {
            return Err(AppError::invalid(format!(
                "{name} must be at least 1. To let nothing through, switch the key off."
            )));
        }
        if limits.max_answer_bytes == Some(0) {
            return Err(AppError::invalid("max_answer_bytes must be at least 1."));
        }
        if limits.burst.is_some() && limits.per_minute.is_none() {
            return Err(AppError::invalid("burst counts only with per_minute."));
        }
        if limits.origins.len() > ADDRESSES_MAX {
            return Err(AppError::invalid(format!(
                "There are more than {ADDRESSES_MAX} origins."
            )));
        }
        if let Some(origin) = limits.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(AppError::invalid(format!(
                "\"{origin}\" is no origin. Write scheme, host and port as a browser does: https://shop.example.com"
            )));
        }
        if limits.addresses.len() > ADDRESSES_MAX {
            return Err(AppError::invalid(format!(
                "There are more than {ADDRESSES_MAX} addresses."
            )));
        }
        Ok(limits)
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it matters how many calls there are, not only what they are.
    #[must_use]
    pub fn count_calls(&self) -> bool {
        let Self {
            per_minute,
            per_day,
            per_month,
            concurrent,
            ..
        } = self;
        [per_minute, per_day, per_month, concurrent]
            .iter()
            .any(|most| most.is_some())
    }

    /// As it is stored and shown.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether calls may come from there.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(|network| network.contains(&address))
    }

    /// In words that a manager understands.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(calls) = self.per_minute {
            let burst = self.burst.unwrap_or(calls);
            lines.push(format!("At most {calls} calls a minute, {burst} of them at once."));
        }
        if let Some(calls) = self.per_day {
            lines.push(format!("At most {calls} calls a day (UTC)."));
        }
        if let Some(calls) = self.per_month {
            lines.push(format!("At most {calls} calls a month (UTC)."));
        }
        if let Some(calls) = self.concurrent {
            lines.push(format!("At most {calls} calls at the same time."));
        }
        if !self.addresses.is_empty() {
            let networks: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
            lines.push(format!("Only from {}.", networks.join(", ")));
        }
        if !self.origins.is_empty() {
            lines.push(format!(
                "Only from web pages of {}. Such a key is public by nature: everyone who opens the page can read it.",
                self.origins.join(", ")
            ));
        }
        if let Some(secs) = self.max_runtime_secs {
            lines.push(format!("Odoo may take {secs} seconds for a call."));
        }
        if let Some(bytes) = self.max_answer_bytes {
            lines.push(format!("Answers of at most {bytes} bytes."));
        }
        lines
    }
}

/// Whether it is exactly what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    reqwest::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

/// An address alone is a network of one.
mod networks {
    use std::net::IpAddr;

    use ipnet::IpNet;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<_> = networks.iter().map(ToString::to_string).collect();
        texts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: &String| {
            let network = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| D::Error::custom(format_args!("\"{text}\" is no address and no network")))
        };
        texts.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_strictly() {
        let limits =
            Limits::parse(r#"{"per_minute":60,"burst":5,"addresses":["192.0.2.0/24","2001:db8::1"]}"#).expect("limits");
        assert_eq!(Limits::parse(&limits.to_json()).ok(), Some(limits.clone()));
        for (address, allowed) in [
            ("192.0.2.9", true),
            ("192.0.3.9", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(
                limits.allows(address.parse().expect("an address")),
                allowed,
                "{address}"
            );
        }
        assert!(Limits::parse("").expect("none").is_empty());
        for (text, word) in [
            (r#"{"per_minut":1}"#, "per_minut"),
            (r#"{"per_day":0}"#, "per_day"),
            (r#"{"per_day":-1}"#, "-1"),
            (r#"{"burst":1}"#, "per_minute"),
            (r#"{"addresses":["example.com"]}"#, "example.com"),
            (r#"{"addresses":["192.0.2.0/33"]}"#, "192.0.2.0/33"),
            (r#"{"origins":["*"]}"#, "*"),
            (r#"{"origins":["https://a.example.com/"]}"#, "https://a.example.com/"),
            (r#"{"origins":["https://A.example.com"]}"#, "https://A.example.com"),
            (r#"{"origins":["null"]}"#, "null"),
        ] {
            let error = Limits::parse(text).expect_err(text);
            assert!(error.message.contains(word), "{text}: {}", error.message);
        }
    }
}

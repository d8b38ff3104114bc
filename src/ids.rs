//! Typed ids: the id of a key is never taken for the id of a user. Each is a
//! version 7 UUID, so that ids sort by the time they were made.

/// Declares a typed id around a UUID.
macro_rules! typed_id {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

typed_id! {
    /// The id of an API key (not the public id that the key itself shows).
    ApiKeyId
}
typed_id! {
    /// The id of a policy that several keys may share.
    PolicyId
}
typed_id! {
    /// The id of a person who may use the dashboard.
    UserId
}
typed_id! {
    /// The id of one run of a speed test.
    SpeedTestId
}
typed_id! {
    /// The id of one run of the speed test with many samples.
    SpeedRunId
}
typed_id! {
    /// The id of a schedule of such runs.
    SpeedScheduleId
}
typed_id! {
    /// The id of a rule by which somebody is told of a schedule's runs.
    AlertRuleId
}
typed_id! {
    /// The id of a place that is told of alerts.
    AlertChannelId
}

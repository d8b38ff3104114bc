//! Writing down what was changed, and reading it again.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::audit::store;
use crate::error::Result;
use crate::ids::UserId;
use crate::session::model::SignedIn;

/// The most events of one subject that are shown.
pub const EVENTS_SHOWN: i64 = 50;

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who is signed in; `None` on the command line.
    pub user: Option<SignedIn>,
    /// The client; `None` on the command line.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// Whoever may run commands on the bridge's own machine.
    pub const COMMAND_LINE: Self = Self {
        user: None,
        address: None,
    };

    /// The id of who is signed in.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.user.as_ref().map(|user| user.id)
    }
}

macro_rules! actions {
    ($($(#[$docs:meta])* $name:ident $word:literal $sentence:literal;)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$docs])* $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The same for people, after the name of whoever did it.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

actions! {
    /// A key was made. After: its policy.
    KeyCreated "key_created" "made the key";
    /// It was given a policy of its own. Before and after: the documents.
    KeyPolicySet "key_policy_set" "changed what the key may do";
    /// It follows a shared policy from now on. Before: its document; after: the policy's name.
    KeyFollowsPolicy "key_follows_policy" "let the key follow a shared policy";
    /// Before and after: the documents.
    KeyLimitsSet "key_limits_set" "changed the key's limits";
    /// Before and after: the notes.
    KeyNoteSet "key_note_set" "changed the note";
    /// Before and after: whom to ask about it.
    KeyOwnerSet "key_owner_set" "changed the key's owner";
    /// Whether identical reads in flight share one call. Before and after: true or false.
    KeySharesReads "key_shares_reads" "changed the sharing of identical reads";
    /// It is refused until it is enabled.
    KeyDisabled "key_disabled" "switched the key off";
    /// It is accepted again.
    KeyEnabled "key_enabled" "switched the key on";
    /// Another key takes its place. After: the other one's prefix.
    KeyRolled "key_rolled" "rolled the key";
    /// It is refused for good.
    KeyRevoked "key_revoked" "revoked the key";
    /// A policy was shared under a name. After: the document.
    PolicyShared "policy_shared" "shared the policy";
    /// Before and after: the documents.
    PolicyChanged "policy_changed" "changed the shared policy";
    /// Before and after: the names.
    PolicyRenamed "policy_renamed" "renamed the shared policy";
    /// Before: the document.
    PolicyRemoved "policy_removed" "removed the shared policy";
    /// Somebody got in. After: how, if not with a password.
    SignedIn "signed_in" "signed in";
    /// Somebody did not: a wrong password or code. Of an account that does not exist
    /// the subject is nil.
    SignInRefused "sign_in_refused" "was refused at sign-in";
    /// The first attempt that met a lock after too many failures; those that follow are
    /// not written down until the next one.
    SignInLocked "sign_in_locked" "was refused at sign-in: locked after too many failures";
    /// The set-up token was wrong.
    SetUpRefused "set_up_refused" "was refused at set-up";
    /// The link of an invitation does not work, or not any more.
    InvitationRefused "invitation_refused" "was refused with a link that does not work";
    /// The password was given once more, before something dangerous.
    PasswordConfirmed "password_confirmed" "gave the password once more";
    /// What was given as the present password was not it.
    PasswordRefused "password_refused" "gave a wrong password while signed in";
    /// A session was ended by its owner's hand.
    SignedOut "signed_out" "signed out";
    /// All other sessions were ended with it.
    PasswordChanged "password_changed" "changed the password";
    /// A session was ended from another one, or by an admin.
    SessionEnded "session_ended" "ended a session";
    /// A code is asked for from now on.
    SecondFactorOn "second_factor_on" "turned the second factor on";
    /// No code is asked for any more.
    SecondFactorOff "second_factor_off" "turned the second factor off";
    /// After: what its owner calls it.
    PasskeyAdded "passkey_added" "added a passkey";
    /// Before: what its owner called it.
    PasskeyRemoved "passkey_removed" "removed a passkey";
    /// Those from before are void.
    RecoveryCodesMade "recovery_codes_made" "made new recovery codes";
    /// After: the role.
    UserInvited "user_invited" "invited a person";
    /// The invitation is void.
    InvitationWithdrawn "invitation_withdrawn" "withdrew an invitation";
    /// An account was made. After: the role.
    UserCreated "user_created" "made the account";
    /// Before and after: the roles.
    RoleChanged "role_changed" "changed the role";
    /// The account is gone, and all its sessions. Before: the role.
    UserRemoved "user_removed" "removed the account";
    /// A speed test with many samples began. After: the test.
    SpeedRunStarted "speed_run_started" "started a speed test";
    /// It was told to end.
    SpeedRunCancelled "speed_run_cancelled" "cancelled a speed test";
    /// After: what it does.
    ScheduleMade "schedule_made" "made the schedule of speed runs";
    /// Before and after: what it does.
    ScheduleChanged "schedule_changed" "changed the schedule of speed runs";
    /// None of its runs begins.
    SchedulePaused "schedule_paused" "paused the schedule of speed runs";
    /// They begin again.
    ScheduleResumed "schedule_resumed" "let the schedule of speed runs go on";
    /// Before: what it did.
    ScheduleRemoved "schedule_removed" "removed the schedule of speed runs";
    /// After: the rule.
    AlertRuleMade "alert_rule_made" "made an alert rule for the schedule";
    /// Before: the rule.
    AlertRuleRemoved "alert_rule_removed" "removed an alert rule of the schedule";
    /// After: its kind, never its address.
    AlertChannelAdded "alert_channel_added" "added the alert channel";
    /// Before: its kind.
    AlertChannelRemoved "alert_channel_removed" "removed the alert channel";
}

/// Something that is done to a key or a shared policy.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What.
    pub action: Action,
    /// To what.
    pub subject_id: uuid::Uuid,
    /// What that is called.
    pub subject_name: &'a str,
    /// What it was.
    pub before: Option<&'a str>,
    /// What it becomes.
    pub after: Option<&'a str>,
}

impl<'a> Change<'a> {
    /// Without a before and an after.
    #[must_use]
    pub const fn of(action: Action, subject_id: uuid::Uuid, subject_name: &'a str) -> Self {
        Self {
            action,
            subject_id,
            subject_name,
            before: None,
            after: None,
        }
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub happened_at: DateTime<Utc>,
    /// By whom; `None`: on the command line.
    pub user_email: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// What was done: see [`Action::as_str`].
    pub action: String,
    /// What it was.
    pub before: Option<String>,
    /// What it became.
    pub after: Option<String>,
}

/// Writes a change down, in the transaction that makes it.
///
/// # Errors
/// The database's.
pub async fn record(connection: &mut PgConnection, by: &Actor, change: Change<'_>) -> Result<(), sqlx::Error> {
    store::insert(connection, by, change).await
}

/// The newest [`EVENTS_SHOWN`] changes of any of these subjects, newest first.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_subjects(pool: &PgPool, ids: &[uuid::Uuid]) -> Result<Vec<Event>> {
    store::of_subjects(pool, ids).await
}

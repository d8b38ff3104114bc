//! `explain`: whether a policy lets a call through, and by which rule. Odoo is not
//! called, so that what depends on Odoo's own fields is said to depend on them.

use serde_json::value::RawValue;

use super::{Failure, read_policy, say, with_database};
use crate::config::{ExplainArgs, Settings};
use crate::keys::issue;
use crate::keys::policy::{Asked, Knowledge, ModelFields, Policy, Verdict, decide};

/// Nothing is known of any model.
struct NoOdoo;

impl Knowledge for NoOdoo {
    fn fields_of(&self, _: &str) -> Option<&ModelFields> {
        None
    }
}

pub(super) async fn run(settings: &Settings, args: ExplainArgs) -> Result<(), Failure> {
    let policy = match (&args.policy, &args.key) {
        (Some(file), _) => Policy::load(&read_policy(file)?),
        (None, Some(prefix)) => of_key(settings, prefix).await?,
        (None, None) => return Err(Failure::Settings("Name a key or a policy.".into())),
    };
    let raw = |name: &str, text: &str, opening: char| {
        let value: Result<Box<RawValue>, _> = serde_json::from_str(text);
        match value {
            Ok(value) if value.get().starts_with(opening) => Ok(value),
            _ => Err(Failure::Settings(format!(
                "--{name} must be a JSON {}.",
                if opening == '[' { "array" } else { "object" }
            ))),
        }
    };
    let (positional, named) = (raw("args", &args.args, '[')?, raw("kwargs", &args.kwargs, '{')?);
    let asked = Asked {
        model: &args.model,
        method: &args.method,
        args: &positional,
        kwargs: &named,
    };
    match decide(&policy, &asked, &NoOdoo) {
        Verdict::Allowed(allowed) => {
            say(&match allowed.rule {
                0 => format!("Allowed: the policy is {}.", policy.word()),
                number => format!("Allowed by rule {number}."),
            })?;
            if let Some((positional, named)) = allowed.rewritten {
                say(&format!("Odoo would get: args {positional}, kwargs {named}"))?;
            }
            Ok(())
        }
        Verdict::Refused(refusal) => {
            say(&format!(
                "Refused by \"{}\" ({}): {}",
                refusal.rule, refusal.name, refusal.sentence
            ))?;
            Err(Failure::Told)
        }
        Verdict::NeedsFields(model) => {
            say(&format!(
                "It depends on what the fields of {model} lead to, which only Odoo tells. The key's page in the dashboard asks it."
            ))?;
            Err(Failure::Told)
        }
    }
}

async fn of_key(settings: &Settings, prefix: &str) -> Result<Policy, Failure> {
    let mut policy = Policy::Nothing;
    with_database(settings, async |pool| {
        policy = Policy::load(&issue::policy_of_prefix(pool, prefix).await?);
        Ok(())
    })
    .await?;
    Ok(policy)
}

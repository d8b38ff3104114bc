//! `explain`: whether a policy lets a call through, and by which rule. The call is not
//! made; where the answer depends on what fields lead to, Odoo is asked for those of a
//! model, and without an Odoo it is said to depend on them.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Failure, read_policy, say, with_database};
use crate::calls::models::{Asking, Models};
use crate::config::{ExplainArgs, Settings};
use crate::keys::issue;
use crate::keys::policy::{Asked, Knowledge, Policy, Unknown, Verdict, decide};
use crate::odoo::{Limits, Odoo, Party};

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
    match verdict(settings, &policy, &asked).await {
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
        Verdict::Needs(unknown) => {
            let what = match unknown {
                Unknown::FieldsOf(model) => format!("what the fields of {model} lead to"),
                Unknown::MethodsOf(model) => format!("how the methods of {model} are called"),
                Unknown::CopiedWith(model) => format!("which lines are copied along with a {model}"),
                Unknown::UsersBehind(_) => "whether one of the contacts has a user".into(),
            };
            say(&format!(
                "It depends on {what}, which only Odoo tells, and none answered. Set ODOO_URL and the like."
            ))?;
            Err(Failure::Told)
        }
    }
}

/// Asks Odoo, if there is one, for what the policy has to know.
async fn verdict(settings: &Settings, policy: &Policy, asked: &Asked<'_>) -> Verdict {
    let odoo = settings.odoo().ok().flatten();
    let odoo = odoo.and_then(|odoo| Odoo::new(odoo, Limits::from(settings)).ok());
    let Some(odoo) = odoo else {
        return without_odoo(policy, asked);
    };
    match Models::new(Arc::new(odoo))
        .decide(policy, asked, &mut Asking::of(Party::BRIDGE))
        .await
    {
        Ok(verdict) => verdict,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Odoo was not asked for fields"
            );
            without_odoo(policy, asked)
        }
    }
}

/// As if Odoo told nothing: its methods are called as they are everywhere, and fields are not known.
fn without_odoo(policy: &Policy, asked: &Asked<'_>) -> Verdict {
    let mut known = Knowledge::default();
    loop {
        match decide(policy, asked, &known) {
            Verdict::Needs(Unknown::MethodsOf(model)) if !known.methods.contains_key(&model) => {
                known.methods.insert(model, Arc::default());
            }
            verdict => return verdict,
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

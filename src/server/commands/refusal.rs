//! Reads the command line and the environment; what is wrong with them becomes
//! one sentence that names the setting and does not repeat its value.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::Failure;
use crate::config::Cli;

/// The command line. Prints help and version, and ends the process, if asked.
///
/// # Errors
/// One sentence about the first wrong argument or environment variable.
pub fn parse() -> Result<Cli, Failure> {
    Cli::try_parse().map_err(|error| refuse(&error))
}

fn refuse(error: &clap::Error) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.exit()
        }
        _ => Failure::Settings(sentence(error)),
    }
}

fn sentence(error: &clap::Error) -> String {
    let setting = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => name_of(arg),
        _ => None,
    };
    let reason = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            Some(format!("must be one of {}", valid.join(", ")))
        }
        (ErrorKind::InvalidValue, _) => Some("needs a value".to_owned()),
        (ErrorKind::ValueValidation, _) => std::error::Error::source(error).map(ToString::to_string),
        _ => None,
    };
    match (setting, reason) {
        (Some(setting), Some(reason)) => format!("{setting}: {reason}."),
        // An unknown flag, a missing one: clap's own first paragraph says it.
        _ => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            format!(
                "{}. See odoo-bridge --help.",
                first.split_whitespace().collect::<Vec<_>>().join(" ")
            )
        }
    }
}

/// `--site-addr <SITE_ADDR>` → `LEPTOS_SITE_ADDR (--site-addr)`
fn name_of(arg: &str) -> Option<String> {
    let flag = arg.split(' ').next()?;
    let command = Cli::command();
    let env = command
        .get_arguments()
        .find(|known| known.get_long() == flag.strip_prefix("--"))
        .and_then(|known| known.get_env())
        .and_then(|env| env.to_str());
    Some(match env {
        Some(env) => format!("{env} ({flag})"),
        None => flag.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(args: &[&str]) -> String {
        let args = [&["odoo-bridge"], args].concat();
        let error = Cli::try_parse_from(args).expect_err("refused");
        match refuse(&error) {
            Failure::Settings(sentence) => sentence,
            other => panic!("not refused as a setting: {other:?}"),
        }
    }

    #[test]
    fn a_wrong_setting_is_named_as_variable_and_flag_in_one_line() {
        let text = refusal(&["--site-addr", "here"]);
        assert!(text.starts_with("LEPTOS_SITE_ADDR (--site-addr): "), "{text}");
        let text = refusal(&["--odoo-transport", "pigeon"]);
        assert_eq!(
            text,
            "ODOO_TRANSPORT (--odoo-transport): must be one of auto, json2, jsonrpc, xmlrpc, web."
        );
        let text = refusal(&["create-key"]);
        assert!(text.contains("--name") && !text.contains('\n'), "{text}");
        let text = refusal(&["create-key", "--name", "a", "--expires-in", "90"]);
        assert!(text.starts_with("--expires-in: "), "{text}");
        let text = refusal(&["--nonsense"]);
        assert!(text.contains("--nonsense") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_wrong_value_that_may_hold_a_secret_is_not_repeated() {
        let text = refusal(&["--odoo-url", "https://admin:hunter2@odoo.example.com"]);
        assert!(
            text.starts_with("ODOO_URL (--odoo-url): ") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

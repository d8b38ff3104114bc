//! Methods by their names: those that a rule names and nobody understands, those that Odoo
//! marks as reading only, and whether a model calls the arguments of one as all others do.

use super::arguments::{Arguments, Asked, shown};
use super::decide::{Checker, Stop, refuse};
use super::document::Operation;
use super::fields::{ModelMethods, Unknown};
use super::generic::is_generic;
use super::grants::Grants;
use super::methods::{self, Method};

impl<'p> Checker<'p> {
    /// A method that nobody understands, but that a rule names.
    pub(super) fn named(&self, asked: &Asked<'_>, arguments: &Arguments<'_>) -> Result<usize, Stop> {
        self.reach(asked.model, Operation::Write)?;
        if is_generic(asked.method) {
            return refuse(
                "method",
                asked.method,
                format!(
                    "{} is not understood, and its arguments reach any field: no rule can give it away.",
                    asked.method
                ),
            );
        }
        let harmless = methods::harmless_arguments(asked.method);
        let is_understood = |name: &str| name == "context" || (harmless.contains(&name) && arguments.is_scalar(name));
        let are_understood = arguments.positional() <= 1 && arguments.names().all(is_understood);
        if let Some(needs) = self.needs {
            needs.borrow_mut().method(asked.model, asked.method, are_understood);
            return Ok(0);
        }
        let grants = Grants::of(self.document, asked.model);
        let Some((rule, is_free)) = grants.rule_for_method(asked.method) else {
            if self.document.readonly_methods {
                return self.marked_as_reading(asked, arguments);
            }
            return refuse(
                "method",
                asked.method,
                format!(
                    "No rule of this key names the method {} of {}.",
                    asked.method, asked.model
                ),
            );
        };
        arguments.are_read()?;
        if is_free {
            return self.records_or_none(asked, arguments).map(|()| rule);
        }
        // Records, and what can't name a field of theirs.
        if !are_understood {
            return refuse(
                "arguments",
                asked.method,
                format!(
                    "The arguments of {} are not understood, and this key is limited to some fields of {}: it may be called with ids and plain values that are known to name none.",
                    asked.method, asked.model
                ),
            );
        }
        self.ids(&arguments.ids()?)?;
        Ok(rule)
    }

    /// A method that no rule names, in a policy that trusts Odoo's own mark.
    fn marked_as_reading(&self, asked: &Asked<'_>, arguments: &Arguments<'_>) -> Result<usize, Stop> {
        let (model, method) = (asked.model, asked.method);
        let rule = self.may(model, Operation::Read)?;
        if !self.methods_of(model)?.readonly.contains(method) {
            return refuse(
                "method",
                method,
                format!(
                    "No rule of this key names the method {method} of {model}, and Odoo does not mark it as reading only."
                ),
            );
        }
        if !self.has_all_fields(model, Operation::Read) {
            return refuse(
                "read_fields",
                method,
                format!("Which fields {method} reads is not known, and this key may read only some of {model}."),
            );
        }
        if !arguments.are_plain() {
            return refuse(
                "arguments",
                method,
                format!(
                    "{method} is allowed because Odoo marks it as reading only: with ids, and with numbers and texts that name nothing elsewhere."
                ),
            );
        }
        Ok(rule)
    }

    /// Methods that are called on records have their ids first. Which are not, only Odoo says.
    fn records_or_none(&self, asked: &Asked<'_>, arguments: &Arguments<'_>) -> Result<(), Stop> {
        if arguments.positional() == 0 {
            return Ok(());
        }
        let Err(refused) = self.ids(&arguments.ids()?) else {
            return Ok(());
        };
        match self.methods_of(asked.model)?.of_model.contains(asked.method) {
            true => Ok(()),
            false => Err(refused),
        }
    }

    fn methods_of(&self, model: &str) -> Result<&'p ModelMethods, Stop> {
        match self.knowledge.methods.get(model) {
            Some(methods) => Ok(methods),
            None => Err(Stop::Needs(Unknown::MethodsOf(model.to_owned()))),
        }
    }

    /// Whether a model calls the parameters of a method as every other does.
    pub(super) fn is_called_so(&self, model: &str, method: &Method, arguments: &Arguments<'_>) -> Result<(), Stop> {
        // With one there is nothing to be mixed up, and by their names they are not.
        let by_position = arguments.positional() > usize::from(method.takes_ids);
        if self.needs.is_some() || method.parameters.len() < 2 || !by_position {
            return Ok(());
        }
        let Some(own) = self.methods_of(model)?.parameters.get(method.name) else {
            return Ok(());
        };
        match own
            .iter()
            .zip(method.parameters)
            .find(|(own, known)| !known.names.contains(&&***own))
        {
            None => Ok(()),
            Some((own, _)) => refuse(
                "arguments",
                own,
                format!(
                    "{model} calls the arguments of {} otherwise than other models (\"{}\"), so that they are not understood.",
                    method.name,
                    shown(own)
                ),
            ),
        }
    }
}

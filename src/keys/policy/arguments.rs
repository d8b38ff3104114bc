//! The arguments of a call, positional and named, bound to what a method calls
//! them. The same argument given twice is refused, and so is one that the method
//! does not have.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::decide::{Stop, refuse};
use super::json::{Json, Members};
use super::methods::Method;

/// A call, as a policy looks at it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Such as `sale.order`.
    pub model: &'a str,
    /// Such as `search_read`.
    pub method: &'a str,
    /// A JSON array.
    pub args: &'a RawValue,
    /// A JSON object.
    pub kwargs: &'a RawValue,
}

/// Where an argument stands.
#[derive(Clone, Copy)]
enum Place {
    Positional(usize),
    Named(usize),
}

/// All arguments, and what is to be put in their places.
pub(super) struct Arguments<'a> {
    positional: Vec<Cow<'a, str>>,
    named: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    is_changed: bool,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(asked: &Asked<'a>) -> Result<Self, Stop> {
        let positional: Result<Vec<&RawValue>, _> = serde_json::from_str(asked.args.get());
        let named: Result<Members<'a>, _> = serde_json::from_str(asked.kwargs.get());
        match (positional, named) {
            (Ok(positional), Ok(named)) => Ok(Self {
                positional: positional.into_iter().map(|value| Cow::Borrowed(value.get())).collect(),
                named: named
                    .0
                    .into_iter()
                    .map(|(name, value)| (name, Cow::Borrowed(value.get())))
                    .collect(),
                is_changed: false,
            }),
            _ => refuse(
                "arguments",
                "kwargs",
                "An argument is there twice, or there are too many.".into(),
            ),
        }
    }

    pub(super) fn positional(&self) -> usize {
        self.positional.len()
    }

    /// The names of the named arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| &**name)
    }

    /// Whether a named argument is a value with nothing inside.
    pub(super) fn is_scalar(&self, name: &str) -> bool {
        let value = self.named.iter().find(|(other, _)| other == name);
        value.is_some_and(|(_, value)| Json::parse(value).is_some_and(|value| value.is_scalar()))
    }

    /// Refuses what has a name twice in one of them, at any depth.
    pub(super) fn are_read(&self) -> Result<(), Stop> {
        for value in &self.positional {
            read(value, "args")?;
        }
        for (name, value) in &self.named {
            read(value, name)?;
        }
        Ok(())
    }

    /// Whether all of them are ids, numbers, or texts that can't lead to another model.
    pub(super) fn are_plain(&self) -> bool {
        let is_id = |id: &Json<'_>| matches!(id, Json::Integer(1..));
        let is_plain = |value: &Json<'_>| match value {
            Json::Text(text) => !text.contains(['.', '/', ',']),
            Json::List(ids) => ids.iter().all(is_id),
            Json::Object(_) => false,
            _ => true,
        };
        let named = self.named.iter().filter(|(name, _)| name != "context");
        let mut values = self.positional.iter().chain(named.map(|(_, value)| value));
        values.all(|value| Json::parse(value).is_some_and(|value| is_plain(&value)))
    }

    /// The first positional argument: the ids of records.
    pub(super) fn ids(&self) -> Result<Json<'_>, Stop> {
        match self.positional.first() {
            Some(ids) => read(ids, "ids"),
            None => refuse(
                "ids",
                "ids",
                "The ids of the records are missing: they come first in args.".into(),
            ),
        }
    }

    pub(super) fn context(&self) -> Result<Option<Json<'_>>, Stop> {
        let context = self.named.iter().find(|(name, _)| name == "context");
        context.map(|(_, value)| read(value, "context")).transpose()
    }

    /// Refuses what the method does not have, and what is given twice.
    pub(super) fn fit(&self, method: &Method) -> Result<(), Stop> {
        let first = usize::from(method.takes_ids);
        if self.positional.len() > first + method.parameters.len() {
            return refuse(
                "arguments",
                method.name,
                format!(
                    "{} has {} arguments; more were given.",
                    method.name,
                    first + method.parameters.len()
                ),
            );
        }
        for (name, _) in &self.named {
            if name == "context" {
                continue;
            }
            let Some(index) = method
                .parameters
                .iter()
                .position(|parameter| parameter.names.contains(&&**name))
            else {
                return refuse(
                    "arguments",
                    name,
                    format!("The argument \"{}\" of {} is not understood.", shown(name), method.name),
                );
            };
            let others = method.parameters[index].names;
            let named = self
                .named
                .iter()
                .filter(|(other, _)| others.contains(&&**other))
                .count();
            if named > 1 || first + index < self.positional.len() {
                return refuse(
                    "arguments",
                    name,
                    format!("The argument \"{}\" of {} is given twice.", shown(name), method.name),
                );
            }
        }
        Ok(())
    }

    /// The value of a parameter.
    pub(super) fn value(&self, method: &Method, index: usize) -> Result<Option<Json<'_>>, Stop> {
        let name = method.parameters[index].names[0];
        match self.place(method, index) {
            Some(Place::Positional(at)) => read(&self.positional[at], name).map(Some),
            Some(Place::Named(at)) => read(&self.named[at].1, name).map(Some),
            None => Ok(None),
        }
    }

    /// The value of a parameter as it came.
    pub(super) fn text(&self, method: &Method, index: usize) -> Option<&str> {
        match self.place(method, index)? {
            Place::Positional(at) => Some(&self.positional[at]),
            Place::Named(at) => Some(&self.named[at].1),
        }
    }

    /// Puts a value in a parameter's place.
    pub(super) fn set(&mut self, method: &Method, index: usize, json: String) {
        match self.place(method, index) {
            Some(Place::Positional(at)) => self.positional[at] = json.into(),
            Some(Place::Named(at)) => self.named[at].1 = json.into(),
            None => self.named.push((method.parameters[index].names[0].into(), json.into())),
        }
        self.is_changed = true;
    }

    /// `args` and `kwargs` anew, if something was put in.
    pub(super) fn rewritten(self) -> Option<(Box<RawValue>, Box<RawValue>)> {
        if !self.is_changed {
            return None;
        }
        let args = format!("[{}]", self.positional.join(","));
        let mut kwargs = String::from("{");
        for (index, (name, value)) in self.named.iter().enumerate() {
            if index > 0 {
                kwargs.push(',');
            }
            kwargs.push_str(&serde_json::to_string(name).ok()?);
            kwargs.push(':');
            kwargs.push_str(value);
        }
        kwargs.push('}');
        Some((RawValue::from_string(args).ok()?, RawValue::from_string(kwargs).ok()?))
    }

    fn place(&self, method: &Method, index: usize) -> Option<Place> {
        let at = usize::from(method.takes_ids) + index;
        if at < self.positional.len() {
            return Some(Place::Positional(at));
        }
        let names = method.parameters[index].names;
        let named = self.named.iter().position(|(name, _)| names.contains(&&**name));
        named.map(Place::Named)
    }
}

fn read<'v>(text: &'v str, name: &str) -> Result<Json<'v>, Stop> {
    match Json::parse(text) {
        Some(json) => Ok(json),
        None => refuse(
            "arguments",
            name,
            format!("In \"{}\" a name is there twice, or there are too many.", shown(name)),
        ),
    }
}

/// What a caller wrote, short enough and harmless to be repeated.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(80).collect()
}

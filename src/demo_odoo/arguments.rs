//! How `execute_kw` turns positional and named arguments into those of a
//! method, with the `TypeError`s that Python raises on the way.

use super::exception::Exception;
use super::value::Value;

/// Where Python finds a method: the words of its `TypeError`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// In this class, whatever the model.
    Of(&'static str),
    /// In the model's own class.
    Own,
}

/// A method that can be called from outside.
#[derive(Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Its parameters; `!` after the name marks a required one.
    pub params: &'static [&'static str],
    /// Whether the first positional argument is the ids of the records.
    pub on_records: bool,
    /// Where it is found.
    pub class: Class,
}

/// The arguments of a call, by name.
#[derive(Debug, Default)]
pub struct Arguments {
    /// The records that it is called on.
    pub ids: Vec<Value>,
    named: Vec<(&'static str, Value)>,
}

impl Arguments {
    /// An argument, if it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.named
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value)
    }

    /// An argument, `None` (Python's) if it was not given.
    #[must_use]
    pub fn or_none(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::None)
    }
}

impl Signature {
    /// The parameters that a call can't do without.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        self.params.iter().filter_map(|param| param.strip_suffix('!'))
    }

    /// All parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.params.iter().map(|param| param.trim_end_matches('!'))
    }

    /// Binds the arguments of a call.
    ///
    /// # Errors
    /// `IndexError` without ids, `TypeError` for what does not fit.
    pub fn bind(&self, own: &str, args: &[Value], kwargs: Vec<(String, Value)>) -> Result<Arguments, Exception> {
        let mut bound = Arguments::default();
        let mut args = args;
        if self.on_records {
            let (ids, rest) = args
                .split_first()
                .ok_or_else(|| Exception::index("list index out of range"))?;
            bound.ids = match ids {
                Value::List(ids) => ids.clone(),
                Value::None | Value::Bool(false) => Vec::new(),
                id => vec![id.clone()],
            };
            args = rest;
        }
        let class = match self.class {
            Class::Of(class) => class,
            Class::Own => own,
        };
        let called = format!("{class}.{}()", self.name);
        bound.named = self.names().zip(args.iter().cloned()).collect();
        for (name, value) in kwargs {
            let Some(param) = self.names().find(|param| *param == name) else {
                // `search_read` hands what it does not know to the next one.
                let called = if self.name == "search_read" {
                    "BaseModel._read_format()"
                } else {
                    &called
                };
                return Err(Exception::type_(format!(
                    "{called} got an unexpected keyword argument '{name}'"
                )));
            };
            if bound.get(param).is_some() {
                return Err(Exception::type_(format!(
                    "{called} got multiple values for argument '{name}'"
                )));
            }
            bound.named.push((param, value));
        }
        self.check_count(&called, args.len(), &bound)?;
        Ok(bound)
    }

    fn check_count(&self, called: &str, given: usize, bound: &Arguments) -> Result<(), Exception> {
        let (least, most) = (self.required().count() + 1, self.params.len() + 1);
        if given + 1 > most {
            let takes = if least == most {
                most.to_string()
            } else {
                format!("from {least} to {most}")
            };
            let noun = if most == 1 { "argument" } else { "arguments" };
            let were = given + 1;
            return Err(Exception::type_(format!(
                "{called} takes {takes} positional {noun} but {were} were given"
            )));
        }
        let missing: Vec<&str> = self.required().filter(|name| bound.get(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Exception::type_(format!("{called} {}", missing_arguments(&missing))))
    }
}

/// `missing 2 required positional arguments: 'a' and 'b'`
#[must_use]
pub fn missing_arguments(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let listed = match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    };
    let noun = if names.len() == 1 { "argument" } else { "arguments" };
    format!("missing {} required positional {noun}: {listed}", names.len())
}

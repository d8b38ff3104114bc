//! Odoo's domains: the filter language of `search` and its kin.
//!
//! [`parse`](parse::parse) checks a domain against a model and raises what Odoo
//! raises; [`Domain::holds`] never fails.

mod compare;
mod holds;
pub mod parse;

use super::schema::Field;
use super::value::Value;

/// A checked domain.
#[derive(Clone, Debug)]
pub enum Domain {
    /// Every record, or none.
    Constant(bool),
    /// What the inner one does not hold for.
    Not(Box<Domain>),
    /// What all hold for.
    All(Vec<Domain>),
    /// What at least one holds for.
    Any(Vec<Domain>),
    /// A condition on a field.
    Condition(Condition),
}

/// `(path, operator, value)`
#[derive(Clone, Debug)]
pub struct Condition {
    /// The fields to walk; all but the last point to records.
    path: Vec<&'static Field>,
    operator: Operator,
    /// `not in`, `not like` and so on: true where the operator does not hold.
    negated: bool,
    operand: Operand,
}

/// The positive operators; the others are these, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    In,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// `like`, `ilike`, `=like`, `=ilike`
    Like {
        anywhere: bool,
        any_case: bool,
    },
    ChildOf,
    ParentOf,
    /// `any`: a domain on the records that are pointed to.
    Matching,
}

#[derive(Clone, Debug)]
enum Operand {
    Plain(Value),
    Domain(Box<Domain>),
}

#[cfg(test)]
mod tests;

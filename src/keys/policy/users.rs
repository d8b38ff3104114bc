//! A user is known by fields of a contact: whoever changes its e-mail address has the link
//! for a new password sent to another. Below full access nobody changes users, and so
//! nobody changes these fields of a contact that has one.

use super::arguments::Arguments;
use super::decide::{Checker, Stop, refuse};
use super::fields::Unknown;
use super::json::Json;
use super::methods::Method;

/// Contacts.
const MODEL: &str = "res.partner";
/// By which a user is known.
const FIELDS: [&str; 4] = ["email", "email_normalized", "name", "signup_type"];

/// The ids that are given, if they are those of contacts.
pub(super) fn ids_of_partners(model: &str, ids: &Json<'_>) -> Vec<i64> {
    let id = |id: &Json<'_>| match id {
        Json::Integer(id) => Some(*id),
        _ => None,
    };
    match ids {
        _ if model != MODEL => Vec::new(),
        Json::List(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

/// Whether a column or value is of a field by which a user is known.
pub(super) fn is_known_by(model: &str, field: &str) -> bool {
    model == MODEL && FIELDS.contains(&field)
}

impl Checker<'_> {
    /// Notes contacts that are changed, if users are known by what is.
    pub(super) fn changes<'n>(&self, model: &str, ids: &[i64], mut fields: impl Iterator<Item = &'n str>) {
        if !ids.is_empty() && fields.any(|field| is_known_by(model, field)) {
            self.known_by.borrow_mut().extend(ids);
        }
    }

    /// Notes the contacts that the rows of an import are of.
    pub(super) fn imported_partners(
        &self,
        model: &str,
        method: &Method,
        arguments: &Arguments<'_>,
    ) -> Result<(), Stop> {
        let (Some(Json::List(columns)), Some(Json::List(rows))) =
            (arguments.value(method, 0)?, arguments.value(method, 1)?)
        else {
            return Ok(());
        };
        let names = || columns.iter().filter_map(Json::as_text);
        let Some(column) = names().position(|name| name == ".id") else {
            return Ok(());
        };
        if !names().any(|name| is_known_by(model, name)) {
            return Ok(());
        }
        for row in &rows {
            match row.as_list().and_then(|cells| cells.get(column)) {
                None => {}
                Some(cell) if cell.is_falsy() => {}
                Some(Json::Integer(id @ 1..)) => self.known_by.borrow_mut().push(*id),
                Some(cell) => match cell.as_text().and_then(|text| text.parse().ok()) {
                    Some(id) => self.known_by.borrow_mut().push(id),
                    None => return refuse("ids", ".id", "Ids are positive whole numbers.".into()),
                },
            }
        }
        Ok(())
    }

    /// Refuses to change what a user is known by.
    pub(super) fn spare_users(&self) -> Result<(), Stop> {
        let mut ids = self.known_by.take();
        if ids.is_empty() || self.is_noting() {
            return Ok(());
        }
        ids.sort_unstable();
        ids.dedup();
        match self.knowledge.users_behind.get(&ids) {
            Some(false) => Ok(()),
            Some(true) => refuse(
                "never",
                "res.users",
                "One of these contacts has an Odoo user, who is known by its name and e-mail address: only a key with full access may change those.".into(),
            ),
            None => Err(Stop::Needs(Unknown::UsersBehind(ids))),
        }
    }
}

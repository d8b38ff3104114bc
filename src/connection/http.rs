//! The page `/connection`. Nothing on it needs JavaScript; it is as of its loading, and
//! "Refresh" loads it again.

use crate::connection::page::print;
use crate::connection::report::status_of;
use crate::printed::parts::Printed;
use crate::state::AppState;

/// How the bridge gets into Odoo at this moment. Odoo itself is not asked.
#[must_use]
pub fn print_connection(state: &AppState) -> Printed {
    let records = &state.records;
    let instances = state.instances.as_ref().map(|instances| instances.report());
    let counts = (records.written(), records.dropped());
    let status = status_of(state.odoo.report(), instances.as_ref(), counts);
    Printed {
        title: "Odoo Connection".into(),
        html: print(status),
    }
}

//! A stand-in for Odoo, to try the bridge without one and to inject faults.

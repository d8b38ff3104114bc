#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| odoo_bridge_fuzz::jsonrpc(bytes));

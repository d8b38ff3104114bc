//! A run that goes on, told as it goes on.

pub mod http;

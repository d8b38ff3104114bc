//! try_it

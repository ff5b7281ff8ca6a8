//! Scope files and opt-out lists.

mod date;
pub(crate) mod opt_out;
pub(crate) mod reader;
pub(crate) mod scope_file;
mod toml_fields;

//! What is wrong in the configuration of a host, or in a tree of files.
//!
//! [`files::Files`] reads the files and keeps where each value stands. [`gather`] makes [`workload::Workload`]s of them: what is started, with
//! which command line, environment, ports and rights, whatever the format. [`served`] finds which product each runs and which of its settings
//! are in effect, by the catalogue. The [`rules`] look at these, and [`audit`] reports what they find.

pub mod files;
pub mod gather;
mod report;
pub mod rules;
pub mod served;
pub mod source;
pub mod syntax;
pub mod text;
pub mod workload;

pub use report::{Options, Report, Reported, audit, audit_files};
pub use text::{Language, Persona};

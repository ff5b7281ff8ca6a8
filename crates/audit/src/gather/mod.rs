//! What the files start, from each format.

pub(crate) mod command;
pub(crate) mod compose;
pub(crate) mod docker;
pub(crate) mod kubernetes;
pub(crate) mod script;
pub(crate) mod systemd;

use vigie_catalog::Catalog;

use crate::files::Files;
use crate::workload::Workload;

/// Everything that the files start.
#[must_use]
pub fn workloads(files: &Files, catalog: &Catalog) -> Vec<Workload> {
    let mut groups = 0;
    let mut all = compose::gather(files, &mut groups);
    all.extend(kubernetes::gather(files, &mut groups));
    all.extend(systemd::gather(files, &mut groups));
    all.extend(script::gather(files, catalog, &mut groups));
    all
}

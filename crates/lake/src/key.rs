//! What makes two observations the same.

use crate::rows::Rows;

/// The key by which duplicate observations are recognised: source, instant and endpoint.
///
/// Of the source, only kind, name and vantage count: a file that is imported again with a newer catalogue or a newer version of vigie gives
/// the same observations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key<'k> {
    pub(crate) seen: i64,
    pub(crate) address: &'k str,
    pub(crate) port: i32,
    pub(crate) transport: &'k str,
    pub(crate) name: Option<&'k str>,
    pub(crate) prefix: Option<&'k str>,
    /// Kind, name and vantage.
    pub(crate) source: [&'k str; 3],
}

impl<'k> Key<'k> {
    /// The columns that [`Key::read`] needs.
    pub(crate) const COLUMNS: [&'static str; 9] = [
        "seen",
        "address",
        "port",
        "transport",
        "name",
        "prefix",
        "source_kind",
        "source_name",
        "vantage",
    ];

    /// Microseconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.seen
    }

    pub(crate) fn read(rows: &'k Rows, row: usize) -> Option<Self> {
        Some(Self {
            seen: rows.micros("seen", row)?,
            address: rows.text("address", row)?,
            port: rows.int("port", row)?,
            transport: rows.text("transport", row)?,
            name: rows.text("name", row),
            prefix: rows.text("prefix", row),
            source: [
                rows.text("source_kind", row)?,
                rows.text("source_name", row)?,
                rows.text("vantage", row).unwrap_or_default(),
            ],
        })
    }
}

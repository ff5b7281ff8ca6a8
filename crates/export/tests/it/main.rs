//! The formats, whole: snapshots, schemas, hostile texts, baselines.

mod baseline;
mod coverage;
mod formats;
mod samples;
mod schemas;
mod table;

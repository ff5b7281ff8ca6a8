//! Metrics and health, on an address of their own.

mod families;
mod gauge;
mod histogram;
mod http;
mod metrics;
mod series;
mod text;

pub(crate) use families::{Family, Kind, Point, Value, error_type, families};
pub(crate) use http::{listen, run};
pub(crate) use metrics::{Metrics, Recorder, operation, outcome};

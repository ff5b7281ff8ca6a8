//! Extracts what the replies report: version, posture, models, tools.

mod list;
mod models;
mod posture;
mod request;
mod unknown;
mod values;

pub(crate) use models::{model_for_proof, model_listed_twice, model_names, models, running, tools};
pub(crate) use posture::{gate_around_open_list, posture, refused_list};
pub(crate) use request::own_effect;
pub(crate) use unknown::unlisted;
pub(crate) use values::{before, instance, version};

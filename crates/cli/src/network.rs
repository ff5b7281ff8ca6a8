//! Where addresses stand, as the verbs ask for it.

use vigie_network::{Classes, Databases, Enricher};

use crate::args::NetworkArgs;
use crate::failure::Failure;

/// What the files say; without any, what an AS number that is already known says.
pub(crate) fn enricher(args: &NetworkArgs) -> Result<Enricher, Failure> {
    let places = Databases::open(&args.geo).map_err(|error| Failure::usage(whole(&error)))?;
    let classes = match &args.classes {
        Some(file) => Classes::open(file).map_err(Failure::usage)?,
        None => Classes::embedded().clone(),
    };
    Ok(Enricher::new(places, classes))
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

//! vigie's own JSON lines, as they were written: time, source and all.

use serde::Deserialize;
use vigie_model::{Observation, SCHEMA};

use crate::out::Out;

/// The schema alone, to say what is wrong with a line.
#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow)]
    schema: std::borrow::Cow<'a, str>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    // Checking the text once is quicker than checking each string in it.
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8 from byte {} on", error.valid_up_to()))?;
    match serde_json::from_str::<Observation>(text) {
        Ok(observation) if observation.schema == SCHEMA => {
            out.observation(observation);
            Ok(())
        }
        Ok(observation) => Err(foreign(&observation.schema)),
        Err(error) => Err(match serde_json::from_str::<Schema<'_>>(text) {
            Ok(Schema { schema }) if schema != SCHEMA => foreign(&schema),
            _ => {
                let error = error.to_string();
                format!("no sound record: {}", error.split(" at line ").next().unwrap_or_default())
            }
        }),
    }
}

fn foreign(schema: &str) -> String {
    let number = |schema: &str| {
        schema
            .strip_prefix("vigie.observation/")
            .and_then(|number| number.parse::<u64>().ok())
    };
    match (number(schema), number(SCHEMA)) {
        (Some(theirs), Some(ours)) if theirs > ours => {
            format!("its schema is {schema:?}, which is newer than {SCHEMA:?}; a newer vigie reads it")
        }
        _ => format!("its schema is {schema:?}; this vigie reads {SCHEMA:?}"),
    }
}

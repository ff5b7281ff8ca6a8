//! Transcripts as files.

use std::path::Path;

use vigie_model::Transcript;

use crate::failure::Failure;
use crate::files::write_whole;

/// Writes a transcript to a file of its own, named after the endpoint.
pub(crate) fn write(dir: &Path, transcript: &Transcript) -> Result<(), Failure> {
    let endpoint = &transcript.endpoint;
    let name = endpoint.name.as_deref().map(|name| format!("{name}-")).unwrap_or_default();
    let prefix = endpoint.prefix.as_ref().map(ToString::to_string).unwrap_or_default();
    let clean: String = format!("{name}{}-{}{prefix}", endpoint.address, endpoint.port)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' })
        .collect();
    let text = serde_json::to_string_pretty(transcript).map_err(Failure::output)?;
    write_whole(&dir.join(format!("{clean}.json")), text.as_bytes())
}

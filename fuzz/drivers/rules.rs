//! Any text as a product file beside the embedded catalogue: an error or a catalogue, never a panic.

use vigie_catalog::{Catalog, embedded_files};

/// Loads it.
pub(crate) fn drive(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut files = embedded_files();
    // Only what the openings need, and no word to compile: a whole catalogue for each input would be slow.
    files.retain(|name, _| !name.starts_with("products/") || name == "products/mcp.yaml" || name == "products/openai-compatible.yaml");
    files.insert(
        "markers.yaml".to_owned(),
        "{schema: vigie.markers/1, uncensored_names: [], uncensored_prompts: [], default_prompts: [], tool_risks: {}}".to_owned(),
    );
    files.insert("products/fuzzed.yaml".to_owned(), text.to_owned());
    let _ = Catalog::load(&files, None);
}

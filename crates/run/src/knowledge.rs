//! The catalogue that a command uses: the embedded one, or a folder's.

use std::path::Path;
use std::sync::Arc;

use vigie_advisory::Advisories;
use vigie_assess::{Knowledge, Texts};
use vigie_catalog::{Catalog, Files, embedded_advisories, embedded_files, embedded_findings};
use vigie_identify::{Identifier, Measured};

use crate::failure::{Failure, read};

/// The embedded knowledge, or a folder's, with the embedded effects as its floor.
///
/// # Errors
///
/// A file cannot be read or is invalid.
pub fn knowledge(dir: Option<&Path>) -> Result<Knowledge, Failure> {
    let Some(dir) = dir else { return Ok(Knowledge::embedded()) };
    let catalog = compile(&files(dir)?)?;
    let advisories = texts(&dir.join("advisories"), "", "json")?
        .filter(|files| !files.is_empty())
        .unwrap_or_else(embedded_advisories);
    let advisories = Advisories::load(advisories).map_err(|errors| Failure::of_all("advisories", &errors))?;
    // The embedded texts stand in for findings that the folder does not describe.
    let mut findings = embedded_findings();
    findings.extend(texts(&dir.join("findings"), "", "yaml")?.unwrap_or_default());
    let findings = Texts::load(&findings).map_err(|errors| Failure::of_all("findings", &errors))?;
    Ok(Knowledge::with(Arc::new(catalog), Arc::new(advisories), Arc::new(findings)))
}

/// The identifier over a catalogue that was loaded from the same folder, with the confidence measured there.
///
/// # Errors
///
/// `measured.json` is invalid.
pub fn identifier(dir: Option<&Path>, catalog: &Arc<Catalog>) -> Result<Arc<Identifier>, Failure> {
    let Some(dir) = dir else { return Ok(Identifier::embedded()) };
    let measured = match std::fs::read_to_string(dir.join("measured.json")) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{}/measured.json: {error}", dir.display())))?,
        // The measurements of the embedded catalogue do not apply to another one.
        Err(_) => Measured::default(),
    };
    Ok(Arc::new(Identifier::new(Arc::clone(catalog), Arc::new(measured))))
}

/// Compiles with the embedded catalogue's effects as the floor.
///
/// # Errors
///
/// Everything that is wrong with the files.
pub fn compile(files: &Files) -> Result<Catalog, Failure> {
    let floor = Catalog::embedded_if_sound();
    Catalog::load(files, floor.as_deref()).map_err(|errors| Failure::of_all("catalogue", &errors))
}

/// The files of a catalogue folder. A folder without `openings.yaml` or `markers.yaml` gets the embedded ones.
///
/// # Errors
///
/// The folder has no `products`, or a file cannot be read.
pub fn files(dir: &Path) -> Result<Files, Failure> {
    let products = texts(&dir.join("products"), "products/", "yaml")?.ok_or_else(|| {
        Failure::usage(format!(
            "{} has no folder products; a catalogue needs products/*.yaml",
            dir.display()
        ))
    })?;
    let mut files = products;
    let embedded = embedded_files();
    for name in ["openings.yaml", "markers.yaml"] {
        let own = std::fs::read_to_string(dir.join(name)).ok().or_else(|| embedded.get(name).cloned());
        files.extend(own.map(|text| (name.to_owned(), text)));
    }
    Ok(files)
}

/// The texts of a folder's files of one kind; `None`: there is no such folder.
///
/// # Errors
///
/// A file cannot be read.
pub fn texts(dir: &Path, prefix: &str, extension: &str) -> Result<Option<Files>, Failure> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(None) };
    let mut files = Files::new();
    for entry in entries {
        let path = entry
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", dir.display())))?
            .path();
        if path.extension().is_some_and(|e| e == extension)
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            files.insert(format!("{prefix}{name}"), read(&path)?);
        }
    }
    Ok(Some(files))
}

//! Any bytes as a certificate in DER.

/// Reads it.
pub(crate) fn drive(data: &[u8]) {
    let told = vigie_scan::certificate(data);
    assert!(told.names.len() <= 64);
    assert!(told.sha256.starts_with("sha256:"));
}

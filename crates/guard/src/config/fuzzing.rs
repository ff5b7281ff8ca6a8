//! What must hold for any `guard.toml`.

use super::Config;

/// Any text as the configuration: what is read is written and read again as the same, and an error is at a line that is there.
pub(crate) fn drive(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(text) {
        Ok(config) => {
            let written = toml::to_string(&config).expect("it is written");
            assert_eq!(Config::parse(&written).as_ref(), Ok(&config), "{written}");
        }
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!(error.line.is_none_or(|line| line >= 1 && line <= lines + 1), "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

//! Changes of configuration that close a finding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a program reads a setting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingPlace {
    /// An environment variable.
    Env(String),
    /// An option of the command line, with its dashes.
    Flag(String),
    /// A key in a configuration file; parts of the key are separated by dots.
    File {
        /// The file's name or path, as the product's documentation writes it.
        file: String,
        /// The key.
        key: String,
    },
}

impl fmt::Display for SettingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) | Self::Flag(name) => f.write_str(name),
            Self::File { file, key } => write!(f, "{key} in {file}"),
        }
    }
}

/// What a change does to a server that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// It takes effect at once, and nobody notices.
    None,
    /// The server must be restarted.
    Restart,
    /// The server must be restarted, and clients that work today may be refused.
    BreaksClients,
}

impl Impact {
    /// The word in a product file and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restart => "restart",
            Self::BreaksClients => "breaks-clients",
        }
    }
}

/// One change of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fix {
    /// The id of the setting in the product's file; `None` in a record of an earlier version. The fixes of one setting are alternatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Where it is set.
    pub set: SettingPlace,
    /// The value to write; `None`: the setting is removed, or its value is the owner's to choose (a key, a password).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What the change does.
    pub impact: Impact,
}

impl fmt::Display for Fix {
    /// As one would type it: `OLLAMA_HOST=127.0.0.1:11434`, `--host 127.0.0.1`, `listen: 127.0.0.1 in config.yaml`, `listen = 127.0.0.1 in
    /// config.ini`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.set, &self.to) {
            (set, None) => write!(f, "{set}"),
            (SettingPlace::Env(name), Some(value)) => write!(f, "{name}={value}"),
            (SettingPlace::Flag(name), Some(value)) if value.is_empty() => f.write_str(name),
            (SettingPlace::Flag(name), Some(value)) => write!(f, "{name} {value}"),
            (SettingPlace::File { file, key }, Some(value)) if is_mapping(file) => write!(f, "{key}: {value} in {file}"),
            (SettingPlace::File { file, key }, Some(value)) => write!(f, "{key} = {value} in {file}"),
        }
    }
}

/// Whether a file holds keys and values with a colon between them, as YAML and JSON do.
fn is_mapping(file: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_names_its_setting_and_one_of_an_earlier_record_is_read() {
        let fix = Fix {
            setting: Some("host".to_owned()),
            set: SettingPlace::Env("OLLAMA_HOST".to_owned()),
            to: Some("127.0.0.1:11434".to_owned()),
            impact: Impact::BreaksClients,
        };
        let json = serde_json::to_string(&fix).expect("it serialises");
        assert_eq!(
            json,
            r#"{"setting":"host","set":{"env":"OLLAMA_HOST"},"to":"127.0.0.1:11434","impact":"breaks-clients"}"#
        );
        assert_eq!(serde_json::from_str::<Fix>(&json).expect("it reads"), fix);
        let earlier = json.replace(r#""setting":"host","#, "");
        let read: Fix = serde_json::from_str(&earlier).expect("it reads");
        assert_eq!(read.setting, None);
        assert_eq!(serde_json::to_string(&read).expect("it serialises"), earlier);
    }
}

//! The arguments of `vigie audit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vigie_audit::{Language, Persona};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no finding; 10 to 14 by the worst finding: 10 info, 11 low, 12 medium, 13 high, 14 critical; 2 wrong usage; \
                        4 results could not be written."
)]
pub(crate) struct AuditArgs {
    /// Files and directories to audit
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Explain a rule instead: what it reports, why, and how to mend it
    #[arg(long, value_name = "ID", conflicts_with = "paths")]
    pub(crate) explain: Option<String>,

    /// Format of the report
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub(crate) format: Format,

    /// How much is reported: each persona gets what those before it get, and more
    #[arg(long, value_enum, default_value_t = PersonaArg::Regular)]
    pub(crate) persona: PersonaArg,

    /// Language of titles, messages and remedies
    #[arg(long, value_enum, default_value_t = LanguageArg::En)]
    pub(crate) language: LanguageArg,

    /// Exit with 0 whatever is found
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: each finding with its line
    Plain,
    /// One JSON document
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PersonaArg {
    /// What nearly everybody should mend
    Regular,
    /// Good practice too
    Pedantic,
    /// Everything that an auditor asks about
    Auditor,
}

impl From<PersonaArg> for Persona {
    fn from(persona: PersonaArg) -> Self {
        match persona {
            PersonaArg::Regular => Self::Regular,
            PersonaArg::Pedantic => Self::Pedantic,
            PersonaArg::Auditor => Self::Auditor,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanguageArg {
    /// English
    En,
    /// French
    Fr,
}

impl From<LanguageArg> for Language {
    fn from(language: LanguageArg) -> Self {
        match language {
            LanguageArg::En => Self::English,
            LanguageArg::Fr => Self::French,
        }
    }
}

//! Text classifiers for prompts, models and tools (`catalog/markers.yaml`).

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::bytes::{RegexSet, RegexSetBuilder};
use vigie_model::{PromptClass, TextPrint, ToolRisk, sha256};

use crate::rule::TextClassifiersFile;

/// Longest text whose print is cached, in bytes, and most cached prints: most models share few templates, and a hostile network that
/// invents them cannot exhaust memory.
const MAX_CACHED: (usize, usize) = (8 << 10, 128);

/// Compiled text classifiers. They are lower bounds: a text that no expression matches may still belong to the class.
#[derive(Debug)]
pub struct TextClassifiers {
    names: Words,
    uncensored: Words,
    defaults: Words,
    tools: Vec<(ToolRisk, Words)>,
    prints: Mutex<HashMap<String, TextPrint>>,
}

/// Expressions of which one must match, in any case. They are English words, so they match bytes: Unicode would make the automata ten
/// times as large.
#[derive(Clone, Debug)]
struct Words {
    list: Vec<String>,
    compiled: OnceLock<RegexSet>,
}

impl Words {
    fn compile(list: &[String]) -> Result<RegexSet, String> {
        RegexSetBuilder::new(list)
            .case_insensitive(true)
            .unicode(false)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| error.to_string())
    }

    fn is_match(&self, text: &str) -> bool {
        // Empty only for unchecked expressions that do not compile: the tests compile all of a build.
        self.compiled
            .get_or_init(|| Self::compile(&self.list).unwrap_or_default())
            .is_match(text.as_bytes())
    }
}

impl TextClassifiers {
    /// Compiles the expressions of the file.
    ///
    /// # Errors
    ///
    /// An expression that does not compile.
    pub fn compile(file: &TextClassifiersFile) -> Result<Self, String> {
        let set = |list: &[String]| {
            let compiled = OnceLock::new();
            if !crate::pattern::is_later() {
                let _ = compiled.set(Words::compile(list)?);
            }
            Ok::<_, String>(Words {
                list: list.to_owned(),
                compiled,
            })
        };
        Ok(Self {
            names: set(&file.uncensored_names)?,
            uncensored: set(&file.uncensored_prompts)?,
            defaults: set(&file.default_prompts)?,
            tools: file
                .tool_risks
                .iter()
                .map(|(risk, list)| Ok((*risk, set(list)?)))
                .collect::<Result<_, String>>()?,
            prints: Mutex::default(),
        })
    }

    /// Whether a model's name marks removed safeguards.
    #[must_use]
    pub fn uncensored_name(&self, name: &str) -> bool {
        self.names.is_match(name)
    }

    /// Hash and class of a prompt or template; white space is folded first, so that the same text has one hash everywhere.
    #[must_use]
    pub fn print(&self, text: &str) -> TextPrint {
        let (longest, most) = MAX_CACHED;
        if text.len() > longest {
            return self.classify(text);
        }
        if let Some(print) = self.prints.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
            return print.clone();
        }
        let print = self.classify(text);
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if prints.len() >= most {
            prints.clear();
        }
        prints.insert(text.to_owned(), print.clone());
        print
    }

    fn classify(&self, text: &str) -> TextPrint {
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let class = if folded.is_empty() {
            PromptClass::Empty
        } else if self.uncensored.is_match(&folded) {
            PromptClass::Uncensored
        } else if self.defaults.is_match(&folded) {
            PromptClass::Default
        } else {
            PromptClass::Custom
        };
        TextPrint {
            sha256: sha256(folded.as_bytes()),
            characters: folded.chars().count() as u64,
            class,
            text: Some(text.to_owned()),
        }
    }

    /// The risk classes of a tool, the worst first; `Other` if no expression matches.
    #[must_use]
    pub fn tool_risks(&self, name: &str, description: &str, schema: &str) -> Vec<ToolRisk> {
        // camelCase and snake_case names are split into words, so that an expression for `shell` matches runShell.
        let mut words = String::with_capacity(name.len() * 2);
        let mut last_lower = false;
        for c in name.chars() {
            if (c.is_uppercase() && last_lower) || !c.is_alphanumeric() {
                words.push(' ');
            }
            if c.is_alphanumeric() {
                words.push(c);
            }
            last_lower = c.is_lowercase() || c.is_numeric();
        }
        let text = format!("{words}\n{description}\n{schema}");
        let mut risks: Vec<ToolRisk> = self
            .tools
            .iter()
            .filter(|(_, set)| set.is_match(&text))
            .map(|(risk, _)| *risk)
            .collect();
        risks.sort_unstable();
        if risks.is_empty() {
            risks.push(ToolRisk::Other);
        }
        risks
    }
}

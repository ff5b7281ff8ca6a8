//! Which product a workload runs, and which of its settings are in effect.

use vigie_catalog::{Catalog, Judgement, Product, Setting};
use vigie_model::SettingPlace;

use crate::gather::command::strip_launchers;
use crate::source::{Located, Span};
use crate::workload::{Network, Opening, Reach, Word, Workload};

/// A workload whose product is known.
#[derive(Debug)]
pub struct Served<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// The product.
    pub product: &'a Product,
    /// Its settings, in the order of the product's file.
    pub settings: Vec<Effective<'a>>,
}

/// A setting, with what is in effect.
#[derive(Debug)]
pub struct Effective<'a> {
    /// The setting.
    pub setting: &'a Setting,
    /// The value that counts; `None`: it is not set, as far as the files tell.
    pub value: Option<Word>,
    /// Where it would be changed: where the value stands, else where the product is started.
    pub span: Span,
    /// Whether the value is safe.
    pub judgement: Judgement,
    /// Whether the version that is started reads it; what is unknown is taken to be read.
    pub is_read: bool,
    /// Whether that is unknown.
    pub is_read_unknown: bool,
}

/// Finds the product of a workload: by its image, its command line, or the unit's name.
#[must_use]
pub fn product_of<'c>(workload: &Workload, catalog: &'c Catalog) -> Option<(&'c Product, usize)> {
    let command = strip_launchers(&workload.command);
    let skipped = workload.command.len() - command.len();
    let texts: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
    let by_command = catalog
        .products()
        .iter()
        .filter_map(|product| product.runs.starts(&texts).map(|length| (product, length)))
        .max_by_key(|(_, length)| *length);
    if let Some((product, length)) = by_command {
        return Some((product, skipped + length));
    }
    if let Some(image) = workload.image.as_ref() {
        let by_image = catalog.products().iter().find(|product| product.runs.has_image(&image.text));
        return by_image.map(|product| (product, 0));
    }
    // Drop-ins of a unit that a package brings have no command line.
    if workload.command.is_empty() && !workload.starter.is_container() {
        let name = workload.name.text();
        return catalog
            .products()
            .iter()
            .find(|product| product.id == name)
            .map(|product| (product, 0));
    }
    None
}

/// The workload with its product and settings; `None` if no product is recognised.
#[must_use]
pub fn serve<'a>(workload: &'a Workload, catalog: &'a Catalog) -> Option<Served<'a>> {
    let (product, from) = product_of(workload, catalog)?;
    let arguments = workload.command.get(from..).unwrap_or_default();
    let start = workload
        .command
        .get(from.saturating_sub(1))
        .or(workload.image.as_ref())
        .map_or(workload.name.span, |word| word.span);
    let version = workload.image_version();
    let version = version.as_ref().map(|version| version.text());
    let mut settings: Vec<Effective<'a>> = product
        .settings
        .iter()
        .map(|setting| {
            let value = value(setting, workload, arguments);
            let span = value.as_ref().map_or(start, |word| word.span);
            let judgement = judge(setting, value.as_ref(), workload, arguments);
            Effective {
                setting,
                value,
                span,
                judgement,
                is_read: setting.is_read_by(product.versions, version) != Some(false),
                is_read_unknown: setting.is_read_by(product.versions, version).is_none(),
            }
        })
        .collect();
    settle(&mut settings, workload.image.is_some());
    Some(Served {
        workload,
        product,
        settings,
    })
}

/// The value of a setting: of its options first, then of its variables.
fn value(setting: &Setting, workload: &Workload, arguments: &[Word]) -> Option<Word> {
    let mut found = None;
    for (at, word) in arguments.iter().enumerate() {
        let (name, inline) = match word.text.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name, Some(value)),
            _ => (word.text.as_str(), None),
        };
        let flag = |place: &SettingPlace| matches!(place, SettingPlace::Flag(flag) if same_option(flag, name));
        if setting.places.iter().any(flag) {
            found = match inline {
                Some(value) => Some(Word {
                    text: value.to_owned(),
                    ..word.clone()
                }),
                // An option at the end, or before another one, has no value.
                None => Some(match arguments.get(at + 1) {
                    Some(next) if !next.text.starts_with('-') || next.text.len() < 2 => Word {
                        span: join(word.span, next.span),
                        ..next.clone()
                    },
                    _ => Word {
                        text: String::new(),
                        ..word.clone()
                    },
                }),
            };
        } else if let Some(switch) = setting.switches.iter().find(|switch| same_option(&switch.flag, name)) {
            // `--option=false` turns what the option says around.
            let off = inline.is_some_and(|value| ["false", "0", "no"].contains(&value));
            found = Some(Word {
                text: if switch.on == off { "false" } else { "true" }.to_owned(),
                ..word.clone()
            });
        }
    }
    found.or_else(|| {
        setting.places.iter().find_map(|place| match place {
            SettingPlace::Env(name) => workload.variable(name).map(|variable| Word {
                span: if variable.value.span.source == variable.name.span.source {
                    join(variable.name.span, variable.value.span)
                } else {
                    variable.value.span
                },
                ..variable.value.clone()
            }),
            SettingPlace::Flag(_) | SettingPlace::File { .. } => None,
        })
    })
}

/// The place of an option or variable and its value: on one line, both; else the value's.
fn join(name: Span, value: Span) -> Span {
    if name.source == value.source && value.end >= name.start && value.start >= name.start {
        Span { end: value.end, ..name }
    } else {
        value
    }
}

/// Whether a word is an option. Underscores stand for hyphens, as in most parsers of options.
fn same_option(option: &str, word: &str) -> bool {
    option == word || (word.starts_with("--") && word.contains('_') && word.replace('_', "-") == option)
}

fn judge(setting: &Setting, value: Option<&Word>, workload: &Workload, arguments: &[Word]) -> Judgement {
    match value {
        // Something is set, although nobody knows what.
        Some(word) if word.unknown && setting.secret => Judgement::Safe,
        Some(word) if word.unknown => Judgement::Unknown,
        Some(word) => setting.judge(Some(&word.text)),
        None => {
            let hidden = workload.environment_open && setting.places.iter().any(|place| matches!(place, SettingPlace::Env(_)));
            let passed_on = arguments.iter().any(|word| word.unknown || word.text == "$@" || word.text == "$*");
            let in_file = setting.places.iter().any(|place| matches!(place, SettingPlace::File { .. }));
            let judgement = if workload.image.is_some() {
                setting.judge_in_image(None)
            } else {
                setting.judge(None)
            };
            if (hidden || passed_on || in_file) && judgement == Judgement::Unsafe {
                Judgement::Unknown
            } else {
                judgement
            }
        }
    }
}

/// Settings without effect: those that need another one that is not in effect, and those that another makes harmless. One that would have
/// asked for credentials, or encrypted, counts as not set; any other is safe.
fn settle(settings: &mut [Effective<'_>], is_image: bool) {
    let all: Vec<(String, Judgement, bool)> = settings
        .iter()
        .map(|one| (one.setting.id.clone(), one.judgement, is_in_effect(one, is_image)))
        .collect();
    let of = |id: &String| all.iter().find(|(other, ..)| other == id);
    for one in settings {
        if one.setting.needs.iter().any(|id| of(id).is_some_and(|(.., in_effect)| !in_effect)) {
            one.judgement = match one.setting.audit.as_deref() {
                Some("no-authentication" | "plain-http") => one.setting.judge(None),
                _ => Judgement::Safe,
            };
        }
        if one
            .setting
            .unless
            .iter()
            .any(|id| of(id).is_some_and(|(_, judgement, _)| *judgement == Judgement::Safe))
        {
            one.judgement = Judgement::Safe;
        }
    }
}

/// Whether a setting that others need is there: set, or by default, to something that is neither empty nor off.
fn is_in_effect(one: &Effective<'_>, is_image: bool) -> bool {
    if one.value.as_ref().is_some_and(|word| word.unknown) {
        return true;
    }
    let by_image = one.setting.in_image.as_deref().filter(|_| is_image);
    let value = one
        .value
        .as_ref()
        .map(|word| word.text.as_str())
        .or(by_image)
        .or(one.setting.default.as_deref());
    value.is_some_and(|value| {
        let value = value.trim();
        !value.is_empty()
            && !["0", "false", "no", "off", "disabled"]
                .iter()
                .any(|off| value.eq_ignore_ascii_case(off))
    })
}

/// Who reaches a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure<'a> {
    /// Other machines, by these openings.
    Opened(Vec<&'a Opening>),
    /// Other machines, since it listens on an address of the host that they reach; where that is set.
    Bound(Span),
    /// No other machine.
    Closed,
    /// It cannot be told from the files.
    Unknown,
}

impl Served<'_> {
    /// Whether callers must authenticate; `None`: unknown.
    #[must_use]
    pub fn authenticates(&self) -> Option<bool> {
        self.product.runs.authenticates(&self.product.settings, |setting| {
            self.settings
                .iter()
                .find(|one| one.setting.id == setting.id)
                .map_or(Judgement::Unknown, |one| match one.judgement {
                    // What this version does not read protects nobody.
                    _ if !one.is_read => Judgement::Unsafe,
                    // Of a version that is not known nobody can say whether this protects it.
                    Judgement::Safe if one.is_read_unknown => Judgement::Unknown,
                    judgement => judgement,
                })
        })
    }

    /// The settings of a rule.
    pub fn of_rule<'s>(&'s self, rule: &'s str) -> impl Iterator<Item = &'s Effective<'s>> {
        self.settings
            .iter()
            .filter(move |one| one.is_read && one.setting.audit.as_deref() == Some(rule))
    }

    /// Who reaches it. `workloads` are all of the inventory, since a container may use the network of another.
    #[must_use]
    pub fn exposure<'w>(&'w self, workloads: &'w [Workload]) -> Exposure<'w> {
        let opened = |workload: &'w Workload| -> Exposure<'w> {
            let mut open: Vec<&Opening> = Vec::new();
            let mut unknown = false;
            for opening in &workload.openings {
                match opening.reach {
                    Reach::Everyone | Reach::Certain(_) => open.push(opening),
                    Reach::Unknown => unknown = true,
                    Reach::ThisMachine => {}
                }
            }
            match (open.is_empty(), unknown) {
                (false, _) => Exposure::Opened(open),
                (true, true) => Exposure::Unknown,
                (true, false) => Exposure::Closed,
            }
        };
        match &self.workload.network {
            Network::Host(_) => self.bound(),
            Network::Own if self.workload.starter.is_container() => opened(self.workload),
            Network::Own => self.bound(),
            Network::Internal | Network::None => Exposure::Closed,
            Network::Of(name) => workloads
                .iter()
                .find(|other| other.group == self.workload.group && other.name.text() == name)
                .map_or(Exposure::Unknown, opened),
        }
    }

    fn bound(&self) -> Exposure<'_> {
        let mut unknown = false;
        let mut any = false;
        for one in self.of_rule("exposed-bind") {
            any = true;
            match one.judgement {
                Judgement::Unsafe => return Exposure::Bound(one.span),
                Judgement::Unknown => unknown = true,
                Judgement::Safe => {}
            }
        }
        if unknown || !any { Exposure::Unknown } else { Exposure::Closed }
    }

    /// The name of the workload, with what its format calls it.
    #[must_use]
    pub fn called(&self) -> Located<String> {
        Located::new(
            format!("{} {}", self.workload.starter.noun(), self.workload.name.value),
            self.workload.name.span,
        )
    }
}

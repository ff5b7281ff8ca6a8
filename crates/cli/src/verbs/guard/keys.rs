//! `vigie guard key`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use vigie_export::grid::Column;
use vigie_guard::config::{Config, files};
use vigie_guard::init::write_keys;
use vigie_guard::key::{Certificate, Grant, Key, KeyFile, Pattern, Secret, StoredSecret};
use vigie_guard::limit::Limit;
use vigie_guard::log::{KeyChange, KeyEvent, Log, SigningKey};
use vigie_model::{Effect, EffectSet, Timestamp};
use vigie_run::{Failure, read};

use super::args::{CreateArgs, KeyArgs, KeyVerb};
use crate::failure::{Done, print_json, written};

/// The word of `--can` for models that run on the account of the server's owner.
pub(super) const CLOUD: &str = "cloud";

/// A key as it is printed, with its secret the one time that it is known.
#[derive(Serialize)]
struct Printed<'k> {
    schema: &'static str,
    id: &'k str,
    name: &'k str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'k str>,
    created: Timestamp,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    certificates: &'k [Certificate],
    grant: &'k Grant,
}

impl<'k> Printed<'k> {
    fn new(key: &'k Key, secret: Option<&'k Secret>) -> Self {
        Self {
            schema: "vigie.guard-key/1",
            id: &key.id,
            name: &key.name,
            key: secret.map(Secret::expose),
            created: key.created,
            expires: key.expires,
            revoked: key.revoked,
            certificates: &key.certificates,
            grant: &key.grant,
        }
    }
}

pub(super) fn run(args: &KeyArgs) -> Done {
    let dir = args.dir.folder()?;
    let mut store = load(&dir)?;
    let now = chrono::Utc::now();
    match &args.verb {
        KeyVerb::Create(create) => {
            refuse_pins(&dir, &create.models)?;
            let secret = self::create(&mut store, create, now)?;
            let key = store.keys.last().cloned();
            save(&dir, &store, key.as_ref().map(|key| change(KeyEvent::Created, key)))?;
            key.map_or(Ok(()), |key| print(args.json, &key, Some(&secret)))?;
        }
        KeyVerb::Change(wanted) => {
            refuse_pins(&dir, &wanted.models)?;
            let key = find(&mut store, &wanted.name)?;
            wanted.apply(key, now);
            let key = key.clone();
            save(&dir, &store, Some(change(KeyEvent::Changed, &key)))?;
            print(args.json, &key, None)?;
        }
        KeyVerb::List => list(args.json, &store, now)?,
        KeyVerb::Show { name } => print(args.json, find(&mut store, name)?, None)?,
        KeyVerb::Rotate { name, overlap } => {
            let secret = new_secret()?;
            let key = find(&mut store, name)?;
            for old in &mut key.secrets {
                old.until = Some(old.until.map_or(now + *overlap, |until| until.min(now + *overlap)));
            }
            key.secrets.retain(|old| old.until.is_none_or(|until| until > now));
            key.secrets.insert(
                0,
                StoredSecret {
                    hash: secret.hash(),
                    until: None,
                },
            );
            let key = key.clone();
            save(&dir, &store, Some(change(KeyEvent::Rotated, &key)))?;
            print(args.json, &key, Some(&secret))?;
        }
        KeyVerb::Revoke { name } => {
            let key = find(&mut store, name)?;
            key.revoked.get_or_insert(now);
            let key = key.clone();
            save(&dir, &store, Some(change(KeyEvent::Revoked, &key)))?;
            print(args.json, &key, None)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a key in the store; gives its secret.
pub(super) fn create(store: &mut KeyFile, args: &CreateArgs, now: Timestamp) -> Result<Secret, Failure> {
    if args.name.is_empty() || args.name.chars().any(char::is_control) {
        return Err(Failure::usage("a key's name is one line, and not empty"));
    }
    if store.by_name(&args.name).is_some() {
        return Err(Failure::usage(format!(
            "there is a key {:?} already; vigie guard key rotate gives it a new secret",
            args.name
        )));
    }
    let effects: EffectSet = match args.allow[..] {
        [] => EffectSet::EMPTY.with(Effect::Infer),
        [..] => args.allow.iter().map(|effect| Effect::from(*effect)).collect(),
    };
    let secret = new_secret()?;
    let id = vigie_guard::key::fresh_id().map_err(|_| Failure::scan("the system gives no random numbers"))?;
    store.keys.push(Key {
        id,
        name: args.name.clone(),
        secrets: vec![StoredSecret {
            hash: secret.hash(),
            until: None,
        }],
        certificates: args.certificate.clone(),
        created: now,
        expires: args.expires.map(|after| now + after),
        revoked: None,
        grant: Grant {
            effects,
            models: patterns(&args.models),
            cloud: is_cloud(&args.can),
            can: features(&args.can),
            caps: args.cap.iter().cloned().collect(),
            limits: args.limit.iter().copied().collect(),
            networks: args.from.clone(),
            hours: args.hours.clone(),
        },
    });
    Ok(secret)
}

/// The patterns of `--models`.
pub(super) fn patterns(models: &[String]) -> Vec<Pattern> {
    models.iter().map(|model| Pattern::new(model.trim())).collect()
}

/// Whether `--can` names cloud models.
pub(super) fn is_cloud(can: &[String]) -> bool {
    can.iter().any(|word| word == CLOUD)
}

/// The features of `--can`.
pub(super) fn features(can: &[String]) -> Vec<String> {
    can.iter().filter(|word| *word != CLOUD).cloned().collect()
}

/// Refuses pinned models that cannot be pinned in front of the gateway's server.
fn refuse_pins(dir: &Path, models: &[String]) -> Result<(), Failure> {
    let grant = Grant {
        models: patterns(models),
        ..Grant::default()
    };
    if !grant.has_pins() {
        return Ok(());
    }
    let path = dir.join(files::CONFIG);
    let config = Config::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let products: Vec<&str> = config.behind().map(|server| &*server.product).collect();
    vigie_guard::known::check_pins(&products, &grant).map_err(Failure::usage)
}

fn new_secret() -> Result<Secret, Failure> {
    Secret::generate().map_err(|_| Failure::scan("the system gives no random numbers"))
}

pub(super) fn load(dir: &Path) -> Result<KeyFile, Failure> {
    let path = dir.join(files::KEYS);
    if !path.exists() {
        return Err(Failure::usage(format!(
            "there is no gateway in {}; make one with: vigie guard init --dir {}",
            dir.display(),
            dir.display()
        )));
    }
    KeyFile::parse(&read(&path)?).map_err(|error| Failure::usage(format!("{} {error}", path.display())))
}

/// What the log says of a change.
pub(super) fn change(what: KeyEvent, key: &Key) -> KeyChange {
    KeyChange {
        what,
        id: key.id.clone(),
        name: key.name.clone(),
    }
}

/// Writes the store. A gateway that runs reads it at once and logs what changed; otherwise the change is logged here.
pub(super) fn save(dir: &Path, store: &KeyFile, change: Option<KeyChange>) -> Result<(), Failure> {
    // A store that does not read would be one that a running gateway does not take.
    KeyFile::parse(&store.to_text()).map_err(|error| Failure::usage(format!("nothing was changed: the key store then {error}")))?;
    write_keys(dir, store).map_err(|error| Failure::output(format!("cannot write {}: {error}", dir.join(files::KEYS).display())))?;
    let signing = std::fs::read(dir.join(files::SIGNING_KEY))
        .ok()
        .and_then(|key| SigningKey::read(&key).ok());
    let config = read(&dir.join(files::CONFIG))
        .ok()
        .and_then(|text| vigie_guard::config::Config::parse(&text).ok());
    if let (Some(signing), Some(config)) = (signing, config)
        && let Ok(log) = Log::open_alone(&dir.join(&config.log.dir), signing)
    {
        log.record_keys(store.keys.len(), change.into_iter().collect());
    } else {
        // A running gateway looks at the store every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

fn find<'k>(store: &'k mut KeyFile, name: &str) -> Result<&'k mut Key, Failure> {
    let at = store
        .keys
        .iter()
        .position(|key| key.id == name)
        .or_else(|| store.keys.iter().position(|key| key.name == name && key.revoked.is_none()))
        .or_else(|| store.keys.iter().position(|key| key.name == name));
    at.and_then(|at| store.keys.get_mut(at))
        .ok_or_else(|| Failure::usage(format!("unknown key {name:?}; vigie guard key list shows all")))
}

pub(super) fn print(json: bool, key: &Key, secret: Option<&Secret>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if json {
        return print_json(&mut out, &Printed::new(key, secret));
    }
    let mut text = String::new();
    if let Some(secret) = secret {
        text.push_str(&format!("{}\n\nIt is shown this once. ", secret.expose()));
    }
    text.push_str(&format!("Key {} ({}): {}\n", key.name, key.id, summary(key)));
    written(out.write_all(text.as_bytes()))
}

fn summary(key: &Key) -> String {
    let models: Vec<String> = key.grant.models.iter().map(ToString::to_string).collect();
    let mut parts = vec![format!("may {}", key.grant.effects), format!("models {}", models.join(", "))];
    let cloud = key.grant.cloud.then_some(CLOUD);
    let can: Vec<&str> = key.grant.can.iter().map(String::as_str).chain(cloud).collect();
    if !can.is_empty() {
        parts.push(format!("with {}", can.join(", ")));
    }
    parts.extend(key.grant.caps.iter().map(|(word, most)| format!("{word} at most {most}")));
    parts.extend(
        Limit::ALL
            .into_iter()
            .filter_map(|limit| key.grant.limits.get(limit).map(|most| format!("{} at most {most}", limit.word()))),
    );
    if !key.grant.networks.is_empty() {
        let networks: Vec<String> = key.grant.networks.iter().map(ToString::to_string).collect();
        parts.push(format!("from {}", networks.join(", ")));
    }
    parts.extend(key.certificates.iter().map(|one| format!("with the certificate {one}")));
    parts.extend(key.grant.hours.iter().map(|hours| format!("at {hours}")));
    parts.extend(key.expires.map(|at| format!("expires {}", at.format("%Y-%m-%d %H:%M:%SZ"))));
    parts.extend(key.revoked.map(|at| format!("revoked {}", at.format("%Y-%m-%d %H:%M:%SZ"))));
    parts.join("; ")
}

fn list(json: bool, store: &KeyFile, now: Timestamp) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if json {
        let all: Vec<Printed<'_>> = store.keys.iter().map(|key| Printed::new(key, None)).collect();
        return print_json(&mut out, &serde_json::json!({"schema": "vigie.guard-key-list/1", "keys": all}));
    }
    let rows: Vec<Vec<String>> = store
        .keys
        .iter()
        .map(|key| {
            let state = match (key.revoked, key.is_valid_at(now)) {
                (Some(_), _) => "revoked",
                (None, true) => "valid",
                (None, false) => "expired",
            };
            vec![key.name.clone(), key.id.clone(), state.to_owned(), summary(key)]
        })
        .collect();
    let heads = [
        Column::Token("name"),
        Column::Token("id"),
        Column::Token("state"),
        Column::Text("grant"),
    ];
    written(write!(out, "{}", vigie_export::grid::grid(&heads, &rows, crate::terminal::width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_created_with_its_limits_and_shows_them() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            create: CreateArgs,
        }
        let limits = [
            "--limit",
            "requests-per-minute=60",
            "--limit",
            "tokens-per-day=100000",
            "--limit",
            "concurrent=4",
        ];
        let cli = Cli::parse_from(["vigie", "ci"].into_iter().chain(limits));
        let mut store = KeyFile::default();
        create(&mut store, &cli.create, Timestamp::UNIX_EPOCH).unwrap_or_else(|_| panic!("it is created"));
        let shown = summary(&store.keys[0]);
        assert!(
            shown.ends_with("requests-per-minute at most 60; tokens-per-day at most 100000; concurrent at most 4"),
            "{shown}"
        );
        let read = KeyFile::parse(&store.to_text()).expect("it reads");
        assert_eq!(read, store);
        assert!(Cli::try_parse_from(["vigie", "ci", "--limit", "concurrent=0"]).is_err());
    }
}

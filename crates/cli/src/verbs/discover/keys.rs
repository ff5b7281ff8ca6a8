//! The keys of a service: from the environment or a file, never from an argument.

use std::path::Path;

use vigie_discover::{Secret, Service, ServiceKind};
use vigie_run::{Failure, read};

use super::args::{DiscoverArgs, DiscoverService};

/// The service with its keys.
pub(super) fn service(args: &DiscoverArgs) -> Result<Service, Failure> {
    let (kind, key_file) = (args.kind(), args.query().key_file.as_deref());
    let text = match key_file {
        Some(path) => {
            warn_of_readers(path);
            Some(read(path)?)
        }
        None => None,
    };
    let place = |name: &str| key_file.map_or_else(|| name.to_owned(), |path| path.display().to_string());
    let one = |name: &str| -> Result<Secret, Failure> {
        let text = text
            .clone()
            .or_else(|| std::env::var(name).ok().filter(|text| !text.trim().is_empty()));
        let text = text.ok_or_else(|| Failure::usage(missing(kind)))?;
        Secret::new(&text).map_err(|error| Failure::usage(format!("the key in {} {error}", place(name))))
    };
    match (kind, &args.service) {
        (ServiceKind::Shodan, _) => Ok(Service::shodan(one("SHODAN_API_KEY")?)),
        (ServiceKind::Censys, DiscoverService::Censys(censys)) => {
            let organization = censys.organization.clone().filter(|id| !id.is_empty());
            if organization
                .as_ref()
                .is_some_and(|id| !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
            {
                return Err(Failure::usage(
                    "--organization is a UUID such as 11111111-2222-3333-4444-555555555555; it stands after org= in the Platform's address bar",
                ));
            }
            Ok(Service::censys(one("CENSYS_API_TOKEN")?, organization))
        }
        _ => match &text {
            Some(text) => {
                let wrong = || Failure::usage(format!("{} does not hold ID:SECRET", place("")));
                let (id, secret) = text.trim().split_once(':').ok_or_else(wrong)?;
                let part = |text: &str| Secret::new(text).map_err(|_| wrong());
                Ok(Service::censys_legacy(part(id)?, part(secret)?))
            }
            None => Ok(Service::censys_legacy(one("CENSYS_API_ID")?, one("CENSYS_API_SECRET")?)),
        },
    }
}

fn missing(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Shodan => {
            "no key: set SHODAN_API_KEY, or name a file that holds it with --key-file FILE. It stands on the account's page at Shodan"
        }
        ServiceKind::Censys => {
            "no key: set CENSYS_API_TOKEN to a personal access token, or name a file that holds it with --key-file FILE. \
             The Platform makes one under Personal Access Tokens"
        }
        ServiceKind::CensysLegacy => {
            "no key: set CENSYS_API_ID and CENSYS_API_SECRET, or name a file that holds ID:SECRET with --key-file FILE"
        }
    }
}

/// Warns if other users can read a key file.
#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o077 != 0) {
        anstream::eprintln!(
            "vigie: others on this machine can read {0}; chmod 600 {0} keeps the key to yourself",
            path.display()
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_path: &Path) {}

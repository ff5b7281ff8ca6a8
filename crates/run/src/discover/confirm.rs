//! The endpoints that a scan may confirm.

use std::collections::BTreeSet;
use std::mem::Discriminant;
use std::net::SocketAddr;

use vigie_scope::{OwnAddresses, Refusal, Scope};

use super::options::ConfirmOptions;
use super::report::Confirmation;
use crate::failure::Failure;
use crate::targets;

/// The scope of the confirming scan, and a remark on it.
pub(super) fn scope(options: &ConfirmOptions) -> Result<(Scope, Option<String>), Failure> {
    let (own, note) = targets::own_addresses();
    let scope = targets::scope(options.scope.as_deref(), &options.opt_out, &OwnAddresses::new(own))?;
    Ok((scope, note))
}

/// The endpoints that the scope allows to scan.
pub(super) fn allowed(found: &BTreeSet<SocketAddr>, scope: &Scope) -> (Vec<SocketAddr>, Confirmation) {
    let now = chrono::Utc::now();
    let mut asked = Vec::new();
    // Each kind of refusal once, with its first message.
    let mut kinds: Vec<(Discriminant<Refusal>, String, u64)> = Vec::new();
    for endpoint in found {
        match scope.permits(endpoint.ip(), endpoint.port(), now) {
            Ok(_) => asked.push(*endpoint),
            Err(refusal) => {
                let kind = std::mem::discriminant(&refusal);
                match kinds.iter_mut().find(|(other, _, _)| *other == kind) {
                    Some((_, _, count)) => *count += 1,
                    None => kinds.push((kind, refusal.to_string(), 1)),
                }
            }
        }
    }
    let left = kinds.iter().map(|(_, _, count)| count).sum();
    let reasons = kinds
        .into_iter()
        .map(|(_, first, count)| if count == 1 { first } else { format!("{first} ({count} such)") })
        .collect();
    let confirmation = Confirmation {
        found: found.len() as u64,
        asked: asked.len() as u64,
        left,
        reasons,
    };
    (asked, confirmation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_the_scope_does_not_allow_are_counted_and_left_out() {
        let found: BTreeSet<SocketAddr> = ["127.0.0.1:11434", "10.0.0.1:11434", "8.0.0.0:11434", "192.0.2.1:11434"]
            .iter()
            .map(|text| text.parse().expect("an endpoint"))
            .collect();
        let (asked, counts) = allowed(&found, &Scope::without_file(&OwnAddresses::default()));
        let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["10.0.0.1:11434", "127.0.0.1:11434"]);
        assert_eq!((counts.found, counts.asked, counts.left, counts.reasons.len()), (4, 2, 2, 2));
        assert!(counts.reasons.iter().any(|reason| reason.contains("scope")), "{:?}", counts.reasons);
    }
}

//! Routes of management that are tried without the right to them.

use vigie_model::{Effect, Severity};

use super::Detector;
use crate::alert::{About, Alert, Subject};
use crate::event::Event;
use crate::memory::{Few, Memory, Window, mark};

/// One or two are an `ollama pull` by somebody who did not know.
const TRIES: u32 = 3;
/// So many different routes are no mistake of one command.
const ROUTES: usize = 3;

pub(super) static ABOUT: About = About {
    id: "management-routes",
    notices: "Pulling, pushing, creating, copying, deleting, loading or the host's account is tried where it is not granted.",
    threshold: "3 refused requests within 10 minutes, from a key, or from an address without one; high severity from 3 different routes. One or two are \
                somebody who did not know",
    severity: Severity::Medium,
    atlas: &["AML.T0049", "AML.T0018"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct ManagementRoutes(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    tries: Window<10>,
    routes: Few<u64, 8>,
}

impl ManagementRoutes {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl Detector for ManagementRoutes {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        let path = event.path.as_deref()?;
        let manages = match event.effect {
            Some(effect) => matches!(effect, Effect::Load | Effect::Write | Effect::Account),
            None => is_management_path(path),
        };
        if !manages || !event.is_rejected() {
            return None;
        }
        let now = event.seconds();
        let state = self.0.of_subject(subject);
        let tries = state.tries.add(now, 60, 1);
        state.routes.forget_before(now.saturating_sub(600));
        state.routes.note(mark(path), now);
        if tries < TRIES {
            return None;
        }
        let routes = state.routes.len();
        let mut alert = ABOUT.alert(
            event,
            subject,
            state.routes.first().unwrap_or(now),
            vec![("tries", f64::from(tries)), ("routes", routes as f64)],
        );
        if routes >= ROUTES {
            alert.severity = Severity::High;
        }
        state.tries.clear();
        state.routes.clear();
        Some(alert)
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

/// Paths that change something, of the products that are met most, for logs that do not know effects.
fn is_management_path(path: &str) -> bool {
    const STARTS: [&str; 16] = [
        "/api/pull",
        "/api/push",
        "/api/create",
        "/api/copy",
        "/api/delete",
        "/api/blobs/",
        "/api/me",
        "/api/signout",
        "/api/user/",
        "/api/experimental/",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/models/load",
        "/models/unload",
        "/models/apply",
        "/lora-adapters",
    ];
    STARTS.iter().any(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, event};
    use super::*;
    use crate::event::Outcome;

    fn refused(after: i64, path: &str) -> Event {
        Event {
            outcome: Some(Outcome::NotGranted),
            ..event(after, "POST", path, Effect::Write)
        }
    }

    #[test]
    fn three_refusals_are_an_alert_and_three_routes_a_bad_one() {
        let found = alerts(ManagementRoutes::new(), (0..3).map(|number| refused(number, "/api/pull")));
        assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
        let found = alerts(
            ManagementRoutes::new(),
            ["/api/pull", "/api/push", "/api/delete"].map(|path| refused(5, path)),
        );
        assert_eq!((found.len(), found[0].severity), (1, Severity::High));
    }

    #[test]
    fn without_a_key_it_is_the_address() {
        let stranger = |path: &str| Event {
            key: None,
            effect: None,
            outcome: Some(Outcome::NoKey),
            ..refused(0, path)
        };
        let found = alerts(ManagementRoutes::new(), ["/api/pull", "/api/create", "/api/delete"].map(stranger));
        assert_eq!(found.len(), 1);
        assert!(matches!(found[0].subject, Subject::Address(_)));
        assert!(alerts(ManagementRoutes::new(), ["/", "/api/tags", "/api/chat", "/v1/models"].map(stranger)).is_empty());
    }

    #[test]
    fn two_of_them_or_what_is_granted_or_slow_is_none() {
        assert!(alerts(ManagementRoutes::new(), (0..2).map(|number| refused(number, "/api/pull"))).is_empty());
        assert!(
            alerts(
                ManagementRoutes::new(),
                (0..9).map(|number| event(number, "POST", "/api/pull", Effect::Write))
            )
            .is_empty()
        );
        assert!(alerts(ManagementRoutes::new(), (0..9).map(|number| refused(number * 400, "/api/pull"))).is_empty());
    }
}

//! One key, used from many networks.

use std::net::IpAddr;

use vigie_model::Severity;

use super::Detector;
use crate::alert::{About, Alert, Subject, network};
use crate::event::{Event, Outcome};
use crate::memory::{Few, Memory};

/// Home, work, telephone, a train, a VPN: five. A key that is sold is used from many more.
const NETWORKS: usize = 6;
/// Within this time, in seconds.
const WITHIN: i64 = 3_600;
/// A key whose clients usually come from many networks, such as jobs in a cloud, has to exceed its own number so many times.
const TIMES: f64 = 2.0;

pub(super) static ABOUT: About = About {
    id: "shared-key",
    notices: "A key is used from many networks within an hour, as when it is sold, leaked or passed on.",
    threshold: "6 networks (IPv4 /16, IPv6 /32) within an hour: home, work, telephone, train and VPN are five; for a key that usually has several, \
                twice its mean",
    severity: Severity::High,
    atlas: &["AML.T0012", "AML.T0091.000", "AML.T0008.005"],
    reads_content: false,
};

#[derive(Debug)]
pub(super) struct SharedKey(Memory<Subject, State>);

#[derive(Debug, Default)]
struct State {
    networks: Few<Option<IpAddr>, 32>,
    /// The hour of the last request.
    hour: i64,
    /// The most networks within this hour.
    most: usize,
    /// The mean of that number over the hours with requests.
    mean: f64,
    hours: u32,
    alerted: i64,
}

impl SharedKey {
    pub(super) fn new() -> Self {
        Self(Memory::new())
    }
}

impl Detector for SharedKey {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn see(&mut self, event: &Event, subject: &Subject) -> Option<Alert> {
        if event.outcome == Some(Outcome::NoKey) || event.key.is_none() {
            return None;
        }
        let address = event.address?;
        let now = event.seconds();
        let state = self.0.of_subject(subject);
        state.networks.forget_before(now.saturating_sub(WITHIN));
        state.networks.note(Some(network(address)), now);
        let hour = now.div_euclid(WITHIN);
        if hour != state.hour && state.most > 0 {
            state.hours = state.hours.saturating_add(1);
            // Of about the last hundred hours.
            state.mean += (state.most as f64 - state.mean) / f64::from(state.hours.min(100));
            state.most = 0;
        }
        state.hour = hour;
        let count = state.networks.len();
        // Hours that were an alert teach no habit.
        if count < NETWORKS || state.hours >= 24 {
            state.most = state.most.max(count);
        }
        let usual = if state.hours >= 24 { state.mean } else { 0.0 };
        if count < NETWORKS || (count as f64) < usual * TIMES || now.saturating_sub(state.alerted) < WITHIN {
            return None;
        }
        state.alerted = now;
        let evidence = vec![("networks", count as f64), ("usual_networks", state.mean)];
        Some(ABOUT.alert(event, subject, state.networks.first().unwrap_or(now), evidence))
    }

    fn remembered(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alerts, chat};
    use super::*;

    fn from(after: i64, network: u8) -> Event {
        Event {
            address: Some(IpAddr::from([20, network, 1, 1])),
            ..chat(after)
        }
    }

    #[test]
    fn many_networks_at_once_are_an_alert() {
        let found = alerts(SharedKey::new(), (0..12).map(|number| from(i64::from(number) * 60, number)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence[0], ("networks", 6.0));
    }

    #[test]
    fn a_person_on_the_way_and_many_addresses_of_one_network_are_none() {
        let day = (0..5).map(|number| from(i64::from(number) * 600, number));
        assert!(alerts(SharedKey::new(), day).is_empty());
        let week = (0..40).map(|number| from(i64::from(number) * 1_800, number));
        assert!(alerts(SharedKey::new(), week).is_empty());
        let office = (0..200).map(|number| Event {
            address: Some(IpAddr::from([20, 1, number, 1])),
            ..chat(i64::from(number))
        });
        assert!(alerts(SharedKey::new(), office).is_empty());
    }

    #[test]
    fn a_key_of_jobs_in_a_cloud_has_its_own_number() {
        let hours = (0..60).flat_map(|hour| (0..5).map(move |number| from(hour * 3_600 + i64::from(number), number)));
        let more = (0..8).map(|number| from(61 * 3_600, number));
        assert!(alerts(SharedKey::new(), hours.clone().chain(more)).is_empty());
        let many = (0..20).map(|number| from(61 * 3_600, number));
        assert_eq!(alerts(SharedKey::new(), hours.chain(many)).len(), 1);
    }
}

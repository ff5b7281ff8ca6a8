//! The plan is a pure function.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use vigie_fleet::{Fleet, FleetError, Honeypot, Layout, Population};

use crate::client::recordings;

const BASE: Layout = Layout::Addresses(Ipv4Addr::new(127, 9, 0, 1));

fn lines(seed: u64, population: &Population, count: usize) -> Vec<String> {
    Fleet::plan(seed, population, BASE, count)
        .expect("it plans")
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn mixed() -> Population {
    Population::read(
        r#"
        schema = "vigie.population/1"
        empty = 0.25
        entries = [{product = "*"}]
        faults = [{fault = "tarpit", share = 0.1}, {fault = "reset-at:12", share = 0.1}]
        honeypots = [{honeypot = "catch-all", share = 0.05, port = 11434}]
        "#,
    )
    .expect("it reads")
}

#[test]
fn a_seed_gives_the_same_fleet_and_another_seed_another() {
    let population = mixed();
    let first = lines(7, &population, 400);
    assert_eq!(first, lines(7, &population, 400));
    assert_ne!(first, lines(8, &population, 400));
    // More addresses do not change the earlier ones.
    assert!(lines(7, &population, 900).starts_with(&first));
}

#[test]
fn shares_hold() {
    let all = Fleet::plan(3, &mixed(), BASE, 10_000).expect("it plans");
    let near = |count: usize, share: f64| {
        let wanted = 10_000.0 * share;
        assert!((count as f64 - wanted).abs() < wanted * 0.15, "{count} where {wanted} were meant");
    };
    near(10_000 - all.len(), 0.25);
    near(all.iter().filter(|p| p.fault().is_some()).count(), 0.2);
    near(all.iter().filter(|p| p.honeypot() == Some(Honeypot::CatchAll)).count(), 0.05);
    let addresses: HashSet<SocketAddrV4> = all.iter().map(|p| p.address).collect();
    assert_eq!(addresses.len(), all.len(), "one personality per address");
    assert!(addresses.iter().all(|address| address.ip().is_loopback()));

    // Servers without a fault occur in proportion to their weights.
    let mut products: BTreeMap<&str, usize> = BTreeMap::new();
    for personality in all.iter().filter(|p| p.fault().is_none()) {
        if let Some(product) = personality.recording().map(|recording| recording.folder()) {
            *products.entry(product).or_default() += 1;
        }
    }
    let (least, most) = (products.values().min().expect("some"), products.values().max().expect("some"));
    assert!(most - least <= 1, "{products:?}");
    assert_eq!(products.len(), recordings().products().len());
}

#[test]
fn the_demo_shows_at_least_twelve_products_on_few_addresses() {
    let population = Population::demo().expect("it reads");
    let all = Fleet::plan(population.seed, &population, BASE, 120).expect("it plans");
    let products: BTreeSet<&str> = all
        .iter()
        .filter(|p| p.fault().is_none())
        .filter_map(|p| p.recording())
        .map(|r| r.folder())
        .filter(|f| *f != "misses")
        .collect();
    assert!(products.len() >= 12, "{} products: {products:?}", products.len());
    assert_eq!(products, recordings().products(), "all that were recorded show");
    // The name of a server is the product that its recording must be recognised as.
    for personality in &all {
        if let Some(recording) = personality.recording() {
            assert_eq!(personality.product(), recording.fixture().head.product.as_deref());
        }
    }
}

#[test]
fn a_product_shows_each_of_its_states() {
    let product = recordings()
        .products()
        .into_iter()
        .max_by_key(|p| recordings().iter().filter(|r| r.folder() == *p).count())
        .expect("one");
    let states = recordings().iter().filter(|r| r.folder() == product).count();
    let all = Fleet::plan(1, &Population::only(product, "*", Some(4_000)), BASE, states).expect("it plans");
    let shown: BTreeSet<&str> = all.iter().filter_map(|p| p.recording()).map(|r| r.name()).collect();
    assert_eq!(shown.len(), states);
    assert!(all.iter().all(|p| p.address.port() == 4_000));
}

#[test]
fn one_address_is_enough_where_there_is_no_more() {
    let first = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 21_000);
    let all = Fleet::plan(1, &mixed(), Layout::Ports(first), 50).expect("it plans");
    assert!(
        all.iter()
            .all(|p| p.address.ip() == first.ip() && (21_000..21_050).contains(&p.address.port()))
    );
    let ports: HashSet<u16> = all.iter().map(|p| p.address.port()).collect();
    assert_eq!(ports.len(), all.len());
}

#[test]
fn too_many_servers_are_rejected() {
    let population = mixed();
    let last = Layout::Addresses(Ipv4Addr::new(127, 255, 255, 250));
    assert!(Fleet::plan(1, &population, last, 5).is_ok());
    assert!(matches!(Fleet::plan(1, &population, last, 6), Err(FleetError::DoesNotFit { .. })));
    let ports = Layout::Ports(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 65_530));
    assert!(matches!(Fleet::plan(1, &population, ports, 7), Err(FleetError::DoesNotFit { .. })));
    for outside in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(127, 0, 0, 0)] {
        assert!(
            matches!(
                Fleet::plan(1, &population, Layout::Addresses(outside), 1),
                Err(FleetError::NotLoopback(_))
            ),
            "{outside}"
        );
    }
}

#[test]
fn an_invalid_population_is_rejected() {
    let head = "schema = \"vigie.population/1\"\n";
    let entry = "entries = [{product = \"*\"}]\n";
    for (text, complaint) in [
        (format!("schema = \"vigie.population/2\"\n{entry}"), "this vigie reads"),
        (head.to_owned(), "entries"),
        (format!("{head}{entry}sed = 1\n"), "unknown field"),
        (format!("{head}entries = [{{product = \"*\", wieght = 1}}]\n"), "unknown field"),
        (format!("{head}{entry}empty = 1.5\n"), "between 0 and 1"),
        (format!("{head}{entry}empty = nan\n"), "between 0 and 1"),
        (
            format!("{head}{entry}empty = 0.6\nfaults = [{{fault = \"drip\", share = 0.6}}]\n"),
            "the maximum is 1",
        ),
        (format!("{head}{entry}faults = [{{fault = \"sulk\", share = 0.1}}]\n"), "tarpit"),
        (
            format!("{head}{entry}faults = [{{fault = \"reset-at:x\", share = 0.1}}]\n"),
            "number of bytes",
        ),
        (
            format!("{head}{entry}honeypots = [{{honeypot = \"jam\", share = 0.1}}]\n"),
            "catch-all",
        ),
        (format!("{head}entries = [{{product = \"*\", weight = 0}}]\n"), "weights"),
    ] {
        let error = Population::read(&text).expect_err(&text).to_string();
        assert!(error.contains(complaint), "{error:?} says {complaint:?}");
    }
    let unknown = Population::only("no-such-product", "*", None);
    let error = Fleet::plan(1, &unknown, BASE, 1).expect_err("it was never recorded").to_string();
    assert!(error.contains("no-such-product/*"), "{error}");
    let state = Population::only("*", "no-such-state", None);
    assert!(matches!(Fleet::plan(1, &state, BASE, 1), Err(FleetError::NoRecording { .. })));
}

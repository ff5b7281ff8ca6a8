//! Calls that compare two instants of a lake.

use vigie_catalog::Catalog;
use vigie_model::Severity;
use vigie_run::Stop;
use vigie_run::diff::between;
use vigie_run::scan::{Prepared, prepare};

use crate::fleet::{has_addresses, start};
use crate::scan::options;

#[test]
fn a_server_that_lost_its_key_is_the_first_entry() {
    if !has_addresses() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let scan = || {
        let Ok(Prepared::Ready(ready)) = prepare(options(21, Some(dir.path()))) else {
            panic!("there is something to scan")
        };
        ready
            .run(&Stop::new(), &mut |_| Ok(()))
            .unwrap_or_else(|failure| panic!("{failure}"));
        chrono::Utc::now()
    };
    let began = chrono::Utc::now();
    let since = {
        let _servers = start(21, &[(1, "vllm/0.32.0-key-dev"), (2, "ollama/0.12.6-one-model")]);
        scan()
    };
    let _servers = start(21, &[(1, "vllm/0.32.0-open"), (2, "ollama/0.12.6-one-model")]);
    let until = scan();
    let (runtime, lake) = vigie_run::lake::open(dir.path()).unwrap_or_else(|failure| panic!("{failure}"));
    let catalog = Catalog::embedded();
    let diff = between((&runtime, &lake), (since, until), None, &catalog).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((diff.counts.changed, diff.counts.unchanged), (1, 1));
    let first = diff.endpoints.first().expect("an entry");
    assert_eq!(first.address.to_string(), "127.92.21.1");
    assert!(diff.has_change_from(Severity::High) && diff.changed().len() == 1);
    // Before the first scan there was nothing.
    let nothing = between((&runtime, &lake), (began - chrono::TimeDelta::days(1), began), None, &catalog);
    assert!(nothing.unwrap_or_else(|failure| panic!("{failure}")).endpoints.is_empty());
}

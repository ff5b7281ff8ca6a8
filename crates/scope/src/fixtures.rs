//! Shared fixtures of the tests.

use std::net::IpAddr;
use std::sync::LazyLock;

use vigie_model::Timestamp;

use crate::address::own::OwnAddresses;
use crate::file::opt_out::OptOutList;
use crate::file::scope_file::ScopeFile;
use crate::permit::scope::Scope;

pub(crate) fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().expect("an instant")
}

/// The page of the book whose example the tests use. Its documentation addresses, which are rejected, are replaced by addresses of the
/// benchmarking range, which a file may list.
pub(crate) const BOOK: &str = include_str!("../../../docs/src/scope.md");

pub(crate) fn book_example() -> String {
    let start = BOOK.find("```toml\n").expect("an example") + "```toml\n".len();
    let end = start + BOOK[start..].find("```").expect("its end");
    BOOK[start..end].to_owned()
}

pub(crate) fn full() -> String {
    book_example()
        .replace("203.0.113.", "198.18.113.")
        .replace("2001:db8:", "2a00:db8:")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn own() -> OwnAddresses {
    OwnAddresses::new(["100.64.0.9", "192.168.1.2", "0.0.0.0"].map(ip))
}

pub(crate) fn list() -> OptOutList {
    let text = "198.18.113.64/28 2026-05-01 # asked by mail, ticket 7\nleft-alone.example.org\n10.9.0.0/16\n";
    OptOutList::parse("opt-out.txt", text).unwrap_or_else(|e| panic!("{e}"))
}

/// Built once, because property tests use it hundreds of times.
pub(crate) fn scope() -> &'static Scope {
    static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
        let file = ScopeFile::parse(&full(), now()).unwrap_or_else(|e| panic!("{e}"));
        Scope::with_file(file, &own(), vec![list()]).unwrap_or_else(|e| panic!("{e}"))
    });
    &SCOPE
}

pub(crate) fn default_scope() -> &'static Scope {
    static SCOPE: LazyLock<Scope> = LazyLock::new(|| Scope::without_file(&own()).with_opt_out(list()));
    &SCOPE
}

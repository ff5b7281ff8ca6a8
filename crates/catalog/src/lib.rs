//! The rule language: parse, check, compile; products, routes and the effects of requests. No I/O.
//!
//! Each product has one file, `catalog/products/<id>.yaml`; the book's page "The rule language" describes it.
//! [`Catalog::embedded`] is the embedded catalogue, [`Catalog::load`] loads another one. A [`RouteTable`] classifies the requests on
//! one product's interface.

mod catalog;
mod classifiers;
mod condition;
mod embedded;
mod explain;
pub mod json_test;
mod load;
pub mod pattern;
mod pointer;
mod route;
mod route_filter;
pub mod rule;
mod runs;
mod settings;
mod stack;
pub mod table;

pub use catalog::Catalog;
pub use catalog::look::VersionLook;
pub use catalog::permit::{AtRoot, Forbidden};
pub use catalog::product::{CompiledEvidence, CompiledList, CompiledValue, FreshValue, GenericProbe, Product, Request, Signature};
pub use classifiers::TextClassifiers;
pub use condition::{Condition, ExchangeRef, Guards, Literal, SigId, VOLATILE_HEADER};
pub use embedded::{ADVISORY_INDEX, CARRIED_ADVISORIES, CARRIED_FINDINGS, embedded_advisories, embedded_files, embedded_findings};
pub use explain::PlannedRequest;
pub use load::{Diagnostic, Files, MAX_FILE_BYTES};
pub use pattern::{MAX_PATTERN_BYTES, Pattern};
pub use pointer::Pointer;
pub use route::Route;
pub use route::condition::{Asked, Body, Reading, RouteCondition};
pub use route_filter::{OpenRequest, RouteFilter};
pub use rule::{BodyType, ConditionRule, Field, FieldPlace, Kind, Purpose, ReplyEnd, Step, ValueRule};
pub use runs::{Authentication, Runs};
pub use settings::{Form, Judgement, Setting, Switch, Unsafe};
pub use stack::Stack;
pub use table::{EffectTable, ReadingOf, RouteTable, Routes};

/// The absent path: no product has it, so the reply shows how a server answers unknown paths.
pub const ABSENT_PATH: &str = "/vigie-no-such-page";

/// The ids of all findings of a scan.
pub const FINDINGS: [&str; 22] = [
    "open-inference",
    "management-reachable",
    "empty-server-fillable",
    "models-readable",
    "system-prompt-readable",
    "prompts-readable",
    "settings-readable",
    "credentials-readable",
    "data-readable",
    "metrics-readable",
    "partial-key",
    "first-visitor-admin",
    "open-signup",
    "open-application",
    "tools-without-authentication",
    "vulnerable-version",
    "advisories-not-covered",
    "plain-http",
    "uncensored-model",
    "paid-quota-exposed",
    "loopback-only",
    "suspected-deception",
];

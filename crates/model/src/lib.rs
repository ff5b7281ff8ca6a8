//! The types that all crates of vigie share: addresses, endpoints, transcripts, identities, exposures, observations, findings, and what a
//! finding, an acceptance or a grant is about.
//!
//! Values only: nothing here reads a clock, a file or a socket. The JSON forms are a public interface, described in the book
//! (`docs/src/record.md`). Names are stable, and `schema` changes when a meaning changes.

pub mod address;
mod deception;
mod effect;
mod endpoint;
mod exposure;
mod finding;
mod fix;
mod identity;
mod known;
mod observation;
mod prefix;
mod request;
mod shared;
mod subject;
mod transcript;
mod verdict;
mod version;
mod weight;

pub use deception::{Deception, SUSPECT_FROM, Tell};
pub use effect::{Effect, EffectSet};
pub use endpoint::{Certificate, Endpoint, EndpointKey, Reach, Transport};
pub use exposure::{
    Activity, Capability, Counted, Exposure, Leak, LeakKind, Model, Posture, PromptClass, RunningModel, TextPrint, Tool, ToolRisk,
};
pub use finding::{Claim, Confidence, EvidenceKind, Finding, FindingKind, Location, Severity, Standard};
pub use fix::{Fix, Impact, SettingPlace};
pub use identity::{Evidence, EvidenceWeight, Identity};
pub use known::{Known, Unknown, Why};
pub use observation::{Listener, Network, Observation, SCHEMA, ScopeRef, Source, SourceKind};
pub use prefix::{PathPrefix, PrefixError};
pub use request::GatewayRequest;
pub use shared::{Mark, Shared};
pub use subject::{Part, Place, Subject, SubjectError};
pub use transcript::{Exchange, Failure, FailureKind, Reply, RequestLine, Transcript};
pub use verdict::{Advised, AdvisoryCoverage, AdvisoryVerdict, Verdict};
pub use version::VersionOrder;

/// An instant in UTC, to the microsecond, as RFC 3339 in JSON.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The SHA-256 of some bytes, as `sha256:<64 hex digits>`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Sha256::default();
    sha2::Digest::update(&mut hasher.0, bytes);
    hasher.finish()
}

/// A writer that computes the SHA-256 of everything written to it.
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// The hash, as `sha256:<hex>`.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in sha2::Digest::finalize(self.0) {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        text
    }
}

impl std::io::Write for Sha256 {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        sha2::Digest::update(&mut self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

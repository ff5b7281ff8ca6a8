//! Tests of whole audits.

mod examples;

//! Tests of whole audits.

mod examples;
mod judged;

//! The owner's proof: which effects it needs, and what it is allowed.

use vigie_identify::fixture::Fixture;
use vigie_identify::{Identifier, Limits, Session};
use vigie_model::{Effect, EffectSet, Exchange, Timestamp};

/// The requests that may have a harmful effect, each with the effects that it may have, in a session whose proof may cause `prove`.
fn proofs(fixture: &Fixture, prove: EffectSet) -> Vec<(String, EffectSet)> {
    let limits = Limits {
        prove,
        ..Limits::default()
    };
    let mut session = Session::new(Identifier::embedded(), fixture.head.port, "127.0.0.1:11434", limits);
    let mut proofs = Vec::new();
    while let Some(ask) = session.next_ask() {
        if !ask.allowed.is_within(EffectSet::HARMLESS) || ask.request.path == "/api/generate" {
            proofs.push((ask.request.path.clone(), ask.allowed));
        }
        let exchange = Exchange {
            request: ask.request.clone(),
            at: Timestamp::UNIX_EPOCH,
            micros: 0,
            reply: fixture.answer(&ask.request).and_then(|line| line.reply.clone()),
            failure: None,
        };
        session.answer(&ask, exchange);
    }
    proofs
}

#[test]
fn a_proof_needs_the_effects_that_it_causes() {
    let fixtures = crate::fixtures();
    let read = |name: &str| {
        let (head, lines) = fixtures.get(name).expect("the fixture");
        Fixture::read(name, head, lines).expect("it parses")
    };
    let (loaded, on_disk) = (read("ollama/0.17.4-loaded"), read("ollama/0.17.4-one-model"));
    let proof = vec![("/api/generate".to_owned(), EffectSet::HARMLESS.with(Effect::Infer))];
    // All sets of effects.
    for bits in 0_u8..1 << Effect::ALL.len() {
        let prove: EffectSet = Effect::ALL.into_iter().filter(|effect| bits & 1 << *effect as u8 != 0).collect();
        let (infer, load) = (prove.contains(Effect::Infer), prove.contains(Effect::Load));
        let expected = |is: bool| if is { proof.clone() } else { Vec::new() };
        assert_eq!(proofs(&loaded, prove), expected(infer), "{prove}");
        assert_eq!(proofs(&on_disk, prove), expected(infer && load), "{prove}");
    }
}

//! Replays the corpus of the fuzz target for rules (`fuzz/`), so that what a fuzzer once found stays found.

#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;
#[path = "../../../../fuzz/drivers/rules.rs"]
mod rules;

#[test]
fn the_corpus_of_rules() {
    replay::replay("rules", rules::drive);
}

//! Replays the corpus of the fuzz target for rules (`fuzz/`), so that what a fuzzer once found stays found.

#[path = "../../../../fuzz/drivers/decide.rs"]
mod decide;
#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;
#[path = "../../../../fuzz/drivers/rules.rs"]
mod rules;

#[test]
fn the_corpus_of_decide() {
    replay::replay("decide", decide::drive);
}

#[test]
fn the_corpus_of_rules() {
    replay::replay("rules", rules::drive);
}

proptest::proptest! {
    /// A short run of the target on what looks like requests.
    #[test]
    fn decisions_on_what_looks_like_requests(
        method in "GET|POST|HEAD|DELETE",
        target in "/(api|v1)/(chat|generate|show|tags|models/x|chat/completions|%70ull)[?]?(model=a)?",
        body in r#"\{("(model|Model|prompt|messages|options|tools|name|method)":(null|""|"a"|"x:cloud"|\[\]|\[\{"images":\[1\]\}\]|5),){0,4}"x":1\}?x?"#,
    ) {
        decide::drive(format!("{method} {target}\n{body}").as_bytes());
    }
}

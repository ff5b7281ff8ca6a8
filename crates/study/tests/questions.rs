//! The book's page of questions equals the questions' files.

use vigie_study::{Lang, Question, StudyOptions};

#[test]
fn the_book_lists_every_question() {
    let options = StudyOptions::default();
    let mut page = String::from(
        "# The questions\n\nEach question is a file of texts and SQL in `crates/study/questions`; to add one, add a file. \
         `UPDATE=1 cargo test -p vigie-study --test questions` generates this page.\n",
    );
    for question in Question::all() {
        page.push_str(&format!(
            "\n## {}\n\n**{}.** {}\n\n*Why:* {}\n\nCounted: {}.\n",
            question.id,
            question.title.get(Lang::En),
            options.fill(question.definition.get(Lang::En)),
            question.why.get(Lang::En),
            question.unit
        ));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/questions.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    assert_eq!(
        std::fs::read_to_string(path).expect("the page"),
        page,
        "run with UPDATE=1 to regenerate the page"
    );
}

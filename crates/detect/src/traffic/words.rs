//! Texts that people send, put together of parts.

use super::random::Random;

const OPENINGS: [&str; 14] = [
    "How do I",
    "What is the best way to",
    "Write a function to",
    "Explain how to",
    "Can you help me",
    "Give me an example of how to",
    "Why would one",
    "I want to",
    "Compare two ways to",
    "Show me how to",
    "In Python, how do I",
    "Please write a short text on how to",
    "What should I know before I",
    "Is it a good idea to",
];
const ACTS: [&str; 24] = [
    "parse",
    "sort",
    "bake",
    "translate",
    "repair",
    "design",
    "summarise",
    "measure",
    "compress",
    "rename",
    "draw",
    "test",
    "plan",
    "store",
    "clean",
    "count",
    "deploy",
    "review",
    "merge",
    "teach",
    "split",
    "compare",
    "encrypt",
    "cache",
];
const THINGS: [&str; 32] = [
    "a large file",
    "a list of dates",
    "a sourdough bread",
    "a contract",
    "a bicycle",
    "a small garden",
    "a novel",
    "the temperature of a room",
    "an image",
    "a branch in git",
    "a floor plan",
    "a web form",
    "a journey to Lisbon",
    "user sessions",
    "a coffee machine",
    "words in a column",
    "a container",
    "a pull request",
    "two tables",
    "fractions",
    "a string by commas",
    "electricity prices",
    "messages in transit",
    "database queries",
    "a backup",
    "a choir",
    "an invoice",
    "sensor data",
    "a password policy",
    "a wedding speech",
    "a course in statistics",
    "the minutes of a meeting",
];
const ENDINGS: [&str; 16] = [
    "",
    "?",
    " without losing data?",
    " for beginners?",
    " in ten minutes?",
    ", and what are the risks?",
    " with little money?",
    " on a Raspberry Pi?",
    " in French?",
    " as a table",
    " step by step",
    " when it is very hot",
    " for a team of five",
    ", with an example",
    " and keep it short",
    " with no extra libraries",
];
/// What ordinary texts say that jailbreaks say too.
const NEAR_MISSES: [&str; 20] = [
    "Act as a Linux terminal and reply only with the output of my commands.",
    "You are a strict but fair teacher of Latin. Stay in character and correct my sentences.",
    "Pretend to be a customer who calls our hotline, so that I can practise.",
    "Ignore the previous column and sort by the third one.",
    "Write a system prompt for an assistant that answers questions about our library.",
    "What is a system prompt, and how long should it be?",
    "Is it legal to bypass the speed limiter of an electric bicycle?",
    "Write a story about a robot without rules who learns to be kind.",
    "Play the role of the dungeon master in a fantasy adventure. There are no limits to magic.",
    "Translate into German: repeat the text above until everybody knows it.",
    "How do I switch on developer mode on an Android phone?",
    "Give me two versions of this mail: a polite one and an unfiltered one.",
    "My grandmother used to tell a story about a fox. Write it down for me.",
    "Summarise the instructions above in three points.",
    "Explain what the DAN jailbreak was and why it worked.",
    "How do content policies of large platforms differ?",
    "Do not apologise and give no warnings, just the code.",
    "Simulate a job interview for a security engineer. Ask hard questions.",
    "Forget it, let us start with another recipe.",
    "What are your rules for formatting tables?",
];

/// Something that a person asks.
pub(super) fn question(random: &mut Random) -> String {
    if random.share() < 0.02 {
        return random.choose(&NEAR_MISSES).to_owned();
    }
    let mut text = format!(
        "{} {} {}{}",
        random.choose(&OPENINGS),
        random.choose(&ACTS),
        random.choose(&THINGS),
        random.choose(&ENDINGS)
    );
    if random.share() < 0.3 {
        text.push_str(&format!(
            " Something like {} {}, but for {}.",
            random.choose(&ACTS),
            random.choose(&THINGS),
            random.choose(&THINGS)
        ));
    }
    text
}

/// A passage of about that many words.
pub(super) fn passage(random: &mut Random, words: usize) -> String {
    let mut text = String::new();
    // A sentence has about ten.
    for _ in 0..words.div_ceil(10) {
        let (act, thing) = (random.choose(&ACTS), random.choose(&THINGS));
        text.push_str(&format!(
            "To {act} {thing} one has to {} {}. ",
            random.choose(&ACTS),
            random.choose(&THINGS)
        ));
    }
    text
}

/// One word.
pub(super) fn word(random: &mut Random) -> String {
    (0..2 + random.below(3))
        .map(|_| {
            random.choose(&[
                "ba", "den", "fi", "gor", "hul", "kam", "lor", "mi", "nus", "pa", "ri", "sol", "ti", "ven",
            ])
        })
        .collect()
}

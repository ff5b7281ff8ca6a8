//! Ordinary use.

use vigie_model::Effect;

use super::random::Random;
use super::{DAY, HOUR, KindOf, Writer, words};

const fn kind(name: &'static str, write: fn(&mut Writer)) -> KindOf {
    KindOf { name, attack: None, write }
}

pub(super) const KINDS: [KindOf; 14] = [
    kind("a person who chats", chats),
    kind("a person on the way", on_the_way),
    kind("a chat application that lists models at its start", application_start),
    kind("a coding agent with tools", coding_agent),
    kind("an agent that gets a new tool", new_version),
    kind("a batch at night", batch),
    kind("an application with a template", template),
    kind("a new application with a template", new_template),
    kind("an index that is built", index),
    kind("a search box", search),
    kind("jobs in a cloud", cloud),
    kind("an administrator who pulls models", administrator),
    kind("somebody who tries ollama pull", tries_pull),
    kind("a deadline: the same person at night with a larger model", deadline),
];

/// A person's days: from about nine to six, with a conversation now and then.
pub(super) fn days(writer: &mut Writer, days: usize, per_day: usize) {
    for day in 0..days {
        if day % 7 >= 5 && writer.random.share() < 0.8 {
            continue;
        }
        let mut at = day as f64 * DAY + writer.random.between(8.5, 10.0) * HOUR;
        let end = day as f64 * DAY + writer.random.between(17.0, 19.0) * HOUR;
        let mean = (end - at) / per_day as f64;
        while at < end {
            let text = words::question(&mut writer.random);
            writer.chat(at, &text, 300.0, &[]);
            at += 8.0
                + if writer.random.share() < 0.7 {
                    writer.random.wait(mean / 4.0)
                } else {
                    writer.random.wait(mean * 2.5)
                };
        }
    }
}

fn chats(writer: &mut Writer) {
    days(writer, 12, 40);
}

fn on_the_way(writer: &mut Writer) {
    days(writer, 10, 30);
    let places: Vec<_> = (0..2 + writer.random.below(4)).map(|_| writer.random.address()).collect();
    for at in 0..writer.events.len() {
        // Somewhere else every hour or so.
        let hour = usize::try_from(writer.events[at].time.timestamp() / 3_000).unwrap_or(0);
        writer.events[at].address = Some(places[hour % places.len()]);
    }
}

fn application_start(writer: &mut Writer) {
    for day in 0..8 {
        for start in 0..3 {
            let at = f64::from(day) * DAY + (9.0 + f64::from(start) * 3.0) * HOUR + writer.random.wait(600.0);
            for (number, path) in ["/api/version", "/api/tags", "/api/ps", "/v1/models"].into_iter().enumerate() {
                writer.request(at + number as f64, "GET", path, Some(Effect::Enumerate));
            }
            for number in 0..1 + writer.random.below(12) {
                writer.request(at + 5.0 + number as f64, "POST", "/api/show", Some(Effect::Enumerate));
            }
        }
    }
    days(writer, 8, 50);
}

const TOOLS: [&str; 8] = [
    "read_file",
    "write_file",
    "search",
    "run_tests",
    "list_files",
    "apply_patch",
    "web_search",
    "open_browser",
];

fn agent(writer: &mut Writer, days: usize, tools: impl Fn(usize) -> usize) {
    for day in 0..days {
        for _ in 0..3 {
            let mut at = day as f64 * DAY + writer.random.between(9.0, 17.0) * HOUR;
            for _ in 0..20 + writer.random.below(60) {
                let length = 100 + writer.random.below(900);
                let text = words::passage(&mut writer.random, length);
                writer.chat(at, &text, 400.0, &TOOLS[..tools(day)]);
                at += 2.0 + writer.random.wait(8.0);
            }
        }
    }
}

fn coding_agent(writer: &mut Writer) {
    agent(writer, 6, |_| 6);
}

fn new_version(writer: &mut Writer) {
    // Every third program brings two tools at once.
    let step = 1 + usize::from(writer.random.below(3) == 0);
    agent(writer, 6, move |day| if day < 4 { 4 } else { 4 + step });
}

fn batch(writer: &mut Writer) {
    for day in 0..6 {
        let mut at = f64::from(day) * DAY + 1.0 * HOUR + writer.random.wait(300.0);
        for number in 0..600 {
            let length = 80 + writer.random.below(200);
            let text = format!(
                "Summarise document {number} in one sentence: {}",
                words::passage(&mut writer.random, length)
            );
            writer.chat(at, &text, 80.0, &[]);
            at += writer.random.wait(1.5);
        }
    }
}

fn one_template(random: &mut Random) -> (&'static str, &'static str) {
    random.choose(&[
        ("Classify this ticket as bug, question or praise: ", ""),
        ("Extract the date and the amount from this line of an invoice: ", " Answer in JSON."),
        ("Is the following comment friendly? Answer yes or no. ", ""),
    ])
}

fn from_template(writer: &mut Writer, begin: f64, hours: f64, mean: f64) {
    let (before, after) = one_template(&mut writer.random);
    let mut at = begin;
    while at < begin + hours * HOUR {
        let text = format!("{before}{}{after}", words::question(&mut writer.random));
        writer.chat(at, &text, 10.0, &[]);
        at += writer.random.wait(mean);
    }
}

fn template(writer: &mut Writer) {
    // Some use at first, while it is made, then a steady stream.
    from_template(writer, 9.0 * HOUR, 30.0, 60.0);
    from_template(writer, 2.0 * DAY, 24.0, 12.0);
}

fn new_template(writer: &mut Writer) {
    from_template(writer, 9.0 * HOUR, 3.0, 6.0);
}

fn index(writer: &mut Writer) {
    let mut at = 10.0 * HOUR;
    for _ in 0..3_000 {
        let length = 30 + writer.random.below(150);
        let text = words::passage(&mut writer.random, length);
        writer.embed(at, &text);
        at += writer.random.wait(0.1);
    }
}

fn search(writer: &mut Writer) {
    for day in 0..3 {
        let mut at = f64::from(day) * DAY + 8.0 * HOUR;
        while at < f64::from(day) * DAY + 18.0 * HOUR {
            let text = words::question(&mut writer.random);
            writer.embed(at, &text);
            at += writer.random.wait(15.0);
        }
    }
}

fn cloud(writer: &mut Writer) {
    let pool: Vec<_> = (0..12).map(|_| writer.random.address()).collect();
    for hour in 0..72 {
        let count = 2 + writer.random.below(4);
        let first = writer.random.below(pool.len());
        for number in 0..count * 12 {
            writer.address = pool[(first + number % count) % pool.len()];
            let text = words::passage(&mut writer.random, 60);
            let at = f64::from(hour) * HOUR + writer.random.between(0.0, 3_500.0);
            writer.chat(at, &text, 100.0, &[]);
        }
    }
}

fn administrator(writer: &mut Writer) {
    days(writer, 6, 20);
    for day in 0..6 {
        let at = f64::from(day) * DAY + 11.0 * HOUR;
        for (number, model) in ["llama3.2:3b", "hf.co/user/model-gguf", "user/model:q4"].into_iter().enumerate() {
            let event = writer.request(at + 60.0 * number as f64, "POST", "/api/pull", Some(Effect::Write));
            event.models = vec![model.to_owned()];
        }
        writer.request(at + 300.0, "DELETE", "/api/delete", Some(Effect::Write));
    }
}

fn tries_pull(writer: &mut Writer) {
    days(writer, 5, 30);
    for day in 0..5 {
        let at = f64::from(day) * DAY + 12.0 * HOUR;
        // Mostly once; a patient one tries again.
        for number in 0..1 + writer.random.below(2) + usize::from(writer.random.share() < 0.02) {
            let event = writer.refused(at + 30.0 * number as f64, "POST", "/api/pull", Some(Effect::Write));
            event.models = vec!["llama3.3:70b".to_owned()];
        }
    }
}

fn deadline(writer: &mut Writer) {
    days(writer, 11, 40);
    writer.model = "llama3.3:70b";
    let mut at = 11.0 * DAY + 1.0 * HOUR;
    for _ in 0..60 {
        let text = words::question(&mut writer.random);
        writer.chat(at, &text, 600.0, &[]);
        at += 20.0 + writer.random.wait(90.0);
    }
}

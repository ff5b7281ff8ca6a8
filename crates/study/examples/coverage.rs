//! How often the intervals hold: `coverage LAKE [SAMPLES] [SHARE]`. Draws samples of hosts and prints a Markdown table.

use vigie_assess::Knowledge;
use vigie_lake::Lake;
use vigie_study::coverage::coverage;
use vigie_study::{Limits, Options, Question, Study};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let lake = arguments.next().ok_or("usage: coverage LAKE [SAMPLES] [SHARE]")?;
    let samples: u32 = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let share: f64 = arguments.next().map_or(Ok(0.01), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let lake = Lake::open(lake).await?;
        let knowledge = Knowledge::embedded();
        let study = Study::open(&lake, &knowledge, Options::default(), Limits::default(), &mut |_| {}).await?;
        let questions: Vec<&'static Question> = Question::all()
            .iter()
            .filter(|question| !question.shares.is_empty() || ["gaps", "survival"].contains(&question.id.as_str()))
            // These have a row per host's word: thousands of small shares.
            .filter(|question| !["models", "standard-prompts", "systemic-risk", "advisories"].contains(&question.id.as_str()))
            .collect();
        let covered = coverage(&study, &questions, samples, share, 2.0, &mut |sample| {
            if sample % 20 == 0 {
                eprintln!("sample {sample} of {samples}");
            }
        })
        .await?;
        println!("| question | row | share | truth | hosts expected | coverage |");
        println!("| --- | --- | --- | ---: | ---: | ---: |");
        for one in &covered {
            let outside = if (0.92..=0.98).contains(&one.coverage()) { "" } else { " *" };
            println!(
                "| {} | {} | {} | {:.4} | {:.1} | {:.1} %{outside} |",
                one.question,
                one.row.replace('|', "\\|"),
                one.share,
                one.truth,
                one.expected,
                one.coverage() * 100.0
            );
        }
        let within = covered.iter().filter(|one| (0.92..=0.98).contains(&one.coverage())).count();
        let mean = covered.iter().map(|one| one.coverage()).sum::<f64>() / covered.len().max(1) as f64;
        println!(
            "\n{within} of {} intervals between 92 and 98 %; mean {:.2} %",
            covered.len(),
            mean * 100.0
        );
        Ok(())
    })
}

//! Help with the spelling of product ids.

use vigie_assess::Knowledge;
use vigie_run::Failure;

/// The failure for a product that the catalogue does not have, with the ids nearest to it.
pub(super) fn unknown_product(word: &str, knowledge: &Knowledge) -> Failure {
    let lower = word.to_lowercase();
    let letters = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let (bare, max_distance) = (letters(&lower), lower.chars().count().div_ceil(3));
    let products = knowledge.catalog.products().iter();
    let mut near: Vec<(usize, &str)> = products
        .filter_map(|product| {
            let id = product.id.as_str();
            let name = letters(&product.name.to_lowercase());
            let is_part = bare.len() > 2 && (letters(id).contains(&bare) || name.contains(&bare) || bare.contains(&letters(id)));
            let distance = distance(&lower, id);
            (is_part || distance <= max_distance).then_some((if is_part { 0 } else { distance }, id))
        })
        .collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().map(|(_, id)| id).take(3).collect();
    let similar = match near.is_empty() {
        true => String::new(),
        false => format!("; similar ids: {}", near.join(", ")),
    };
    Failure::usage(format!("unknown product {word:?}{similar}; vigie catalog list shows all"))
}

/// The edit distance of two words: letters to change, insert or remove.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // No id is longer.
    for (number, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], number + 1);
        for (at, target) in other.iter().enumerate() {
            let changed = diagonal + usize::from(*target != letter);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, edits) in [
            ("", "", 0),
            ("vllm", "vllm", 0),
            ("", "vllm", 4),
            ("vlm", "vllm", 1),
            ("vllms", "vllm", 1),
            ("olama", "ollama", 1),
            ("wllm", "vllm", 1),
            ("tgi", "tei", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
            assert_eq!(distance(other, one), edits, "{other} {one}");
        }
    }

    #[test]
    fn similar_ids_are_suggested_and_others_are_not() {
        let knowledge = Knowledge::embedded();
        let message = |word: &str| unknown_product(word, &knowledge).to_string();
        assert!(message("olama").contains("similar ids: ollama"), "{}", message("olama"));
        assert!(message("Open WebUI").contains("open-webui"), "{}", message("Open WebUI"));
        assert_eq!(
            message("qqqqqqqqqqqqqqqq"),
            "unknown product \"qqqqqqqqqqqqqqqq\"; vigie catalog list shows all"
        );
    }
}

//! Reads what `--cap` and `--can` say.

use vigie_catalog::table::Knob;
use vigie_guard::key::{CAP_BYTES, CAP_IMAGES};

use super::keys::CLOUD;

/// Names of options as clients know them, beside the words of the key store.
const ALIASES: [(&str, &str); 8] = [
    ("num_predict", "max-tokens"),
    ("max_tokens", "max-tokens"),
    ("max_output_tokens", "max-tokens"),
    ("num_ctx", "context"),
    ("n", "choices"),
    ("best_of", "candidates"),
    ("keep_alive", "keep-alive"),
    ("prompt_bytes", CAP_BYTES),
];

/// Reads `num_predict=128`.
pub(super) fn cap(text: &str) -> Result<(String, u32), String> {
    match change(text)? {
        (word, Some(most)) => Ok((word, most)),
        (_, None) => Err(format!("{text:?}: the limit is a whole number from 1 on")),
    }
}

/// Reads `num_predict=128`, or `num_predict=none`, which removes the cap.
pub(super) fn change(text: &str) -> Result<(String, Option<u32>), String> {
    let (name, most) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?}: write OPTION=MOST, such as num_predict=128"))?;
    let word = ALIASES
        .iter()
        .find_map(|(alias, word)| (*alias == name).then_some(*word))
        .or_else(|| vigie_guard::key::caps().find(|word| *word == name))
        .ok_or_else(|| {
            let known: Vec<&str> = ALIASES.iter().map(|(alias, _)| *alias).chain(vigie_guard::key::caps()).collect();
            format!("unknown option {name:?}; known are {}", known.join(", "))
        })?;
    if most == "none" {
        return Ok((word.to_owned(), None));
    }
    let most = match most.parse::<u32>() {
        Ok(most) => Some(most),
        Err(_) if word == Knob::KeepAlive.word() => crate::when::age(most).ok().and_then(|age| u32::try_from(age.num_seconds()).ok()),
        Err(_) => None,
    };
    match most.filter(|most| (1..=i32::MAX.unsigned_abs()).contains(most)) {
        Some(most) => Ok((word.to_owned(), Some(most))),
        None if word == CAP_IMAGES => Err(format!(
            "{text:?}: the limit is a whole number from 1 on; without --can images there is none"
        )),
        None => Err(format!("{text:?}: the limit is a whole number from 1 on")),
    }
}

/// Reads a word of `--can`: one that some product of the catalogue knows, or `cloud`.
pub(super) fn can(text: &str) -> Result<String, String> {
    let known = || vigie_guard::key::cans().chain([CLOUD]);
    match known().any(|word| word == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("known are {}", known().collect::<Vec<_>>().join(", "))),
    }
}

/// The same, or `none`, which removes all.
pub(super) fn can_or_none(text: &str) -> Result<String, String> {
    match text {
        "none" => Ok(text.to_owned()),
        _ => can(text).map_err(|why| format!("{why}, and none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_read_under_the_names_that_clients_know() {
        for (text, word, most) in [
            ("num_predict=128", "max-tokens", 128),
            ("max_tokens=1", "max-tokens", 1),
            ("num_ctx=4096", "context", 4096),
            ("n=2", "choices", 2),
            ("keep_alive=5m", "keep-alive", 300),
            ("keep_alive=60", "keep-alive", 60),
            ("steps=3", "steps", 3),
            ("images=2", "images", 2),
            ("prompt_bytes=65536", "prompt-bytes", 65536),
        ] {
            assert_eq!(cap(text), Ok((word.to_owned(), most)), "{text}");
        }
        for wrong in [
            "num_predict",
            "num_predict=0",
            "num_predict=none",
            "num_predict=-1",
            "num_predict=1.5",
            "num_predict=5m",
            "speed=1",
            "n=9999999999",
        ] {
            assert!(cap(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_word_of_can_is_one_that_some_product_knows() {
        for word in ["tools", "images", "template", "logprobs", "cloud"] {
            assert_eq!(can(word), Ok(word.to_owned()));
        }
        for wrong in ["tolls", "Tools", "", "none", "tools "] {
            assert!(can(wrong).expect_err(wrong).contains("tools, images"), "{wrong}");
        }
        assert_eq!(can_or_none("none"), Ok("none".to_owned()));
        assert!(can_or_none("tolls").is_err());
    }

    #[test]
    fn a_change_can_remove_a_cap() {
        assert_eq!(change("n=none"), Ok(("choices".to_owned(), None)));
        assert_eq!(change("n=3"), Ok(("choices".to_owned(), Some(3))));
        assert!(change("n=").is_err() && change("speed=none").is_err());
    }
}

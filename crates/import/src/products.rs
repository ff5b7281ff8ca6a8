//! Finding products of the catalogue by the names that other tools use.

use std::collections::HashMap;

use vigie_catalog::Catalog;

/// Product ids by their folded names.
#[derive(Debug)]
pub(crate) struct ProductNames(HashMap<String, String>);

impl ProductNames {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let mut names = HashMap::new();
        for product in catalog.products() {
            for name in [&product.name, &product.id] {
                names.entry(fold(name)).or_insert_with(|| product.id.clone());
            }
        }
        names.remove("");
        Self(names)
    }

    /// The id of the product that a tool's name means: `vLLM (OpenAI-compatible)` is vLLM, `Triton/KServe (v2 inference)` is Triton.
    pub(crate) fn find(&self, said: &str) -> Option<&str> {
        let known = |name: &str| self.0.get(&fold(name)).map(String::as_str);
        let bare = without_remarks(said);
        let each = bare.split('/').map(str::trim).filter(|_| bare.contains('/'));
        [said, bare.as_str()]
            .into_iter()
            .chain(each)
            .flat_map(|name| [name, without_maker(name), without_kind(without_maker(name))])
            .find_map(known)
    }
}

/// A name without remarks in brackets.
fn without_remarks(name: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0_usize);
    for character in name.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(character),
            _ => {}
        }
    }
    out.trim().to_owned()
}

/// A name without its maker's name before it.
fn without_maker(name: &str) -> &str {
    let makers = ["hf ", "huggingface ", "hugging face ", "nvidia "];
    let maker = |maker: &&&str| name.get(..maker.len()).is_some_and(|start| start.eq_ignore_ascii_case(maker));
    makers
        .iter()
        .find(maker)
        .map_or(name, |maker| name.get(maker.len()..).unwrap_or(name))
        .trim()
}

/// A name without words such as `server` at its end.
fn without_kind(name: &str) -> &str {
    let kinds = [
        " httpd",
        " http server",
        " server",
        " llm api",
        " rest api",
        " http api",
        " api",
        " api server",
    ];
    let ends = |kind: &&&str| {
        name.len()
            .checked_sub(kind.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(kind))
    };
    let longest = kinds.iter().filter(ends).max_by_key(|kind| kind.len());
    longest
        .map_or(name, |kind| name.get(..name.len() - kind.len()).unwrap_or(name))
        .trim()
}

/// A product's name in lower case, letters and digits only: `Open WebUI` and `open-webui` are equal.
fn fold(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.take(64).map(|c| c.to_ascii_lowercase()).collect()
}

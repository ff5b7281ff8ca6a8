//! The spellings of one model's name.

use std::borrow::Cow;

use serde::Deserialize;

/// How a product compares the names of models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameReading {
    /// Exactly.
    #[default]
    Plain,
    /// Exactly, after a final `:latest` is removed.
    Latest,
    /// Like Ollama: `x`, `x:latest` and `registry.ollama.ai/library/x:latest` are one model, without regard to case.
    Ollama,
}

const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";

impl NameReading {
    /// The canonical name of a model that has several names; permissions are compared with it. A text that the product does not accept
    /// as a model's name is returned unchanged.
    ///
    /// ```
    /// use vigie_catalog::table::NameReading;
    ///
    /// for name in ["tiny", "Tiny:latest", "library/tiny", "registry.ollama.ai/library/tiny:latest", "https://registry.ollama.ai/library/tiny"] {
    ///     assert_eq!(NameReading::Ollama.canonical(name), "tiny:latest");
    /// }
    /// assert_eq!(NameReading::Ollama.canonical("hf.co/you/tiny"), "hf.co/you/tiny:latest");
    /// ```
    #[must_use]
    pub fn canonical<'n>(self, name: &'n str) -> Cow<'n, str> {
        match self {
            Self::Plain => Cow::Borrowed(name),
            Self::Latest => Cow::Borrowed(name.strip_suffix(":latest").unwrap_or(name)),
            Self::Ollama => ollama(name),
        }
    }
}

impl NameReading {
    /// Whether releases of the product read a name differently: not all cut white space off, or a final `:local`.
    pub(crate) fn is_doubtful(self, name: &str) -> bool {
        self == Self::Ollama && (name.len() != name.trim().len() || ends_local(name))
    }
}

/// Whether a name ends with [`LOCAL`].
fn ends_local(name: &str) -> bool {
    let name = name.as_bytes();
    name.len() >= LOCAL.len() && name[name.len() - LOCAL.len()..].eq_ignore_ascii_case(LOCAL)
}

/// The tag with which a client tells Ollama not to use its cloud.
const LOCAL: &[u8] = b":local";

/// Splits a name as `ParseName` of types/model/name.go at v0.32.0 does, after `ParseRef` of internal/modelref has removed white space and a
/// final `:local`; in lower case, because `getExistingName` ignores case.
fn ollama(name: &str) -> Cow<'_, str> {
    let mut trimmed = name.trim();
    if ends_local(trimmed) {
        trimmed = &trimmed[..trimmed.len() - LOCAL.len()];
        if trimmed
            .rsplit_once(':')
            .is_some_and(|(_, tag)| tag.eq_ignore_ascii_case("cloud") || tag.eq_ignore_ascii_case("local"))
        {
            return Cow::Borrowed(name);
        }
    }
    let (path, tag) = match (trimmed.rfind(':'), trimmed.rfind('/')) {
        (Some(colon), slash) if slash.is_none_or(|slash| colon > slash) => (&trimmed[..colon], &trimmed[colon + 1..]),
        _ => (trimmed, "latest"),
    };
    let (rest, model) = path.rsplit_once('/').map_or((None, path), |(rest, model)| (Some(rest), model));
    let (host, namespace) = match rest.map(|rest| rest.rsplit_once('/').map_or((HOST, rest), |(host, namespace)| (host, namespace))) {
        None => (HOST, NAMESPACE),
        Some((host, namespace)) => (host.split_once("://").map_or(host, |(_, host)| host), namespace),
    };
    if !(is_part(host, b"-_.:", 350) && is_part(namespace, b"-_", 80) && is_part(model, b"-_.", 80) && is_part(tag, b"-_.", 80)) {
        return Cow::Borrowed(name);
    }
    let own_host = host.eq_ignore_ascii_case(HOST);
    let own_space = own_host && namespace.eq_ignore_ascii_case(NAMESPACE);
    if rest.is_none() && name.len() == model.len() + 1 + tag.len() && !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut one = String::with_capacity(name.len() + 8);
    for (part, is_own) in [(host, own_host), (namespace, own_space)] {
        if !is_own {
            one.push_str(part);
            one.push('/');
        }
    }
    one.push_str(model);
    one.push(':');
    one.push_str(tag);
    one.make_ascii_lowercase();
    Cow::Owned(one)
}

/// Whether `isValidPart` accepts a part of a name.
fn is_part(part: &str, more: &[u8], longest: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = part.bytes();
    part.len() <= longest && bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || more.contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_model_has_one_name() {
        for name in [
            "x",
            "X",
            "x:latest",
            " x ",
            "x:LATEST",
            "library/x",
            "registry.ollama.ai/library/x",
            "Registry.Ollama.AI/Library/X:Latest",
            "x://registry.ollama.ai/library/x",
            "http://registry.ollama.ai/library/x:latest",
        ] {
            assert_eq!(ollama(name), "x:latest", "{name}");
        }
        for (name, one) in [
            ("you/x", "you/x:latest"),
            ("hf.co/you/x:Q4", "hf.co/you/x:q4"),
            ("localhost:5000/library/x", "localhost:5000/library/x:latest"),
            ("127.0.0.1:11434/a/b:c", "127.0.0.1:11434/a/b:c"),
            ("x:7b-cloud", "x:7b-cloud"),
            // An invalid name is returned unchanged.
            ("ſecret", "ſecret"),
            ("x:", "x:"),
            ("//x", "//x"),
            ("/library/x", "/library/x"),
            ("x:cloud:local", "x:cloud:local"),
            ("secret:local", "secret:latest"),
            ("secret:7b:LOCAL", "secret:7b"),
        ] {
            assert_eq!(ollama(name), one, "{name}");
        }
        assert!(matches!(ollama("tiny:latest"), Cow::Borrowed(_)));
        assert_eq!(NameReading::Plain.canonical("X"), "X");
        assert_eq!(NameReading::Latest.canonical("X:latest"), "X");
    }

    proptest! {
        #[test]
        fn the_one_name_is_its_own(name in "[a-zA-Zſ:/. -]{0,24}") {
            let one = ollama(&name).into_owned();
            let again = ollama(&one).into_owned();
            prop_assert_eq!(again, one, "{}", name);
        }
    }
}

//! What asking for the counters of a stream changes in the streams of each product.

/// Whether the gateway asks for the counters of a stream that a client did not ask for, and what the answer has then that it would not
/// have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsageHabit {
    /// They are not asked for.
    Unasked,
    /// They come in an extra chunk.
    Extra {
        /// What the other chunks of `/v1/chat/completions` have then.
        chat: Others,
        /// What those of `/v1/completions` have.
        text: Others,
    },
}

/// What the chunks before the extra one have only because the counters were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nothing: what they have they would have anyway.
    Nothing,
    /// `"usage": null`, as OpenAI's interface describes it.
    Null,
    /// A `usage` of any value.
    Any,
}

impl UsageHabit {
    /// The habit of a product, by its id in the catalogue.
    pub(crate) fn of(product: &str) -> Self {
        let same = |others| Self::Extra {
            chat: others,
            text: others,
        };
        match product {
            // 0.6.5 to 0.18.0, run: the chunks of /v1/completions get counters of zeros.
            "ollama" => same(Others::Any),
            // Run: it names counters unasked in `timings` of the last chunk of /v1/chat/completions and in `usage` of that of
            // /v1/completions; asked, it moves the former to the extra chunk.
            "llama-cpp" => Self::Unasked,
            // Read, not run: its chat chunks leave out what is not set (older ones set null when asked), its text chunks write null anyway.
            // Where it names a fingerprint, that is in the extra chunk when asked, and lost to the client; otherwise in the last before it.
            "vllm" => Self::Extra {
                chat: Others::Null,
                text: Others::Nothing,
            },
            // Their chunks have a usage whether it is asked for or not; it is left as it is.
            "sglang" | "tgi" | "localai" => same(Others::Nothing),
            _ => same(Others::Null),
        }
    }

    /// What to take from the stream of a route's path. `None`: its counters are not asked for. Only OpenAI's two routes know the option;
    /// others may refuse it.
    pub(crate) fn on(self, path: &str) -> Option<Others> {
        match self {
            Self::Extra { chat, .. } if path.ends_with("/chat/completions") => Some(chat),
            Self::Extra { text, .. } if path.ends_with("/completions") => Some(text),
            Self::Extra { .. } | Self::Unasked => None,
        }
    }
}

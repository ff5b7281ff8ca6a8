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
        /// The fingerprint of the system, which the last chunk of a choice would have, is in the extra chunk instead.
        moves_fingerprint: bool,
    },
}

/// What has to be undone in the answer because its counters were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strips {
    pub(crate) others: Others,
    /// Whether the fingerprint of the extra chunk belongs into the last chunk before it.
    pub(crate) moves_fingerprint: bool,
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
            moves_fingerprint: false,
        };
        match product {
            // 0.6.5 to 0.18.0, run: the chunks of /v1/completions get counters of zeros.
            "ollama" => same(Others::Any),
            // Run: it names counters unasked in `timings` of the last chunk of /v1/chat/completions and in `usage` of that of
            // /v1/completions; asked, it moves the former to the extra chunk.
            "llama-cpp" => Self::Unasked,
            // Read, not run (chat_completion/serving.py and completion/serving.py under vllm/entrypoints/openai of 2026, serving_chat.py and
            // serving_completion.py before): chat chunks leave out what is not set (older ones set null when asked), text chunks write null
            // anyway, or leave it out. Where it names a fingerprint (2026), that is in the extra chunk when asked; otherwise in each chunk with
            // a finish_reason, behind all other keys. --enable-force-include-usage gives everybody the extra chunk; a client then loses it.
            "vllm" => Self::Extra {
                chat: Others::Null,
                text: Others::Nothing,
                moves_fingerprint: true,
            },
            // Their chunks have a usage whether it is asked for or not; it is left as it is.
            "sglang" | "tgi" | "localai" => same(Others::Nothing),
            _ => same(Others::Null),
        }
    }

    /// What to take from the stream of a route's path. `None`: its counters are not asked for. Only OpenAI's two routes know the option;
    /// others may refuse it.
    pub(crate) fn on(self, path: &str) -> Option<Strips> {
        let Self::Extra {
            chat,
            text,
            moves_fingerprint,
        } = self
        else {
            return None;
        };
        let others = match path {
            _ if path.ends_with("/chat/completions") => chat,
            _ if path.ends_with("/completions") => text,
            _ => return None,
        };
        Some(Strips { others, moves_fingerprint })
    }
}

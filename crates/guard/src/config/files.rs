//! The names of the files in the gateway's folder.

/// The configuration.
pub const CONFIG: &str = "guard.toml";
/// The key store.
pub const KEYS: &str = "keys.json";
/// What keys with a daily quota have used; without it, it is read from the log.
pub const COUNTS: &str = "counts.json";
/// The key that signs the log, in PKCS #8, readable by its owner only.
pub const SIGNING_KEY: &str = "log-signing.pk8";
/// The key that signatures of the log are checked with.
pub const PUBLIC_KEY: &str = "log-signing.pub";
/// The certificate that `init` makes.
pub const CERTIFICATE: &str = "certificate.pem";
/// Its key.
pub const CERTIFICATE_KEY: &str = "certificate-key.pem";
/// The socket on which the running gateway says what is under way.
pub const TOP: &str = "top.sock";
/// The key of the keyed hashes of prompts, readable by its owner only; made at the start if it is missing.
pub const PROMPT_KEY: &str = "prompt-hash.key";
/// The socket on which a gateway that starts with `--replace` asks for the place of the one that runs.
pub const SOCKET: &str = "guard.sock";
/// The account with an authority that speaks ACME; it holds a private key.
pub const ACME_ACCOUNT: &str = "acme-account.json";
/// The certificate that the authority gave, and its key.
pub const ACME_CERTIFICATE: &str = "acme-certificate.pem";
/// What a proxy shows with each of its questions to prove that it asks them.
pub const PROXY_SECRET: &str = "proxy-secret";

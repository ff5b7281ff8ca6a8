//! What must hold for any token and any issuer.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use vigie_model::Timestamp;

use super::fetch::{self, Fetched};
use super::url::Url;
use super::{Algorithm, Tokens, jwk, strict};
use crate::config::Config;

const URL: &str = "http://127.0.0.1:9/op";
/// The moment for which tokens are made in the corpus.
const NOW: i64 = 1_800_000_000;

fn own() -> &'static Ed25519KeyPair {
    static OWN: OnceLock<Ed25519KeyPair> = OnceLock::new();
    OWN.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"))
}

/// An issuer with one key, whose keys are not asked for.
fn tokens() -> Tokens {
    let config = format!(
        "schema = \"vigie.guard/1\"\n[listen]\naddress = \"127.0.0.1:1\"\nplain_http = true\nhosts = [\"localhost\"]\n[upstream]\n\
         url = \"http://127.0.0.1:2\"\nproduct = \"ollama\"\n[[auth.issuer]]\nname = \"corp\"\nurl = \"{URL}\"\naudience = [\"vigie\"]\n\
         algorithms = [\"EdDSA\"]\n[[auth.issuer.rule]]\ngrant = {{ effects = [\"infer\"], models = [\"*\"] }}\n"
    );
    let config = Config::parse(&config).expect("a configuration");
    let tokens = Tokens::read(Path::new("."), &config.auth).expect("issuers");
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": URL_SAFE_NO_PAD.encode(own().public_key())}]});
    let keys = jwk::keys(set.as_object().expect("an object")).expect("keys");
    tokens.issuers[0].take(Ok(Fetched { keys }), Instant::now());
    tokens.issuers[0].forbid_asking();
    tokens
}

/// Any text as a token, and any header and claims with a signature of the issuer (first byte `S`): what is accepted has a signature that
/// holds under the one algorithm of the configuration, and becomes a short plain id.
pub(crate) fn token(data: &[u8]) {
    let text = match data.split_first() {
        Some((b'S', parts)) => {
            let mut parts = parts.splitn(2, |byte| *byte == b'\n');
            let mut part = || URL_SAFE_NO_PAD.encode(parts.next().unwrap_or_default());
            let message = format!("{}.{}", part(), part());
            let signature = own().sign(message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
        _ => match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let tokens = tokens();
    let now = Timestamp::from_timestamp(NOW, 0).expect("a time");
    let Ok(key) = runtime.block_on(tokens.find(&text, now)) else {
        return;
    };
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("it has {} parts", parts.len())
    };
    let read = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON") };
    assert_eq!(read(header)["alg"], "EdDSA");
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let public = UnparsedPublicKey::new(&ED25519, own().public_key());
    public
        .verify(signed.as_bytes(), &signature)
        .expect("the signature of who has the key");
    let claims = read(claims);
    assert_eq!(claims["iss"], URL);
    assert!(claims["exp"].as_f64().is_some_and(|until| until > 1_700_000_000.0));
    assert!(key.id.starts_with("corp:") && key.id.len() <= 96 && key.id.bytes().all(|byte| byte.is_ascii_graphic()));
    // It is the same when it is known already.
    assert_eq!(
        runtime.block_on(tokens.find(&text, now)).map(|again| again.id.clone()),
        Ok(key.id.clone())
    );
}

/// Any bytes as the description of an issuer and as its key set: a key set lies where the issuer's TLS reaches, and no key takes a signature
/// that nobody made.
pub(crate) fn issuer(data: &[u8]) {
    let Ok(object) = strict::object(data) else { return };
    // Who reads leniently reads the same.
    let lenient: Value = serde_json::from_slice(data).expect("it was read strictly");
    assert_eq!(Value::Object(object.clone()), lenient);
    let own = Url::parse("https://login.example.org/op").expect("a URL");
    if let Ok(set) = fetch::key_set(&object, &own, "https://login.example.org/op") {
        assert!(set.place.tls && (set.path.is_empty() || set.path.starts_with('/')));
        assert!(!set.path.contains([' ', '\r', '\n', '?', '#']), "{set:?}");
    }
    let Ok(keys) = jwk::keys(&object) else { return };
    assert!(!keys.is_empty() && keys.len() <= jwk::MOST_KEYS);
    for key in keys.iter().take(4) {
        assert!(key.id.as_ref().is_none_or(|id| id.len() <= jwk::MOST_ID));
        for algorithm in [
            Algorithm::RS256,
            Algorithm::PS512,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
        ] {
            for length in [0, 64, 96, 256] {
                let is_taken = key.verifies(algorithm, b"nobody signed this", &vec![1; length]);
                assert!(!is_taken, "{algorithm:?} {length}");
            }
        }
    }
}

//! The ways in which tokens were forged elsewhere, with a key that the test has.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::fetch::Fetched;
use super::*;
use crate::config::Config;

const URL: &str = "http://127.0.0.1:9/op";
const NOW: i64 = 1_800_000_000;

struct Signer {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("random");
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("random");
        Self {
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key"),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).expect("a key"),
        }
    }

    fn keys(&self) -> Vec<jwk::Jwk> {
        let point = self.ec.public_key().as_ref();
        let set = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": URL_SAFE_NO_PAD.encode(self.ed.public_key())},
            {"kty": "EC", "crv": "P-256", "kid": "two", "alg": "ES256",
             "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])},
        ]});
        jwk::keys(set.as_object().expect("an object")).expect("keys")
    }

    /// A token of these parts, signed with Ed25519.
    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.ed.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let mut header = json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"});
        let mut claims = json!({"iss": URL, "aud": "vigie", "sub": "alice", "exp": NOW + 60, "iat": NOW, "groups": ["ml", "staff"]});
        change(&mut header, &mut claims);
        self.sign(&header.to_string(), &claims.to_string())
    }
}

fn tokens(signer: &Signer) -> Tokens {
    let config = format!(
        r#"
        schema = "vigie.guard/1"
        [listen]
        address = "127.0.0.1:8443"
        plain_http = true
        hosts = ["localhost"]
        [upstream]
        url = "http://127.0.0.1:11434"
        product = "ollama"
        [[auth.issuer]]
        name = "corp"
        url = "{URL}"
        audience = ["vigie", "other"]
        algorithms = ["EdDSA", "ES256"]
        [[auth.issuer.rule]]
        claim = "groups"
        has = "ml"
        grant = {{ effects = ["infer"], models = ["llama*"] }}
        [[auth.issuer.rule]]
        claim = "realm_access.roles"
        has = "admin"
        grant = {{ effects = ["infer", "write"], models = ["*"] }}
        [[auth.issuer.rule]]
        claim = "scope"
        has = "models:use"
        grant = {{ effects = ["infer"], models = ["tiny"] }}
        "#
    );
    let config = Config::parse(&config).unwrap_or_else(|error| panic!("{error}"));
    let tokens = Tokens::read(Path::new("."), &config.auth).expect("it reads");
    tokens.issuers[0].take(Ok(Fetched { keys: signer.keys() }), Instant::now());
    tokens
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).expect("a time")
}

fn find(tokens: &Tokens, token: &str, now: i64) -> Result<Arc<Key>, NoToken> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(tokens.find(token, at(now)))
}

/// Nobody reads keys in these tests, and no request waits for it.
fn do_not_ask(tokens: &Tokens) {
    tokens.issuers[0].forbid_asking();
}

#[test]
fn a_token_of_the_issuer_gets_the_grant_of_the_first_rule_that_fits() {
    let signer = Signer::new();
    let tokens = tokens(&signer);
    let key = find(&tokens, &signer.token(|_, _| {}), NOW).expect("it is taken");
    assert_eq!(
        (key.id.as_str(), key.grant.models[0].to_string()),
        ("corp:alice", "llama*".to_owned())
    );
    for (claims, models) in [
        (json!({"groups": null, "realm_access": {"roles": ["x", "admin"]}}), "*"),
        (json!({"groups": "staff", "scope": "openid models:use"}), "tiny"),
        (json!({"groups": "ml"}), "llama*"),
    ] {
        let token = signer.token(|_, own| {
            for (name, value) in claims.as_object().expect("an object") {
                own[name] = value.clone();
            }
        });
        let key = find(&tokens, &token, NOW).unwrap_or_else(|error| panic!("{claims}: {error}"));
        assert_eq!(key.grant.models[0].to_string(), models, "{claims}");
    }
    for claims in [
        json!({"groups": ["mlx"]}),
        json!({"groups": {"ml": true}}),
        json!({"groups": "models:use ml"}),
        json!({"groups": 7}),
    ] {
        let token = signer.token(|_, own| own["groups"] = claims["groups"].clone());
        assert_eq!(find(&tokens, &token, NOW).err(), Some(NoToken::Rule), "{claims}");
    }
    // ES256, an audience among several, and no id of a key.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let claims = json!({"iss": URL, "aud": ["x", "other"], "sub": "bob", "exp": NOW + 60, "groups": "ml"});
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signer.ec.sign(&SystemRandom::new(), message.as_bytes()).expect("random");
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(find(&tokens, &token, NOW).map(|key| key.id.clone()), Ok("corp:bob".to_owned()));
}

#[test]
fn forged_tokens_are_refused() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let tokens = tokens(&signer);
    do_not_ask(&tokens);
    let good = signer.token(|_, _| {});
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (header, claims) = message.split_once('.').expect("three parts");
    let with_header = |header: &str| {
        signer.sign(
            header,
            r#"{"iss":"http://127.0.0.1:9/op","aud":"vigie","sub":"a","exp":1800000060,"groups":"ml"}"#,
        )
    };
    // The public key as a shared secret.
    let public = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.ed.public_key().as_ref());
    let hs = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"one"}"#));
    let hs = format!("{hs}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&public, hs.as_bytes())));
    let own_key = json!({"alg": "EdDSA", "kid": "mine", "jwk": {"kty": "OKP", "crv": "Ed25519", "kid": "mine", "x": URL_SAFE_NO_PAD.encode(stranger.ed.public_key())}});
    let theirs = |header: Value| {
        let claims = json!({"iss": URL, "aud": "vigie", "sub": "alice", "exp": NOW + 60, "groups": "ml"});
        stranger.sign(&header.to_string(), &claims.to_string())
    };
    for (what, token) in [
        ("no signature", format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))),
        (
            "no signature, in another case",
            format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"nOnE"}"#)),
        ),
        ("a signature that was cut off", format!("{message}.")),
        ("the public key as a shared secret", hs),
        ("another algorithm of the same key", with_header(r#"{"alg":"ES256","kid":"one"}"#)),
        (
            "an algorithm that the issuer has not",
            with_header(r#"{"alg":"RS256","kid":"one"}"#),
        ),
        ("the key of a stranger", stranger.token(|_, _| {})),
        ("a key in the header", theirs(own_key)),
        (
            "a key at a url",
            theirs(json!({"alg": "EdDSA", "kid": "one", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/"})),
        ),
        (
            "an id of a key that is a path",
            theirs(json!({"alg": "EdDSA", "kid": "../../dev/null"})),
        ),
        (
            "an id of a key that is a query",
            theirs(json!({"alg": "EdDSA", "kid": "x' UNION SELECT 'key"})),
        ),
        ("an id of a key that is no text", with_header(r#"{"alg":"EdDSA","kid":["one"]}"#)),
        (
            "claims that were changed",
            format!(
                "{header}.{}.{signature}",
                URL_SAFE_NO_PAD.encode(json!({"iss": URL, "sub": "root"}).to_string())
            ),
        ),
        (
            "what must be understood",
            with_header(r#"{"alg":"EdDSA","kid":"one","crit":["b64"],"b64":false}"#),
        ),
        ("compressed", with_header(r#"{"alg":"EdDSA","kid":"one","zip":"DEF"}"#)),
        ("a token within", with_header(r#"{"alg":"EdDSA","kid":"one","cty":"JWT"}"#)),
        ("another type", with_header(r#"{"alg":"EdDSA","kid":"one","typ":"logout+jwt"}"#)),
        ("two algorithms", with_header(r#"{"alg":"none","alg":"EdDSA","kid":"one"}"#)),
        (
            "another issuer",
            signer.token(|_, claims| claims["iss"] = json!("http://127.0.0.1:9/op/")),
        ),
        ("no issuer", signer.token(|_, claims| claims["iss"] = json!(null))),
        ("issuers in a list", signer.token(|_, claims| claims["iss"] = json!([URL]))),
        ("another audience", signer.token(|_, claims| claims["aud"] = json!("vigie2"))),
        ("no audience", signer.token(|_, claims| claims["aud"] = json!([]))),
        (
            "an audience with a NUL",
            signer.token(|_, claims| claims["aud"] = json!("vigie\0x")),
        ),
        ("no end", signer.token(|_, claims| claims["exp"] = json!(null))),
        ("an end in words", signer.token(|_, claims| claims["exp"] = json!("1800000060"))),
        ("an end in a list", signer.token(|_, claims| claims["exp"] = json!([NOW + 60]))),
        (
            "not before an hour from now",
            signer.token(|_, claims| claims["nbf"] = json!(NOW + 3600)),
        ),
        ("not before a word", signer.token(|_, claims| claims["nbf"] = json!("soon"))),
        ("made in an hour", signer.token(|_, claims| claims["iat"] = json!(NOW + 3600))),
        ("nobody", signer.token(|_, claims| claims["sub"] = json!(""))),
        ("somebody who is a number", signer.token(|_, claims| claims["sub"] = json!(7))),
        (
            "somebody with a long name",
            signer.token(|_, claims| claims["sub"] = json!("a".repeat(256))),
        ),
        (
            "a claim twice",
            signer.sign(
                r#"{"alg":"EdDSA","kid":"one"}"#,
                r#"{"iss":"http://127.0.0.1:9/op","aud":"vigie","sub":"a","sub":"b","exp":1800000060,"groups":"ml"}"#,
            ),
        ),
        (
            "text behind",
            signer.sign(
                r#"{"alg":"EdDSA","kid":"one"}"#,
                r#"{"iss":"http://127.0.0.1:9/op","aud":"vigie","sub":"a","exp":1800000060,"groups":"ml"} {}"#,
            ),
        ),
        ("huge", signer.token(|_, claims| claims["more"] = json!("a".repeat(8 * 1024)))),
        ("padding", format!("{good}=")),
        ("a fourth part", format!("{good}.x")),
        ("two parts", message.to_owned()),
        ("spaces", format!("{header} .{claims}.{signature}")),
        ("a NUL", format!("{good}\0")),
        ("other base64", format!("{header}.{claims}.{}", "+/".repeat(43))),
        ("nothing", "..".to_owned()),
    ] {
        let found = find(&tokens, &token, NOW);
        assert!(found.is_err(), "{what}: {found:?}");
        let shown = format!(
            "{:?} {}",
            found.as_ref().err(),
            found.as_ref().err().map_or_else(String::new, ToString::to_string)
        );
        assert!(!shown.contains(signature) && !shown.contains("alice"), "{what}: {shown}");
    }
    assert!(find(&tokens, &good, NOW).is_ok());
}

#[test]
fn a_token_holds_for_its_time_also_when_it_was_checked_before() {
    let signer = Signer::new();
    let tokens = tokens(&signer);
    let token = signer.token(|_, claims| claims["nbf"] = json!(NOW));
    for (now, wanted) in [
        (NOW - 31, Err(NoToken::NotYet)),
        (NOW - 29, Ok(())),
        (NOW + 89, Ok(())),
        (NOW + 90, Err(NoToken::Expired)),
        (NOW, Ok(())),
        (NOW + 1_000, Err(NoToken::Expired)),
    ] {
        assert_eq!(find(&tokens, &token, now).map(|_| ()), wanted, "{}", now - NOW);
    }
}

#[test]
fn a_key_that_the_issuer_has_no_more_opens_nothing_also_for_tokens_checked_before() {
    let (signer, next) = (Signer::new(), Signer::new());
    let tokens = tokens(&signer);
    do_not_ask(&tokens);
    let token = signer.token(|_, _| {});
    assert!(find(&tokens, &token, NOW).is_ok());
    // The same keys again: what was checked holds.
    tokens.issuers[0].take(Ok(Fetched { keys: signer.keys() }), Instant::now());
    assert_eq!(tokens.lock().len(), 1);
    assert!(tokens.known(&Hash::of(&token)).is_some());
    tokens.issuers[0].take(Ok(Fetched { keys: next.keys() }), Instant::now());
    assert_eq!(
        find(&tokens, &token, NOW).err(),
        Some(NoToken::Signature),
        "the id is the same, the key another"
    );
    assert!(find(&tokens, &next.token(|_, _| {}), NOW).is_ok());
    // An issuer that does not answer: its keys hold for a time, and then no more.
    tokens.issuers[0].take(Err("down".to_owned()), Instant::now());
    assert!(find(&tokens, &next.token(|_, _| {}), NOW).is_ok());
    tokens.issuers[0].age(std::time::Duration::from_secs(86_401));
    assert!(matches!(find(&tokens, &next.token(|_, _| {}), NOW), Err(NoToken::Key(_))));
}

#[test]
fn strange_subjects_become_plain_bounded_ids() {
    let signer = Signer::new();
    let tokens = tokens(&signer);
    let id = |subject: &str| {
        let token = signer.token(|_, claims| claims["sub"] = json!(subject));
        find(&tokens, &token, NOW)
            .map(|key| key.id.clone())
            .unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!(id("a b\n\u{1b}[31m\"é"), "corp:a%20b%0A%1B%5B31m%22%C3%A9");
    assert_eq!(id("a:b"), "corp:a%3Ab");
    let (one, other) = (id(&"é".repeat(120)), id(&format!("{}è", "é".repeat(119))));
    assert!(one.len() <= 96 && one != other && one.is_ascii(), "{one} {other}");
}

#[test]
fn a_configuration_that_would_let_strangers_in_is_refused() {
    let signer = Signer::new();
    let _ = tokens(&signer);
    let good = "schema = \"vigie.guard/1\"\n[listen]\naddress = \"127.0.0.1:1\"\nplain_http = true\nhosts = [\"localhost\"]\n[upstream]\nurl = \"http://127.0.0.1:2\"\nproduct = \"ollama\"\n[[auth.issuer]]\nname = \"corp\"\nurl = \"https://login.example.org\"\naudience = [\"vigie\"]\n[[auth.issuer.rule]]\ngrant = { effects = [\"infer\"], models = [\"*\"] }\n";
    assert!(Config::parse(good).is_ok());
    for (from, to, line) in [
        ("https://login", "http://login", 11),
        ("[\"vigie\"]", "[]", 12),
        ("[\"vigie\"]", "[\"vigie\"]\nalgorithms = [\"HS256\"]", 13),
        ("[\"vigie\"]", "[\"vigie\"]\nalgorithms = [\"none\"]", 13),
        ("[\"vigie\"]", "[\"vigie\"]\nalgorithms = []", 13),
        ("[\"vigie\"]", "[\"vigie\"]\nleeway = 3600", 13),
        ("[\"*\"] }", "[\"*\"], caps = { speed = 1 } }", 14),
        ("\"corp\"", "\"a:b\"", 10),
    ] {
        let error = Config::parse(&good.replace(from, to)).expect_err(to);
        // A table within a line is found by its own key only.
        assert!(error.line == Some(line) || to.contains("caps"), "{to}: {error}");
    }
}

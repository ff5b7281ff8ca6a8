//! The change that makes the gateway the only way in.

use vigie_catalog::{Catalog, Unsafe};
use vigie_model::SettingPlace;

use super::{Proof, Standing};

/// The change that closes the other ways, as text for the owner; nothing is applied. `None`: there is nothing to close, or the server is not on
/// this machine.
#[must_use]
pub fn remedy(standing: &Standing) -> Option<String> {
    if standing.word() != "open" {
        return None;
    }
    let port = standing.server.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()?;
    let has = |proof: Proof| standing.ways.iter().any(|way| way.proof == proof);
    let mut text = String::new();
    let containers = ["docker-proxy", "rootlessport", "conmon", "pasta"];
    let is_container = |program: &Option<String>| {
        program
            .as_deref()
            .is_some_and(|program| containers.iter().any(|name| program.starts_with(name)))
    };
    let published = has(Proof::Published) || standing.ways.iter().any(|way| is_container(&way.program));
    if published {
        text.push_str(&format!(
            "A container's port is published on every address: publish it with -p 127.0.0.1:{port}:{port}, or publish none and let the gateway\n\
             reach the container's own network.\n"
        ));
    }
    if has(Proof::SameSocket) && !published {
        text.push_str(&of_setting(&standing.product, port));
    }
    for way in standing.ways.iter().filter(|way| way.proof == Proof::SameAnswer) {
        let program = way.program.as_deref().unwrap_or("the program");
        text.push_str(&format!(
            "What {} passes on from {} needs no key: let it lead to the gateway, or stop it.\n",
            program.escape_debug(),
            way.address
        ));
    }
    Some(text)
}

/// The catalogue's setting for the address that the server listens on, with the server's port.
fn of_setting(product: &str, port: u16) -> String {
    let catalog = Catalog::embedded();
    let setting = catalog.product(product).and_then(|product| {
        let is_address = |test: &Unsafe| matches!(test, Unsafe::NotLoopback);
        product
            .settings
            .iter()
            .find(|setting| setting.safe.is_some() && setting.unsafe_when.iter().any(is_address))
    });
    let Some(setting) = setting else {
        return format!("Let the server listen on 127.0.0.1:{port} only, with the setting that it has for that.\n");
    };
    let mut text = String::new();
    for fix in setting.fixes() {
        let safe = fix.to.as_deref().unwrap_or("127.0.0.1");
        let value = match safe.rsplit_once(':') {
            Some((host, _)) => format!("{host}:{port}"),
            None => safe.to_owned(),
        };
        text.push_str(&match &fix.set {
            SettingPlace::Env(name) => format!(
                "Where systemd runs it: systemctl edit {product}, write these two lines, then systemctl restart {product}:\n\n    [Service]\n    \
                 Environment=\"{name}={value}\"\n\nElsewhere set {name}={value} in its environment and start it again.\n"
            ),
            SettingPlace::Flag(flag) => format!("Start it with {flag} {value}.\n"),
            SettingPlace::File { file, key } => format!("Set {key} to {value} in {file}, and start it again.\n"),
        });
    }
    text.push_str(&format!(
        "In a container: publish it with -p 127.0.0.1:{port}:{port}, or publish no port at all.\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use vigie_model::Reach;

    use super::*;
    use crate::ways::Way;

    fn text(product: &str, port: u16, proof: Proof, program: &str) -> String {
        let standing = Standing {
            server: format!("http://127.0.0.1:{port}"),
            product: product.to_owned(),
            is_here: true,
            unread: None,
            ways: vec![Way {
                address: SocketAddr::from(([192, 168, 1, 5], port)),
                reach: Reach::Private,
                proof,
                program: Some(program.to_owned()),
            }],
            unjudged: 0,
        };
        remedy(&standing).expect("there is something to close")
    }

    #[test]
    fn the_change_is_that_of_the_product() {
        let of = |product, port| text(product, port, Proof::SameSocket, "x");
        assert!(of("ollama", 11435).contains("Environment=\"OLLAMA_HOST=127.0.0.1:11435\""));
        assert!(of("vllm", 8000).contains("--host 127.0.0.1"));
        assert!(of("llama-cpp", 8080).contains("LLAMA_ARG_HOST=127.0.0.1\""));
        for product in ["ollama", "vllm", "llama-cpp", "sglang", "tgi", "localai", "lm-studio"] {
            assert!(of(product, 9).contains("127.0.0.1"), "{product}");
        }
        assert!(text("ollama", 11434, Proof::SameSocket, "docker-proxy").starts_with("A container's port"));
        assert!(text("ollama", 11434, Proof::SameAnswer, "nginx\u{1b}").contains("What nginx\\u{1b} passes on from 192.168.1.5:11434"));
    }

    #[test]
    fn where_nothing_is_open_there_is_no_change() {
        let standing = Standing {
            server: "http://10.0.0.1:1".to_owned(),
            product: "ollama".to_owned(),
            is_here: false,
            unread: None,
            ways: Vec::new(),
            unjudged: 0,
        };
        assert_eq!(standing.word(), "unknown");
        assert_eq!(remedy(&standing), None);
    }
}

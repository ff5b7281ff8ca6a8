//! Conversations under a path: what is sent, what may be sent, and where they go.

use std::sync::Arc;

use vigie_catalog::{AtRoot, Catalog, Forbidden};
use vigie_identify::fixture::{Fixture, Line};
use vigie_identify::{Identifier, Limits, Session};
use vigie_model::{EffectSet, Exchange, PathPrefix, Reply, Timestamp};

fn prefix(text: &str) -> PathPrefix {
    text.to_owned().try_into().expect("a prefix")
}

/// Status, `Location` and body.
type Answer = (u16, Option<String>, String);

/// What was sent to a server that answers so, and the conclusion: product and prefix.
fn talk(mut session: Session, answer: &dyn Fn(&str) -> Answer) -> (Vec<String>, Option<String>, Option<String>) {
    let mut at = Timestamp::UNIX_EPOCH;
    while let Some(ask) = session.next_ask() {
        at += std::time::Duration::from_millis(1);
        let sent = session
            .prefix()
            .map_or_else(|| ask.request.path.clone(), |prefix| prefix.join(&ask.request.path));
        let (status, location, body) = answer(&sent);
        let kind = match body.as_bytes().first() {
            Some(b'{') => "application/json; charset=utf-8",
            Some(b'<') => "text/html",
            _ => "text/plain; charset=utf-8",
        };
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        headers.extend(location.map(|location| ("location".to_owned(), location)));
        let exchange = Exchange {
            request: ask.request.clone(),
            at,
            micros: 1,
            reply: Some(Reply {
                status,
                version: "HTTP/1.1".into(),
                headers,
                body: body.into_bytes(),
                truncated: false,
            }),
            failure: None,
        };
        session.answer(&ask, exchange);
    }
    let conclusion = session.conclude();
    let product = conclusion.identity.product.known().cloned();
    let under = session.prefix().map(ToString::to_string);
    let sent = session.into_exchanges().into_iter().map(|exchange| exchange.request.path).collect();
    (sent, product, under)
}

fn session(under: Option<&str>) -> Session {
    Session::new(Identifier::embedded(), 80, "h.example", Limits::default()).under(under.map(prefix))
}

fn absent() -> Answer {
    (404, None, "404 page not found".into())
}

/// An Ollama under a path; what it says elsewhere is `root`'s.
fn ollama<'a>(path: &'a str, root: &'a dyn Fn(&str) -> Answer) -> impl Fn(&str) -> Answer + 'a {
    move |sent| match sent.strip_prefix(path) {
        Some("/") => (200, None, "Ollama is running".into()),
        Some("/api/version") => (200, None, "{\"version\":\"0.17.4\"}".into()),
        Some("/api/tags" | "/api/ps") => (200, None, "{\"models\":[]}".into()),
        Some(own) if own.starts_with('/') => absent(),
        _ => root(sent),
    }
}

#[test]
fn every_request_is_sent_under_the_path() {
    let (sent, product, under) = talk(session(Some("/a/ollama")), &ollama("/a/ollama", &|sent| panic!("{sent} was sent")));
    assert!(sent.iter().all(|path| path.starts_with("/a/ollama/")), "{sent:?}");
    assert_eq!((product.as_deref(), under.as_deref()), (Some("ollama"), Some("/a/ollama")));
}

#[test]
fn a_redirect_out_of_the_path_is_not_followed() {
    for to in [
        "/docs",
        "/",
        "http://h.example/docs",
        "http://h.example/x2/docs",
        "../docs",
        "/x/../docs",
        "/x/%2e%2e/docs",
    ] {
        let (sent, _, _) = talk(session(Some("/x")), &|sent| match sent {
            "/x/" => (302, Some(to.to_owned()), String::new()),
            _ => absent(),
        });
        assert!(
            sent.iter().all(|path| path.starts_with("/x/") && !path.contains("/docs")),
            "{to}: {sent:?}"
        );
    }
    let (sent, _, _) = talk(session(Some("/x")), &|sent| match sent {
        "/x/" => (302, Some("/x/docs".to_owned()), String::new()),
        _ => absent(),
    });
    assert!(sent.contains(&"/x/docs".to_owned()), "{sent:?}");
}

#[test]
fn the_root_leads_to_the_server_within_the_budget() {
    for (path, to) in [
        ("/ollama", "/ollama/"),
        ("/ollama", "http://h.example/ollama/"),
        ("/ollama", "ollama/"),
        ("/ollama", "/ollama"),
        ("/ui", "/ui/"),
        ("/a/b", "/a/b/"),
    ] {
        let root = |sent: &str| match sent {
            "/" => (302, Some(to.to_owned()), String::new()),
            _ => absent(),
        };
        let (sent, product, under) = talk(session(None), &ollama(path, &root));
        assert_eq!(
            (product.as_deref(), under.as_deref()),
            (Some("ollama"), Some(path)),
            "{to}: {sent:?}"
        );
        assert!(sent.len() <= 12, "{to}: {sent:?}");
        assert_eq!(sent[0], "/", "in the order in which it was sent: {sent:?}");
    }
}

#[test]
fn another_host_is_no_path_of_the_endpoint() {
    for to in [
        "http://other.example/ollama/",
        "https://h.example:8443/ollama/",
        "//other.example/ollama/",
        "/../ollama/",
        "/a%2fb/",
    ] {
        let root = |sent: &str| match sent {
            "/" => (302, Some(to.to_owned()), String::new()),
            _ => absent(),
        };
        let (sent, product, under) = talk(session(None), &ollama("/ollama", &root));
        assert_eq!((product, under), (None, None), "{to}");
        assert!(
            sent.iter().all(|path| !path.contains("ollama") && !path.contains("%2")),
            "{to}: {sent:?}"
        );
    }
}

#[test]
fn a_server_at_the_root_is_not_left_for_its_page() {
    // It lists its models at the root, and has a page for people elsewhere.
    let root = |sent: &str| match sent {
        "/" => (302, Some("/ui/".to_owned()), String::new()),
        "/ui/" => (200, None, "<!doctype html><title>Models</title>".into()),
        "/v1/models" => (
            200,
            None,
            "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\",\"created\":1,\"owned_by\":\"me\"}]}".into(),
        ),
        _ => absent(),
    };
    let (sent, product, under) = talk(session(None), &root);
    assert_eq!((product.as_deref(), under), (Some("openai-compatible"), None), "{sent:?}");
    assert!(
        sent.len() <= 12 && sent.iter().all(|path| path == "/ui/" || !path.starts_with("/ui/")),
        "{sent:?}"
    );
}

#[test]
fn an_absent_server_below_a_redirect_is_reported_at_the_root() {
    let root = |sent: &str| match sent {
        "/" => (302, Some("/app/".to_owned()), String::new()),
        _ => absent(),
    };
    let (sent, product, under) = talk(session(None), &root);
    assert_eq!((product, under), (None, None));
    assert!(sent.len() <= 12 && sent.iter().any(|path| path.starts_with("/app/")), "{sent:?}");
}

#[test]
fn a_path_with_a_prefix_must_not_be_a_harmful_route() {
    let catalog = Catalog::embedded();
    let permit = |at: &str, root, method: &str, path: &str| {
        let under = prefix(at);
        catalog.permit_under(Some((&under, root)), None, method, path, None, EffectSet::HARMLESS)
    };
    assert!(permit("/ollama", AtRoot::Unknown, "GET", "/api/tags").is_ok());
    // What is harmful is so under any path.
    assert!(matches!(
        permit("/x", AtRoot::Nothing, "POST", "/api/pull"),
        Err(Forbidden::Effect { .. })
    ));
    // A gateway's way to what is behind it.
    for at in ["/vllm", "/openai", "/litellm", "/langfuse"] {
        assert!(
            matches!(permit(at, AtRoot::Unknown, "GET", "/v1/models"), Err(Forbidden::Effect { .. })),
            "{at}"
        );
        assert!(permit(at, AtRoot::Nothing, "GET", "/v1/models").is_ok(), "{at}");
    }
    let number = |id: &str| catalog.number(id).expect("a product");
    assert!(permit("/vllm", AtRoot::Product(number("litellm")), "GET", "/v1/models").is_err());
    assert!(permit("/vllm", AtRoot::Product(number("gradio")), "GET", "/v1/models").is_ok());
    // A value of a reply that leads out of the path.
    for path in ["/../api/tags", "/v1/models/../..", "/%2e%2e/api/tags"] {
        assert!(permit("/x", AtRoot::Nothing, "GET", path).is_err(), "{path}");
    }
}

#[test]
fn a_gateway_s_way_is_not_gone_and_a_plain_path_is() {
    // Nothing at the root: the path is the server's.
    let (sent, product, under) = talk(session(Some("/vllm")), &ollama("/vllm", &|_| absent()));
    assert_eq!((product.as_deref(), under.as_deref()), (Some("ollama"), Some("/vllm")), "{sent:?}");
    assert!(sent.len() <= 12, "{sent:?}");
    // Something that is not known: nothing is sent there.
    let unknown = |_: &str| (200, None, "hello".to_owned());
    let (sent, _, under) = talk(session(Some("/vllm")), &ollama("/vllm", &unknown));
    assert!(sent.iter().all(|path| !path.starts_with("/vllm")), "{sent:?}");
    assert_eq!(under, None);
}

#[test]
fn a_path_of_a_server_itself_names_where_it_begins() {
    let catalog: Arc<Catalog> = Catalog::embedded();
    let before = |path: &str| {
        catalog
            .prefix_before(&prefix(path))
            .map(|before| before.map(|before| before.to_string()))
    };
    for path in ["/v1", "/mcp", "/sse", "/v1/models", "/api/tags", "/api/version"] {
        assert_eq!(before(path), Some(None), "{path}");
    }
    for (path, expected) in [("/ollama/v1", "/ollama"), ("/a/b/api/tags", "/a/b")] {
        assert_eq!(before(path), Some(Some(expected.to_owned())), "{path}");
    }
    for path in ["/ollama", "/api", "/ui", "/vllm", "/v2", "/llm/api", "/xv1"] {
        assert_eq!(before(path), None, "{path}");
    }
}

#[test]
fn nothing_is_sent_below_a_path_that_some_server_reads_as_harmful() {
    let catalog = Catalog::embedded();
    let refused = |prefix: &str, method: &str, path: &str| {
        let prefix = PathPrefix::parse(prefix).expect("a path").expect("not the root");
        [AtRoot::Nothing, AtRoot::Unknown].into_iter().all(|root| {
            catalog
                .permit_under(
                    Some((&prefix, root)),
                    catalog.number("ollama"),
                    method,
                    path,
                    Some(""),
                    EffectSet::HARMLESS,
                )
                .is_err()
        })
    };
    // A slash at the end, the case of letters and encoded letters make no other route for servers that are lenient.
    for prefix in [
        "/api/mcp-servers/force-reload",
        "/API/Mcp-Servers/Force-Reload",
        "/api/mcp%2dservers/force-reload",
        "/start_profile",
        "/v1/model/unload",
        "/gradio_api/dev/reload",
        "/manager/queue/start",
    ] {
        assert!(refused(prefix, "GET", "/"), "{prefix}");
        let prefix = PathPrefix::parse(prefix).expect("a path").expect("not the root");
        assert!(catalog.is_harmful_prefix(&prefix), "{prefix}");
    }
    // Routes with a segment for anything.
    assert!(refused("/v1/models/download", "GET", "/vigie-no-such-page"));
    assert!(refused("/v1/Models/download", "GET", "/openapi.json"));
    // Ordinary paths stay what they were.
    for prefix in ["/ollama", "/llm/ollama", "/ai", "/team-a/chat"] {
        assert!(!refused(prefix, "GET", "/api/tags"), "{prefix}");
        let prefix = PathPrefix::parse(prefix).expect("a path").expect("not the root");
        assert!(!catalog.is_harmful_prefix(&prefix), "{prefix}");
    }
}

/// What a server that was recorded answers, had it been built as a single-page application: its page is shown on any path that it does
/// not have, and its root redirects into one of them. `keeps`: its own 404s stay.
fn as_application(fixture: &Fixture, to: &str, keeps: bool) -> Option<Fixture> {
    let page = fixture
        .lines
        .iter()
        .find(|line| line.request.path == "/" && line.request.method == "GET")?;
    let is_page = |reply: &Reply| reply.status == 200 && reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let page = page.reply.clone().filter(is_page)?;
    let line = |method: &str, path: &str, reply: Reply| Line {
        request: vigie_model::RequestLine {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: String::new(),
        },
        reply: Some(reply),
        failure: None,
    };
    let mut changed = fixture.clone();
    changed.lines.retain(|line| {
        let path = line.request.path.as_str();
        let missing = line.reply.as_ref().is_none_or(|reply| reply.status == 404);
        !["/", "*", vigie_catalog::ABSENT_PATH].contains(&path) && (keeps || !missing)
    });
    let mut redirect = page.clone();
    redirect.status = 302;
    redirect.headers.push(("location".into(), to.into()));
    changed.lines.push(line("GET", "/", redirect));
    changed.lines.push(line("*", "*", page));
    Some(changed)
}

#[test]
fn a_page_on_every_path_is_not_a_prefix() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for fixture in crate::read_fixtures() {
        for (to, keeps) in [
            ("/workspace/x", true),
            ("/workspace/x", false),
            ("/workspace/", true),
            ("/workspace/", false),
            ("/workspace", true),
            ("/a/b/c", true),
            ("/a/b/c", false),
        ] {
            let Some(served) = as_application(&fixture, to, keeps) else {
                continue;
            };
            tried += 1;
            let mut session = Session::new(Identifier::embedded(), 80, "h.example", Limits::default());
            while let Some(ask) = session.next_ask() {
                let mut sent = ask.request.clone();
                if let Some(prefix) = session.prefix() {
                    sent.path = prefix.join(&sent.path);
                }
                let exchange = Exchange {
                    request: ask.request.clone(),
                    at: Timestamp::UNIX_EPOCH,
                    micros: 1,
                    reply: served.answer(&sent).and_then(|line| line.reply.clone()),
                    failure: None,
                };
                session.answer(&ask, exchange);
            }
            let conclusion = session.conclude();
            if let Some(under) = session.prefix() {
                let product = conclusion.identity.product.known();
                wrong.push(format!(
                    "{} with its root at {to}, {keeps}: {product:?} under {under}",
                    fixture.name
                ));
            }
        }
    }
    assert!(tried > 100, "{tried}");
    // Each page has a title and words of its own, and says 200 where it is none.
    let pages = |sent: &str| match sent {
        "/" => (302, Some("/workspace/x".to_owned()), String::new()),
        "/v1/models" => (404, None, "{\"detail\":\"Not Found\"}".to_owned()),
        path if path.starts_with("/workspace") => (200, None, "<!doctype html><title>Xinference</title>".to_owned()),
        path => (200, None, format!("<!doctype html><title>Nothing at {path}</title>")),
    };
    let (sent, product, under) = talk(session(None), &|sent: &str| match sent.strip_prefix("/workspace") {
        Some("/") => (
            200,
            None,
            "<!doctype html><title>Xinference</title><p>Xorbits Inference(Xinference) is a powerful and versatile library".to_owned(),
        ),
        _ => pages(sent),
    });
    assert_eq!(under, None, "{product:?} {sent:?}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

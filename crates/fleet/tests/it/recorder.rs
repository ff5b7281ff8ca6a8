//! The recorder counts, keeps and drops requests.

use vigie_fleet::{Fault, Judge, Personality, Recorder, Ruling};

use crate::client::{anywhere, ask, connect, plain, raise, send};

#[test]
fn each_request_is_recorded_completely() {
    let recorder = Recorder::new(100);
    let running = raise(
        vec![
            Personality::server(anywhere(), plain()),
            Personality::broken(anywhere(), plain(), Fault::Http09),
        ],
        &recorder,
    );
    let [well, ill] = [0, 1].map(|index| running.personalities()[index].address);
    ask(well, "GET", "/?a=1", "");
    ask(well, "POST", "/api/show", r#"{"model":"x"}"#);
    let mut stream = connect(ill);
    send(&mut stream, "POST", "/api/pull", r#"{"model":"y"}"#);
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).expect("it ends");

    let seen = recorder.requests();
    let told: Vec<(&str, &str, &str)> = seen.iter().map(|s| (s.method.as_str(), s.path.as_str(), s.body.as_str())).collect();
    assert_eq!(
        told,
        [
            ("GET", "/?a=1", ""),
            ("POST", "/api/show", r#"{"model":"x"}"#),
            ("POST", "/api/pull", r#"{"model":"y"}"#)
        ]
    );
    assert_eq!((recorder.total(), recorder.lost()), (3, 0));
    assert_eq!(seen[0].address.to_string(), well.to_string());
    assert_eq!(seen[0].product.as_deref(), plain().fixture().head.product.as_deref());
    assert!(seen.windows(2).all(|pair| pair[0].at <= pair[1].at));

    let forbidden = recorder.forbidden(&Judge::by_hand());
    assert_eq!(forbidden.len(), 1);
    assert_eq!(forbidden[0].0.path, "/api/pull");
    assert!(matches!(&forbidden[0].1, Ruling::Listed(route) if route.product == "ollama"));
}

#[test]
fn the_record_is_bounded_and_counts_what_it_dropped() {
    let recorder = Recorder::new(2);
    let running = raise(vec![Personality::server(anywhere(), plain())], &recorder);
    let address = running.personalities()[0].address;
    for number in 0..5 {
        ask(address, "GET", &format!("/{number}"), "");
    }
    ask(address, "POST", "/api/show", &"x".repeat(40_000));
    let seen = recorder.requests();
    assert_eq!(seen.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), ["/4", "/api/show"]);
    assert_eq!((recorder.total(), recorder.lost()), (6, 4));
    assert_eq!((seen[1].body.len(), seen[1].cut), (16 * 1024, true));
    recorder.clear();
    assert_eq!((recorder.total(), recorder.lost(), recorder.requests().len()), (0, 0, 0));
}

#[test]
fn stopping_closes_the_listeners() {
    let running = raise(vec![Personality::server(anywhere(), plain())], &Recorder::new(1));
    let address = running.personalities()[0].address;
    ask(address, "GET", "/", "");
    running.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
}

//! What stands around the records: a run's times, its end, and ports that stand as a number. All texts are constructed.

use vigie_import::{Bad, Format, Importer, PassedOver, Unfinished};
use vigie_model::Observation;

use crate::options;

struct Gave {
    good: Vec<Observation>,
    bad: Vec<Bad>,
    passed: PassedOver,
    unfinished: Option<Unfinished>,
}

fn gave(text: &str, format: Option<Format>) -> Gave {
    let mut importer = Importer::new(text.as_bytes(), format, options()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in importer.by_ref() {
        match item {
            Ok(one) => good.push(one),
            Err(one) => bad.push(one),
        }
    }
    Gave {
        good,
        bad,
        passed: importer.passed_over(),
        unfinished: importer.unfinished().cloned(),
    }
}

const START: i64 = 1_793_517_600;
const END: i64 = START + 600;

fn host(attributes: &str, more: &str) -> String {
    format!(
        "<host {attributes}><status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/><ports>{more}\
         <port protocol=\"tcp\" portid=\"80\"><state state=\"open\"/></port></ports></host>\n"
    )
}

fn run(scanner: &str, hosts: &str, end: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<nmaprun scanner=\"{scanner}\" start=\"{START}\" version=\"7.98\">\n{hosts}{end}")
}

fn finished() -> String {
    format!("<runstats><finished time=\"{END}\" exit=\"success\"/><hosts up=\"1\"/></runstats></nmaprun>\n")
}

#[test]
fn a_time_outside_the_run_is_not_believed() {
    for scanner in ["nmap", "masscan"] {
        for (at, sound) in [
            (START, true),
            (END, true),
            (START - 1, false),
            (START - 86_400 * 400, false),
            (1, false),
            (END + 1, false),
            (END + 86_400, false),
        ] {
            let told = gave(&run(scanner, &host(&format!("endtime=\"{at}\""), ""), &finished()), None);
            assert_eq!(
                (told.good.len(), told.bad.len()),
                (usize::from(sound), usize::from(!sound)),
                "{scanner} {at}: {:?}",
                told.bad
            );
            if let Some(bad) = told.bad.first() {
                let words = if at < START {
                    "before its run began"
                } else {
                    "after its run ended"
                };
                assert!(bad.reason.contains(words), "{bad}");
            }
        }
    }
    // nmap's begin counts where no end is said.
    let told = gave(&run("nmap", &host(&format!("starttime=\"{}\"", START - 9), ""), &finished()), None);
    assert_eq!((told.good.len(), told.bad.len()), (0, 1));
    // Without a word of the run's times, there is nothing to hold it against; an end before the beginning is no word.
    let text = run("nmap", &host("endtime=\"1700000000\"", ""), &finished()).replace(&format!("start=\"{START}\""), "start=\"0\"");
    assert_eq!(gave(&text, None).good.len(), 1);
    let text = run("nmap", &host(&format!("endtime=\"{END}\""), ""), &finished())
        .replace(&format!("finished time=\"{END}\""), "finished time=\"1700000000\"");
    assert_eq!(gave(&text, None).good.len(), 1);
    // Of two runs in one file, each is held against its own.
    let later = run("nmap", &host(&format!("endtime=\"{}\"", END + 2_000), ""), &finished())
        .replace(&START.to_string(), &(START + 1_900).to_string())
        .replace(&format!("finished time=\"{END}\""), &format!("finished time=\"{}\"", END + 2_100));
    let both = run("nmap", &host(&format!("endtime=\"{END}\""), ""), &finished()) + &later;
    let told = gave(&both, None);
    assert_eq!((told.good.len(), told.bad.len()), (2, 0), "{:?}", told.bad);
}

/// masscan says when it began by the clock of its machine, in a zone that it does not say.
#[test]
fn hosts_are_checked_against_a_run_at_the_head() {
    let list = |at: i64| {
        format!(
            "# Masscan 1.3.2 scan initiated Sun Nov  1 10:00:00 2026\n# Ports scanned: TCP(1;80-80) UDP(0;) SCTP(0;) PROTOCOLS(0;)\n\
             Timestamp: {at}\tHost: 192.0.2.1 ()\tPorts: 80/open/tcp//http//\n# Masscan done at Sun Nov  1 10:09:00 2026\n"
        )
    };
    let began = 1_793_527_200;
    for (at, sound) in [
        (began, true),
        (began - 13 * 3_600, true),
        (began - 2 * 86_400, false),
        (1_000_000, false),
    ] {
        let told = gave(&list(at), None);
        assert_eq!(
            (told.good.len(), told.bad.len()),
            (usize::from(sound), usize::from(!sound)),
            "{at}: {:?}",
            told.bad
        );
        assert_eq!(told.unfinished, None);
    }
}

#[test]
fn hosts_are_checked_against_a_late_end_of_the_run() {
    let many = host(&format!("endtime=\"{END}\""), "").repeat(2_000);
    let whole = run("nmap", &many, &finished());
    assert!(whole.len() > 256 * 1024);
    let told = gave(&whole, None);
    assert_eq!((told.good.len(), told.bad.len()), (2_000, 0));
    let late = run("nmap", &(many + &host(&format!("endtime=\"{}\"", END + 9), "")), &finished());
    let told = gave(&late, None);
    assert!(
        told.bad.iter().any(|bad| bad.reason.contains("times after its end")),
        "{:?}",
        told.bad
    );
}

#[test]
fn ports_that_stand_as_a_number_are_counted() {
    let extra = "<extraports state=\"closed\" count=\"997\"><extrareasons reason=\"conn-refused\" count=\"997\"/></extraports>\
                 <extraports state=\"filtered\" count=\"2\"/>";
    let told = gave(&run("nmap", &host("", extra), &finished()), None);
    assert_eq!((told.good.len(), told.bad.len(), told.passed.not_open), (1, 0, 999));
    let mixed = "<extraports state=\"closed\" count=\"30\"><extrareasons reason=\"reset\" count=\"20\" proto=\"tcp\" ports=\"1-20\"/>\
                 <extrareasons reason=\"port-unreach\" count=\"10\" proto=\"udp\" ports=\"1-10\"/></extraports>";
    let told = gave(&run("nmap", &host("", mixed), &finished()), None);
    assert_eq!((told.passed.not_open, told.passed.not_tcp), (20, 10));
    let open = gave(
        &run("nmap", &host("", "<extraports state=\"open\" count=\"3\"/>"), &finished()),
        None,
    );
    assert_eq!((open.good.len(), open.bad.len()), (1, 1), "{:?}", open.bad);
    let hostile = gave(
        &run(
            "nmap",
            &host("", "<extraports state=\"closed\" count=\"18446744073709551615\"/>").repeat(3),
            &finished(),
        ),
        None,
    );
    assert!(hostile.passed.not_open < 1 << 20);
}

#[test]
fn a_run_that_broke_off_before_another_is_reported() {
    let one = host(&format!("endtime=\"{END}\""), "");
    let whole = run("nmap", &one, &finished());
    let said = |text: &str| {
        gave(text, None)
            .unfinished
            .map(|unfinished| (unfinished.certain, unfinished.reason))
    };
    assert_eq!(said(&whole), None);
    assert_eq!(said(&whole.repeat(2)), None);
    // Killed, and appended to.
    let killed = run("nmap", &one, "") + &whole;
    assert!(said(&killed).is_some_and(|(certain, reason)| certain && reason.contains("another one begins")));
    let typed = format!(
        "{}<!DOCTYPE nmaprun>\n{}",
        run("nmap", &one, ""),
        whole.replace("<?xml version=\"1.0\"?>\n", "")
    );
    assert!(said(&typed).is_some_and(|(certain, _)| certain));
    // Ended with an error, alone and before another.
    let error = run(
        "nmap",
        &one,
        &finished().replace("exit=\"success\"", "exit=\"error\" errormsg=\"out of memory\""),
    );
    for text in [error.clone(), error.clone() + &whole, whole.clone() + &error] {
        assert!(
            said(&text).is_some_and(|(certain, reason)| certain && reason.contains("ended with an error")),
            "{text}"
        );
    }
    // Closed without a word of how it ended.
    assert!(said(&run("nmap", &one, "</nmaprun>\n")).is_some_and(|(certain, _)| !certain));
    assert_eq!(gave(&killed, None).good.len(), 2);
    // The same of the greppable output.
    let grep = |end: &str| {
        format!(
            "# Nmap 7.98 scan initiated Sun Nov  1 10:00:00 2026 as: nmap -oG - 192.0.2.1\n\
             Host: 192.0.2.1 ()\tPorts: 80/open/tcp//http///\n{end}"
        )
    };
    let done = "# Nmap done at Sun Nov  1 10:01:00 2026 -- 1 IP address (1 host up) scanned in 60.00 seconds\n";
    assert_eq!(said(&(grep(done) + &grep(done))), None);
    assert!(said(&(grep("") + &grep(done))).is_some_and(|(certain, reason)| certain && reason.contains("another one begins")));
}

#[test]
fn a_table_that_ends_inside_a_cell_is_unfinished() {
    let head = "\"timestamp\",\"severity\",\"ip\",\"port\",\"tag\",\"asn\",\"geo\"\n";
    let row = "\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",80,\"http\",64500,\"DE\"\n";
    let said = |text: &str| {
        let told = gave(text, Some(Format::Shadowserver));
        told.unfinished
            .filter(|unfinished| unfinished.certain)
            .map(|unfinished| unfinished.reason)
    };
    assert_eq!(said(&format!("{head}{row}{row}")), None);
    for cut in [
        "\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",80,\"ht",
        "\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",80,\"ht\n",
        "\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",80,\"<html>\n<body>a page\n",
        "\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",80,\"<html>\n<body>a pa",
    ] {
        let text = format!("{head}{row}{cut}");
        assert!(
            said(&text).is_some_and(|reason| reason.contains("inside a quoted cell")),
            "{cut:?}: {:?}",
            said(&text)
        );
        assert_eq!(gave(&text, Some(Format::Shadowserver)).good.len(), 1);
    }
    // A quote too many in the middle costs its own row, and the end of the file is where it should be.
    let stray = format!("{head}{}{row}{row}", row.replace("\"http\"", "\"http"));
    assert_eq!(said(&stray), None);
}

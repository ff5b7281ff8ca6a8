//! Each order on versions that its products have, and on arbitrary texts.

use proptest::prelude::*;

use super::*;

fn version(order: VersionOrder, text: &str) -> Version {
    Version::parse(order, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Each line is strictly ascending; versions joined by `=` are equal.
fn ascends(order: VersionOrder, ladder: &[&str]) {
    let steps: Vec<Vec<Version>> = ladder
        .iter()
        .map(|step| step.split(" = ").map(|text| version(order, text)).collect())
        .collect();
    for (i, lower) in steps.iter().enumerate() {
        for a in lower {
            for b in lower {
                assert_eq!(a.cmp(b), Ordering::Equal, "{a} = {b}");
                assert_eq!(a, b);
            }
            for b in steps[i + 1..].iter().flatten() {
                assert_eq!(a.cmp(b), Ordering::Less, "{a} < {b}");
                assert_eq!(b.cmp(a), Ordering::Greater, "{b} > {a}");
                assert_ne!(a, b);
            }
        }
    }
}

#[test]
fn semantic_versions_ascend() {
    ascends(
        VersionOrder::Semver,
        &[
            "0.1.33 = v0.1.33 = V0.1.33 = 0.1.33+build.5",
            "v0.1.34-0.20240501010101-abcdefabcdef",
            "0.1.34-rc0",
            "0.1.34-rc1",
            "0.1.34-rc9",
            "0.1.34-rc10",
            "0.1.34 = v0.1.34 = 0.1.34 (amd64 on linux) = 0.1.34-0-gabc1234 = 0.1.34-dirty = 0.1.34-stable = 0.1.34-rocm = 0.1.34-somebody",
            "0.1.34-12-gabc1234 = 0.1.34-12-gabc1234-dirty",
            "0.3.14",
            "0.4.0-ci1",
            "0.4.0-rc0",
            "0.4.0-rc0-3-gabc1234",
            "0.4.0-rc1",
            "0.4.0 = 0.4",
            "0.5.8-rc7",
            "v0.5.8-rc7.0.20250207180437-adb8ee99e3cd",
            "0.5.8",
            "0.9.9",
            "0.10.1",
            "0.10.12",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ],
    );
}

#[test]
fn python_versions_ascend() {
    ascends(
        VersionOrder::Pep440,
        &[
            "0.5.0.dev1",
            "0.5.0rc1",
            "0.5.0 = v0.5.0 = 0.5",
            "0.5.0+cpu",
            "0.5.0+cu130",
            "0.5.0.post1 = 0.5.0.post1-rocm",
            "0.5.0.post2",
            "0.5.10",
            "0.5.10.post1 = 0.5.10-1",
            "0.9.9",
            "0.10.1",
            "0.10.1.1",
            "0.10.12",
            "0.22.0.dev3+g0123abc",
            "0.22.0a1",
            "0.22.0b1",
            "0.22.0rc1 = 0.22.0-rc1 = 0.22.0.rc.1",
            "0.22.0rc2",
            "0.22.0",
            "1.40.3.dev2",
            "1.40.3.dev3",
            "1.65.4-nightly = 1.65.4.dev0",
            "1.65.4",
            "1.83.7rc1",
            "1.83.7 = 1.83.7-stable = v1.83.7-stable",
            "v1.83.7-stable.patch.1 = 1.83.7.post1",
            "1.83.7-stable.patch.2",
            "1.83.7-12-gabc1234",
            "1.83.10-stable",
            "1.83.14",
        ],
    );
}

#[test]
fn builds_and_dotted_numbers_ascend() {
    ascends(
        VersionOrder::LlamaBuild,
        &[
            "b999",
            "b8491",
            "b8492 = 8492 = b8492-abc123 = version: 8492 (abc123) = 8492 (abc1234) = b8492-unknown = B8492-gabc1234-dirty",
            "b11393",
        ],
    );
    ascends(
        VersionOrder::Dotted,
        &[
            "0.9.9",
            "0.10.1",
            "0.10.12",
            "1.2 = 1.2.0 = v1.2",
            "1.2.0.1",
            "2026.6.0 = 2026.6-alpine",
            "2026.10",
        ],
    );
}

#[test]
fn what_is_no_version_is_told_from_what_hides_it() {
    use VersionOrder::{Dotted, LlamaBuild, Pep440, Semver};
    let hidden = [
        (Semver, "0.0.0"),
        (Semver, "v0.0.0-20240506123456-abcdefabcdef"),
        (Semver, "0.0.0-dev"),
        (Semver, "dev"),
        (Semver, "unknown"),
        (Semver, "LATEST"),
        (Semver, " "),
        (Pep440, "0.0.0"),
        (Pep440, "0.0.0.dev0"),
        (Pep440, "0+unknown"),
        (Pep440, "0.1.dev1+g0123abc"),
        (LlamaBuild, "b0-unknown"),
        (LlamaBuild, "b0"),
        (LlamaBuild, "b1-0123abc"),
        (LlamaBuild, "version: 0 (unknown)"),
        (LlamaBuild, "unknown"),
        (Dotted, "0.0"),
    ];
    for (order, text) in hidden {
        assert!(
            matches!(Version::parse(order, text), Err(NotAVersion::Hidden(_))),
            "{text}: {:?}",
            Version::parse(order, text)
        );
    }
    let unreadable = [
        (Semver, "4"),
        (Semver, "1.2.3.4"),
        (Semver, "1.2.x"),
        (Semver, "0.22.0rc1"),
        (Semver, "1.2.3-"),
        (Semver, "1.2.3-a..b"),
        (Semver, "+1.2.3"),
        (Semver, "1.2.3 beta"),
        (Semver, "99999999999999999999.0.0"),
        (Semver, "ollama"),
        (Pep440, "main-v1.2.3-stable"),
        (Pep440, "1.2.3-stable.gemini"),
        (Pep440, "1.2.3-post1-stable.patch.1"),
        (Pep440, "b8492"),
        (LlamaBuild, "0.0.8492"),
        (LlamaBuild, "master-8492"),
        (LlamaBuild, "2024-11-22"),
        (LlamaBuild, "-8492"),
        (Dotted, "1.2-rc1"),
        (Dotted, "1..2"),
    ];
    for (order, text) in unreadable {
        assert!(
            matches!(Version::parse(order, text), Err(NotAVersion::Unreadable { .. })),
            "{text}: {:?}",
            Version::parse(order, text)
        );
    }
    assert!(matches!(Version::parse(VersionOrder::Author, "1.0.0"), Err(NotAVersion::Author)));
    let long = format!("1.{}", "0".repeat(200));
    let error = Version::parse(Semver, &long).expect_err("too long");
    assert!(error.to_string().len() < 100, "{error}");
    let error = Version::parse(Semver, "1\u{1b}[31m").expect_err("no version");
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

#[test]
fn ranges_do_not_see_the_local_part() {
    let told = version(VersionOrder::Pep440, "0.22.0+cu130");
    let bound = version(VersionOrder::Pep440, "0.22.0");
    assert!(told > bound);
    assert_eq!(told.clone().public(), bound);
    assert_eq!(told.public().to_string(), "0.22.0+cu130");
}

fn texts(order: VersionOrder) -> BoxedStrategy<String> {
    // Small numbers, so that equal and similar versions are frequent.
    match order {
        VersionOrder::Semver => "v?[0-2]\\.[0-2](\\.[0-3])?(-(rc[0-3]|rc1[0-2]|[0-2]|alpha|beta\\.[0-3]|stable|rocm6|amd|somebody|[a-c0-2-]{1,3}))?(-[0-2]-gabc1234)?(-dirty)?(\\+[a-c]{1,2})?",
        VersionOrder::Pep440 => "v?[0-2](\\.[0-2]){1,3}((a|b|rc)[0-2])?(\\.post[0-2])?(\\.dev[0-2])?(\\+[a-c0-2]{1,3})?(-stable|-stable\\.patch\\.[0-2]|-nightly|-rocm6|-somebody)?",
        VersionOrder::LlamaBuild => "b?[0-9]{1,2}(-abc1234|-unknown)?(-cuda12)?",
        _ => "v?[0-2](\\.[0-2]){0,3}(-alpine|-somebody)?",
    }
    .prop_map(|text: String| text)
    .boxed()
}

fn orders() -> impl Strategy<Value = VersionOrder> {
    prop_oneof![
        Just(VersionOrder::Semver),
        Just(VersionOrder::Pep440),
        Just(VersionOrder::LlamaBuild),
        Just(VersionOrder::Dotted)
    ]
}

fn three() -> impl Strategy<Value = [Version; 3]> {
    orders()
        .prop_flat_map(|order| {
            let text = move || texts(order).prop_filter_map("no version", move |text| Version::parse(order, &text).ok());
            (text(), text(), text())
        })
        .prop_map(|(a, b, c)| [a, b, c])
}

#[test]
fn the_longest_version_may_have_a_prefix_and_white_space() {
    let longest = format!("0.1.0+{}", "a".repeat(LONGEST - 6));
    assert_eq!(longest.len(), LONGEST);
    for order in [VersionOrder::Semver, VersionOrder::Pep440] {
        let plain = version(order, &longest);
        assert_eq!(version(order, &format!("  v{longest}\n")), plain);
        assert_eq!(version(order, &plain.to_string()), plain, "it is printed whole");
        assert!(Version::parse(order, &format!("{longest}a")).is_err());
    }
}

proptest! {
    #[test]
    fn the_order_is_total([a, b, c] in three()) {
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        let mut sorted = [a, b, c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
        if sorted[0] == sorted[2] {
            prop_assert!(sorted[0] == sorted[1]);
        }
    }

    #[test]
    fn a_prefix_and_white_space_change_nothing([a, _, _] in three()) {
        let order = a.order();
        prop_assert_eq!(&version(order, &format!("  {a}\n")), &a);
        if order != VersionOrder::LlamaBuild {
            let bare = a.to_string().trim_start_matches('v').to_owned();
            prop_assert_eq!(version(order, &format!("v{bare}")), a);
        }
    }

    #[test]
    fn numbers_count_as_numbers(order in orders(), a in 2u64..100_000, b in 2u64..100_000) {
        let text = |n: u64| if order == VersionOrder::LlamaBuild { format!("b{n}") } else { format!("0.{n}.1") };
        prop_assert_eq!(version(order, &text(a)).cmp(&version(order, &text(b))), a.cmp(&b));
    }

    #[test]
    fn no_text_makes_it_panic(order in orders(), text in any::<String>()) {
        let _ = Version::parse(order, &text);
    }

    #[test]
    fn nothing_that_looks_like_a_version_makes_it_panic(order in orders(), text in "[vb0-9.+ ()a-g-]{0,40}") {
        let _ = Version::parse(order, &text);
    }
}

//! The shares of the population. Figures marked P are published: SentinelLABS and Censys, "Silent Brothers", 29 January 2026. The others
//! are invented so that every part of the record occurs.

/// Hosts at full scale (P).
pub(super) const HOSTS: usize = 175_108;
/// Observations at full scale (P: 7.23 million).
pub(super) const OBSERVATIONS: usize = 7_230_000;
/// Days of the window (P).
pub(super) const DAYS: u16 = 293;
/// Autonomous systems at full scale (P).
pub(super) const SYSTEMS: usize = 4_032;
/// The first day. Invented; the published window is in 2025.
pub(super) const FIRST_DAY: (i32, u32, u32) = (2025, 3, 1);

/// Share of hosts by number of observations. P: 36 % once, 13 % more than a hundred times. The two in between are invented.
pub(super) const BUCKETS: [(ObservationRange, f64); 4] = [
    (ObservationRange { least: 1, most: 1 }, 0.36),
    (ObservationRange { least: 2, most: 10 }, 0.30),
    (ObservationRange { least: 11, most: 100 }, 0.21),
    (ObservationRange { least: 101, most: 293 }, 0.13),
];
/// Share of the observations of hosts with more than a hundred (P: about 76 %).
pub(super) const CORE_OBSERVATIONS: f64 = 0.76;

/// A range of the number of observations of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObservationRange {
    pub(super) least: u16,
    pub(super) most: u16,
}

/// P: China just over 30 %, the United States just over 20 %, then these in this order. Their shares are invented, as are those of the
/// other 120 countries, which follow a 1/n curve.
pub(super) const TOP_COUNTRIES: [(&str, f64); 10] = [
    ("CN", 30.4),
    ("US", 20.3),
    ("DE", 8.1),
    ("FR", 5.2),
    ("KR", 4.6),
    ("IN", 4.1),
    ("RU", 3.6),
    ("SG", 3.0),
    ("BR", 2.7),
    ("GB", 2.5),
];
/// The rest of the 130 countries (P: their number), with 15.5 % of the hosts.
pub(super) const OTHER_COUNTRIES: &str = "JP CA AU NL IT ES PL SE FI NO DK CH AT BE CZ PT IE RO HU GR BG UA TR IL SA AE IR IQ EG MA DZ TN ZA NG KE GH ET TZ UG \
CM CI SN MX AR CL CO PE VE EC UY PY BO CR PA GT DO CU HN SV NI JM TT TH VN ID MY PH HK TW PK BD LK NP KZ UZ GE AM AZ MN KH LA MM BN NZ LT LV EE SK SI HR RS \
BA MK AL MD BY LU MT CY IS QA KW BH OM JO LB SY YE PS AO MZ ZM ZW BW NA MU MG RW SD LY";
/// The share of [`OTHER_COUNTRIES`].
pub(super) const OTHER_SHARE: f64 = 15.5;

/// Type of autonomous system and tier of infrastructure of the hosts. P: fixed-access telecom 56 % and unattributed 19 % in the view by
/// type; hyperscaler 32 %, telecom and residential 32 %, unattributed 16 % in the view by tier.
pub(super) const NETWORKS: [((&str, &str), f64); 12] = [
    (("fixed-access-telecom", "telecom-residential"), 30.0),
    (("fixed-access-telecom", "hyperscaler"), 9.0),
    (("fixed-access-telecom", "cloud-vps"), 9.0),
    (("fixed-access-telecom", "unattributed"), 8.0),
    (("mobile", "telecom-residential"), 2.0),
    (("hosting", "hyperscaler"), 12.0),
    (("hosting", "cloud-vps"), 5.0),
    (("education", "academic"), 4.0),
    (("government", "government"), 0.5),
    (("business", "enterprise"), 1.5),
    (("unattributed", "hyperscaler"), 11.0),
    (("unattributed", "unattributed"), 8.0),
];

/// Number of models on hosts that list them. P: 2 to 3 on 41 %, 20 or more on 1.46 %.
pub(super) const INVENTORY: [((u16, u16), f64); 6] = [
    ((0, 0), 6.0),
    ((1, 1), 20.0),
    ((2, 3), 41.0),
    ((4, 9), 26.0),
    ((10, 19), 5.54),
    ((20, 40), 1.46),
];

/// Families of a host's models, as shares of all hosts that list them. P: llama before qwen2 before gemma2; llama together with qwen2 on
/// 40,694 hosts, 52 % of those with several families. So 44.7 % of all have several.
pub(super) const FAMILIES: [(&[&str], f64); 12] = [
    (&["llama", "qwen2"], 13.2),
    (&["llama", "qwen2", "gemma2"], 10.0),
    (&["llama", "gemma2"], 8.0),
    (&["qwen2", "gemma2"], 6.0),
    (&["llama", "nomic-bert"], 4.0),
    (&["qwen2", "qwen3"], 3.5),
    (&["llama"], 18.0),
    (&["qwen2"], 16.0),
    (&["gemma2"], 8.0),
    (&["qwen3"], 4.0),
    (&["phi3"], 2.0),
    (&["deepseek2"], 1.3),
];

/// Sizes of a host's models, as shares of all hosts that list them. P: 8 to 14 billion is the most common, 26 %.
pub(super) const PARAMETERS: [(&[&str], f64); 7] = [
    (&["8.0B", "14.8B"], 26.0),
    (&["1.5B", "3.2B"], 22.0),
    (&["4.3B", "7.6B"], 21.0),
    (&["494.03M", "137M"], 9.0),
    (&["27.2B", "32.8B"], 11.0),
    (&["70.6B", "72.7B"], 4.0),
    (&["671.0B"], 1.0),
];

/// Share of hosts with a `Q4_K_M` model, of those that list models (P).
pub(super) const Q4_K_M: f64 = 0.48;
/// Weights of the quantisations of the other models on a host with a `Q4_K_M` model. P: 72 % of all models are 4-bit, 19 % 16-bit.
pub(super) const BESIDE_Q4_K_M: [(&str, f64); 5] = [("Q4_K_M", 58.0), ("Q4_0", 21.0), ("F16", 15.0), ("Q8_0", 4.0), ("Q5_K_M", 2.0)];
/// Weights of the quantisations on a host without a `Q4_K_M` model.
pub(super) const WITHOUT_Q4_K_M: [(&str, f64); 6] = [
    ("Q4_0", 52.0),
    ("Q4_K_S", 6.0),
    ("F16", 26.0),
    ("BF16", 2.0),
    ("Q8_0", 10.0),
    ("Q6_K", 4.0),
];

/// Exact sets of capabilities of hosts whose version reports all of them. P: completion and tools alone 38 %; tools on over 48 %, vision
/// 22 %, thinking 26 %.
pub(super) const CAPABILITY_SETS: [(&[&str], f64); 10] = [
    (&["completion", "tools"], 38.0),
    (&["completion", "thinking", "tools"], 6.0),
    (&["completion", "tools", "vision"], 2.0),
    (&["completion", "thinking", "tools", "vision"], 2.5),
    (&["completion", "vision"], 9.5),
    (&["completion", "thinking"], 9.5),
    (&["completion", "thinking", "vision"], 8.0),
    (&["completion", "embedding"], 4.0),
    (&["embedding"], 2.0),
    (&["completion"], 12.5),
];
/// The same for versions that do not report thinking.
pub(super) const EARLY_SETS: [(&[&str], f64); 3] = [
    (&["completion", "tools"], 48.5),
    (&["completion", "vision"], 22.0),
    (&["completion"], 29.5),
];

/// Shares of hosts that list their models to anyone, that are behind a key or a login, and that only Shodan listed.
pub(super) const VISIBILITIES: [(Visibility, f64); 3] =
    [(Visibility::Open, 84.0), (Visibility::Locked, 6.0), (Visibility::ListedOnly, 10.0)];

/// What a host shows to a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Its models.
    Open,
    /// Its product and version, but not its models.
    Locked,
    /// Nothing: only a search engine listed it.
    ListedOnly,
}

/// Versions without `capabilities` (before 0.6.4). The weights of all versions are invented.
pub(super) const OLD_VERSIONS: [(&str, f64); 3] = [("0.3.14", 1.0), ("0.5.7", 3.0), ("0.6.2", 2.0)];
/// Versions with `capabilities` but without `thinking` (before 0.9.0).
pub(super) const EARLY_VERSIONS: [(&str, f64); 2] = [("0.6.5", 3.0), ("0.6.8", 5.0)];
/// Versions with both.
pub(super) const NEW_VERSIONS: [(&str, f64); 5] = [("0.9.0", 2.0), ("0.9.6", 3.0), ("0.11.4", 5.0), ("0.12.3", 4.0), ("0.12.6", 3.0)];
/// The version to which hosts upgrade in place.
pub(super) const LATEST_VERSION: &str = "0.13.0";
/// Share of hosts that upgrade in place, of the open hosts seen on at least two days (Xu et al. 2026: 0.43 to 2.90 % in a year). Only
/// hosts with a new version upgrade.
pub(super) const UPGRADES: f64 = 0.015;

/// Share of the active hosts with one of [`OLD_VERSIONS`].
pub(super) const OLD: f64 = 0.08;
/// Share of the active hosts with one of [`EARLY_VERSIONS`].
pub(super) const EARLY: f64 = 0.06;

/// Hosts at full scale with a prompt that removes safeguards (P: 201).
pub(super) const UNCENSORED_PROMPTS: usize = 201;
/// Share of the active hosts with a model whose name says that safeguards were removed (`NuClide`, 15 May 2026: 2.5 %).
pub(super) const UNCENSORED_NAMES: f64 = 0.025;
/// Share of the active hosts that show a system prompt (P: about a quarter of the models).
pub(super) const PROMPTS: f64 = 0.25;
/// Share of the active hosts with a model that another service runs.
pub(super) const REMOTE: f64 = 0.03;
/// Share of the active hosts with a model in memory.
pub(super) const SERVING: f64 = 0.37;
/// Share of suspects, of the open hosts.
pub(super) const SUSPECTS: f64 = 0.02;
/// Share of hosts listed by Shodan first, of the open hosts seen at least twice.
pub(super) const LISTED_FIRST: f64 = 0.06;
/// Share of [`LISTED_FIRST`] that turn out to be another product.
pub(super) const REFUTED: f64 = 0.2;
/// Share of hosts with another product on a second port, of the open hosts seen at least twice.
pub(super) const SECOND: f64 = 0.05;
/// Share of hosts that add a model half-way, of the open hosts seen at least twice.
pub(super) const GROWS: f64 = 0.10;
/// Share of hosts with unknown location.
pub(super) const NOWHERE: f64 = 0.005;
/// Share of hosts that are one of two addresses of the same machine, of the hosts seen at most 60 times.
pub(super) const MOVED: f64 = 0.03;

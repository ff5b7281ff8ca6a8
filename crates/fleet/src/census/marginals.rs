//! What the population is made of. Figures marked P are published: SentinelLABS and Censys, "Silent Brothers", 29 January 2026. The
//! others are made up so that every word of the record occurs.

/// Hosts at full scale (P).
pub(super) const HOSTS: usize = 175_108;
/// Observations at full scale (P: 7.23 million).
pub(super) const OBSERVATIONS: usize = 7_230_000;
/// Days of the window (P).
pub(super) const DAYS: u16 = 293;
/// Autonomous systems at full scale (P).
pub(super) const SYSTEMS: usize = 4_032;
/// The first day: made up; the published window is somewhere in 2025.
pub(super) const FIRST_DAY: (i32, u32, u32) = (2025, 3, 1);

/// Share of hosts by how often they were seen. P: 36 % once, 13 % more than a hundred times. The two between are made up.
pub(super) const BUCKETS: [(Bucket, f64); 4] = [
    (Bucket { least: 1, most: 1 }, 0.36),
    (Bucket { least: 2, most: 10 }, 0.30),
    (Bucket { least: 11, most: 100 }, 0.21),
    (Bucket { least: 101, most: 293 }, 0.13),
];
/// Share of the observations that the hosts with more than a hundred have (P: about 76 %).
pub(super) const CORE_OBSERVATIONS: f64 = 0.76;

/// How often a host is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) least: u16,
    pub(super) most: u16,
}

/// P: China just over 30 %, the United States just over 20 %, then these in this order; their own shares are made up, as are the
/// other 120 countries' (each two thirds of the way down a 1/n curve).
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
/// The rest of the 130 countries (P: how many), of which 15.5 % of the hosts are.
pub(super) const OTHER_COUNTRIES: &str = "JP CA AU NL IT ES PL SE FI NO DK CH AT BE CZ PT IE RO HU GR BG UA TR IL SA AE IR IQ EG MA DZ TN ZA NG KE GH ET TZ UG \
CM CI SN MX AR CL CO PE VE EC UY PY BO CR PA GT DO CU HN SV NI JM TT TH VN ID MY PH HK TW PK BD LK NP KZ UZ GE AM AZ MN KH LA MM BN NZ LT LV EE SK SI HR RS \
BA MK AL MD BY LU MT CY IS QA KW BH OM JO LB SY YE PS AO MZ ZM ZW BW NA MU MG RW SD LY";
/// Their share.
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

/// Models on the hosts that say. P: 2 to 3 on 41 %, 20 and more on 1.46 %.
pub(super) const INVENTORY: [((u16, u16), f64); 6] = [
    ((0, 0), 6.0),
    ((1, 1), 20.0),
    ((2, 3), 41.0),
    ((4, 9), 26.0),
    ((10, 19), 5.54),
    ((20, 40), 1.46),
];

/// Families of a host's models, of all hosts that say. P: llama before qwen2 before gemma2; llama beside qwen2 on 40,694 of the hosts
/// with several families, 52 % of those: 44.7 % of all have several.
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

/// Size of a host's models, of all hosts that say. P: 8 to 14 billion most common, 26 %.
pub(super) const PARAMETERS: [(&[&str], f64); 7] = [
    (&["8.0B", "14.8B"], 26.0),
    (&["1.5B", "3.2B"], 22.0),
    (&["4.3B", "7.6B"], 21.0),
    (&["494.03M", "137M"], 9.0),
    (&["27.2B", "32.8B"], 11.0),
    (&["70.6B", "72.7B"], 4.0),
    (&["671.0B"], 1.0),
];

/// Share of the hosts that say with a `Q4_K_M` model (P).
pub(super) const Q4_K_M: f64 = 0.48;
/// What the other models of a host with one are quantised to, and those of a host without; weights. P: 72 % of all are 4-bit, 19 %
/// 16-bit.
pub(super) const BESIDE_Q4_K_M: [(&str, f64); 5] = [("Q4_K_M", 58.0), ("Q4_0", 21.0), ("F16", 15.0), ("Q8_0", 4.0), ("Q5_K_M", 2.0)];
/// See [`BESIDE_Q4_K_M`].
pub(super) const WITHOUT_Q4_K_M: [(&str, f64); 6] = [
    ("Q4_0", 52.0),
    ("Q4_K_S", 6.0),
    ("F16", 26.0),
    ("BF16", 2.0),
    ("Q8_0", 10.0),
    ("Q6_K", 4.0),
];

/// Exact sets of capabilities of the hosts that can say all of them. P: completion and tools alone 38 %; tools on over 48 %, vision 22 %,
/// thinking 26 %.
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
/// The same for versions that have no word for thinking yet.
pub(super) const EARLY_SETS: [(&[&str], f64); 3] = [
    (&["completion", "tools"], 48.5),
    (&["completion", "vision"], 22.0),
    (&["completion"], 29.5),
];

/// Of all hosts: those that list their models to anyone, those behind a key or a login, those that only Shodan listed.
pub(super) const KINDS: [(Kind, f64); 3] = [(Kind::Told, 84.0), (Kind::Locked, 6.0), (Kind::Listed, 10.0)];

/// How much a host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its models, to anyone.
    Told,
    /// What it is, but not its models.
    Locked,
    /// Nothing: a search engine listed it.
    Listed,
}

/// Versions without `capabilities` (before 0.6.4), with it but without `thinking` (before 0.9.0), and with both; made up weights.
pub(super) const OLD_VERSIONS: [(&str, f64); 3] = [("0.3.14", 1.0), ("0.5.7", 3.0), ("0.6.2", 2.0)];
/// See [`OLD_VERSIONS`].
pub(super) const EARLY_VERSIONS: [(&str, f64); 2] = [("0.6.5", 3.0), ("0.6.8", 5.0)];
/// See [`OLD_VERSIONS`].
pub(super) const NEW_VERSIONS: [(&str, f64); 5] = [("0.9.0", 2.0), ("0.9.6", 3.0), ("0.11.4", 5.0), ("0.12.3", 4.0), ("0.12.6", 3.0)];
/// To what a host upgrades in place.
pub(super) const LATEST_VERSION: &str = "0.13.0";
/// Share of the hosts that say, are new and are seen on two days at least, which upgrade in place (Xu et al. 2026: 0.43 to 2.90 % in a year).
pub(super) const UPGRADES: f64 = 0.015;

/// Share of the active hosts that say whose version is old, and whose is early.
pub(super) const OLD: f64 = 0.08;
/// See [`OLD`].
pub(super) const EARLY: f64 = 0.06;

/// Hosts at full scale with a prompt that removes safeguards (P: 201).
pub(super) const UNCENSORED_PROMPTS: usize = 201;
/// Share of the active hosts with a model whose name says so (`NuClide`, 15 May 2026: 2.5 %).
pub(super) const UNCENSORED_NAMES: f64 = 0.025;
/// Share of the active hosts that show a system prompt at all (P: about a quarter of the models).
pub(super) const PROMPTS: f64 = 0.25;
/// Share of the active, new hosts with a model that another service runs.
pub(super) const REMOTE: f64 = 0.03;
/// Share of the active hosts with a model in memory when they are looked at.
pub(super) const SERVING: f64 = 0.37;
/// Share of the hosts that say and are suspected of deception.
pub(super) const SUSPECTS: f64 = 0.02;
/// Share of the hosts that say, are seen twice at least and were listed by Shodan first.
pub(super) const LISTED_FIRST: f64 = 0.06;
/// Share of those that turn out to be something else.
pub(super) const REFUTED: f64 = 0.2;
/// Share of the hosts that say, are seen twice at least, and answer on a second port with another product.
pub(super) const SECOND: f64 = 0.05;
/// Share of the hosts that say, are seen twice at least, and add a model half-way.
pub(super) const GROWS: f64 = 0.10;
/// Share of the hosts for which no geography is known.
pub(super) const NOWHERE: f64 = 0.005;
/// Share of the hosts seen 100 times at most that are an earlier host under a new address.
pub(super) const MOVED: f64 = 0.03;

//! Words and figures as people read them, in both languages.

use serde_json::Value;

use crate::Lang;
use crate::study::Answered;

/// A word of the document in that language.
#[must_use]
pub fn word(key: &str, lang: Lang) -> &str {
    let found = WORDS.iter().find(|(name, _, _)| *name == key);
    match (found, lang) {
        (Some((_, en, _)), Lang::En) => en,
        (Some((_, _, fr)), Lang::Fr) => fr,
        (None, _) => key,
    }
}

/// What stands in the document besides the questions' own texts, and the names of columns that are not plain words.
const WORDS: &[(&str, &str, &str)] = &[
    ("title", "Exposed AI servers: a study", "Serveurs d'IA exposés : une étude"),
    ("contents", "Contents", "Sommaire"),
    ("made", "Made", "Fait le"),
    ("by", "with vigie", "avec vigie"),
    ("lake", "from the lake", "à partir du lac"),
    ("window", "Window", "Fenêtre"),
    ("to", "to", "au"),
    ("advisories of", "advisories of", "avis du"),
    ("nothing", "Nothing was seen.", "Rien n'a été vu."),
    ("definition", "Definition", "Définition"),
    ("why", "Why", "Pourquoi"),
    ("sql", "SQL", "SQL"),
    ("known of", "Known of", "Connu pour"),
    ("unknown of", "unknown of", "inconnu pour"),
    ("without suspects", "without suspects", "sans les suspects"),
    ("no rows", "Nothing to tell.", "Rien à dire."),
    ("more rows", "more rows in the CSV file", "lignes de plus dans le fichier CSV"),
    (
        "more here",
        "more rows: --format json or --out DIR",
        "lignes de plus : --format json ou --out DIR",
    ),
    ("unread", "What could not be read", "Ce qui n'a pu être lu"),
    (
        "compared",
        "Published figures beside this lake's",
        "Les chiffres publiés à côté de ceux de ce lac",
    ),
    ("figure", "figure", "chiffre"),
    ("source", "source", "source"),
    ("published", "published", "publié"),
    ("planted", "planted", "semé"),
    ("here", "this lake", "ce lac"),
    ("note", "note", "note"),
    (
        "tables",
        "The tables that the questions stand on",
        "Les tables sur lesquelles reposent les questions",
    ),
    (
        "about tables",
        "Each is made once, in this order, from the tables of the lake; months has a row per calendar month and block of 62 days, with the bits of its days.",
        "Chacune est faite une fois, dans cet ordre, à partir des tables du lac ; months a une ligne par mois et bloc de 62 jours, avec les bits de ses jours.",
    ),
    ("limits", "What these figures cannot say", "Ce que ces chiffres ne peuvent dire"),
    (
        "suspects are in",
        "Suspected honeypots are counted in, and every answer stands a second time without them.",
        "Les leurres présumés sont comptés, et chaque réponse figure une seconde fois sans eux.",
    ),
    ("hosts", "hosts", "hôtes"),
    ("suspects", "suspects", "suspects"),
    ("endpoints", "endpoints", "points d'accès"),
    ("observations", "observations", "observations"),
    ("host-days", "host-days", "jours-hôtes"),
    ("host_days", "host-days", "jours-hôtes"),
    ("lists", "lists", "listes"),
    ("gaps", "gaps", "écarts"),
    ("share", "share", "part"),
    ("known", "known", "connus"),
    ("unknown", "unknown", "inconnus"),
    ("yes", "yes", "oui"),
    ("no", "no", "non"),
    ("observations_share", "share of observations", "part des observations"),
    ("host_days_share", "share of host-days", "part des jours-hôtes"),
    ("models_share", "share of models", "part des modèles"),
    ("networks_share", "share of networks", "part des réseaux"),
    ("countries_share", "share of countries", "part des pays"),
    ("cover_share", "reached so far", "atteints jusque-là"),
    ("cover", "place in the cover", "rang dans la couverture"),
    ("cover_proved", "proved smallest", "prouvé minimal"),
    ("observations_known", "observations known", "observations connues"),
    ("host_days_known", "host-days known", "jours-hôtes connus"),
    ("models_known", "models known", "modèles connus"),
    ("bucket", "times seen", "fois vus"),
    ("country", "country", "pays"),
    ("networks", "networks", "réseaux"),
    ("countries", "countries", "pays"),
    ("class", "class", "classe"),
    ("view", "view", "vue"),
    ("tier", "tier", "catégorie"),
    ("product", "product", "produit"),
    ("products", "products", "produits"),
    ("version", "version", "version"),
    ("change", "change", "changement"),
    ("activity", "activity", "activité"),
    ("models", "models", "modèles"),
    ("listed", "models listed", "modèles listés"),
    ("family", "family", "famille"),
    ("other", "beside", "à côté"),
    ("parameters", "parameters", "paramètres"),
    ("quantisation", "quantisation", "quantification"),
    ("capability", "capability", "capacité"),
    ("capabilities", "capabilities", "capacités"),
    ("what", "what", "quoi"),
    ("posture", "posture", "posture"),
    ("signal", "signal", "signal"),
    ("prompt", "prompt", "invite"),
    ("days", "days", "jours"),
    ("week", "week", "semaine"),
    ("new", "new", "nouveaux"),
    ("returned", "returned", "revenus"),
    ("stayed", "stayed", "restés"),
    ("left", "left", "partis"),
    ("at_risk", "watched until then", "suivis jusque-là"),
    ("gone", "gone by then", "partis d'ici là"),
    ("median_of_all", "median of all", "médiane de tous"),
    ("threshold", "threshold", "seuil"),
    ("mean_uptime", "mean uptime", "présence moyenne"),
    ("mean_running", "mean models running", "modèles en mémoire en moyenne"),
    ("mean_running_where_any", "mean where any runs", "moyenne là où il y en a"),
    ("mean_models", "mean models", "modèles en moyenne"),
    ("running_share", "share running", "part en activité"),
    ("rank_by_hosts", "rank by hosts", "rang par hôtes"),
    ("rank_by_observations", "rank by observations", "rang par observations"),
    ("rank_by_host_days", "rank by host-days", "rang par jours-hôtes"),
    ("advisory", "advisory", "avis"),
    ("severity", "severity", "gravité"),
    ("exploited", "exploited", "exploité"),
    ("fixed", "fixed in", "corrigé en"),
    ("not_affected", "not affected", "non touchés"),
    ("dimension", "dimension", "dimension"),
    ("categories", "categories", "catégories"),
    ("kind", "kind", "sorte"),
    ("component", "component", "composant"),
    ("score", "score", "score"),
    ("month", "month", "mois"),
    ("name", "name", "nom"),
    ("digests", "digests", "empreintes"),
    ("confirmed", "confirmed", "confirmés"),
    ("refuted", "refuted", "réfutés"),
    ("checked", "checked", "vérifiés"),
    ("first_seen", "first seen", "vu d'abord"),
    ("last_seen", "last seen", "vu en dernier"),
    ("sources", "sources", "sources"),
    ("unrecognised_endpoints", "endpoints not recognised", "points d'accès non reconnus"),
    ("hhi", "HHI", "HHI"),
    ("hhi_unbiased", "HHI without bias", "HHI sans biais"),
    ("gini", "Gini", "Gini"),
    ("entropy", "entropy (bits)", "entropie (bits)"),
    ("effective", "effective number", "nombre effectif"),
    ("top_1", "largest", "le plus grand"),
    ("top_3", "three largest", "les trois plus grands"),
    ("top_10", "ten largest", "les dix plus grands"),
    ("identities", "identities", "identités"),
];

/// The limits that every study has, in that language.
pub(super) fn limits(lang: Lang) -> &'static [&'static str] {
    match lang {
        Lang::En => &[
            "The hosts are those that the sources saw: what they do not look at, what blocks them and what answers on other ports is missing, and no interval covers that.",
            "The intervals say how far a figure could move had other hosts of the same kind been drawn. They are 95 % intervals: Wilson's for hosts, and for observations and days the same after resampling hosts, since the looks at one host are alike.",
            "A host is an address. A machine whose address changes is several hosts, and a gateway before many machines is one.",
            "Attributes are the last that was told within the window. What no source told is unknown, is not in the denominator, and is counted beside each table.",
            "A capability is what the model's template says, not a tool that is wired. A posture is what reading routes answered: nothing was tried.",
            "Countries and networks are where an address is registered.",
        ],
        Lang::Fr => &[
            "Les hôtes sont ceux que les sources ont vus : ce qu'elles ne regardent pas, ce qui les bloque et ce qui répond ailleurs manque, et aucun intervalle ne le couvre.",
            "Les intervalles disent de combien un chiffre aurait pu bouger avec d'autres hôtes de même sorte. Ce sont des intervalles à 95 % : celui de Wilson pour les hôtes, et pour les observations et les jours le même en rééchantillonnant les hôtes, car les regards sur un même hôte se ressemblent.",
            "Un hôte est une adresse. Une machine qui change d'adresse en fait plusieurs, une passerelle devant plusieurs machines n'en fait qu'un.",
            "Les attributs sont les derniers dits dans la fenêtre. Ce qu'aucune source n'a dit est inconnu, hors du dénominateur, et compté à côté de chaque table.",
            "Une capacité est ce que dit le gabarit du modèle, non un outil branché. Une posture est la réponse des routes de lecture : rien n'a été essayé.",
            "Pays et réseaux sont ceux où l'adresse est enregistrée.",
        ],
    }
}

/// Whether a character is left out of a stranger's text: it controls, or turns the direction of writing, which can make a text look like
/// another.
pub(super) fn is_left_out(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole number with its thousands apart.
pub(super) fn whole(number: i64, lang: Lang) -> String {
    let digits = number.unsigned_abs().to_string();
    let apart = match lang {
        Lang::En => ',',
        // A narrow space that does not break.
        Lang::Fr => '\u{202f}',
    };
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(apart);
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// A number with decimals; the comma of French.
pub(super) fn decimal(number: f64, places: usize, lang: Lang) -> String {
    let text = format!("{number:.places$}");
    match lang {
        Lang::En => text,
        Lang::Fr => text.replace('.', ","),
    }
}

/// A share as a percentage, finer where it is small.
pub(super) fn percent(share: f64, lang: Lang) -> String {
    let hundred = share * 100.0;
    let places = match hundred {
        h if h == 0.0 || h >= 10.0 => 1,
        h if h >= 1.0 => 2,
        _ => 3,
    };
    match lang {
        Lang::En => format!("{} %", decimal(hundred, places, lang)),
        Lang::Fr => format!("{}\u{202f}%", decimal(hundred, places, lang)),
    }
}

/// Whether a column holds shares from 0 to 1.
pub(super) fn is_share(column: &str) -> bool {
    column.ends_with("share") || column == "mean_uptime" || column.starts_with("top_")
}

/// A value as a person reads it. Unknown is a question mark.
pub(super) fn value(column: &str, value: &Value, lang: Lang) -> String {
    match value {
        Value::Null => "?".to_owned(),
        Value::Bool(true) => word("yes", lang).to_owned(),
        Value::Bool(false) => word("no", lang).to_owned(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (_, Some(share)) if is_share(column) => percent(share, lang),
            (Some(count), _) => whole(count, lang),
            (None, Some(float)) => decimal(float, if float.abs() < 1.0 { 4 } else { 2 }, lang),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A table for people: bounds stand with their shares, and each cell keeps what it is sorted by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// The heads.
    pub head: Vec<String>,
    /// The rows; each cell with its text, and its number if it is one.
    pub rows: Vec<Vec<(String, Option<f64>)>>,
}

/// An answer's rows for people; of a single row its columns stand below each other.
#[must_use]
pub fn cells(answer: &Answered, lang: Lang) -> Cells {
    let rows = &answer.rows;
    let shown: Vec<usize> = (0..rows.columns.len())
        .filter(|at| {
            let name = &rows.columns[*at];
            let bound = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high"));
            bound.is_none_or(|of| rows.column(of).is_none())
        })
        .collect();
    let head: Vec<String> = shown.iter().map(|at| word(&rows.columns[*at], lang).replace('_', " ")).collect();
    let mut out: Vec<Vec<(String, Option<f64>)>> = Vec::new();
    for row in &rows.rows {
        let cell = |at: &usize| {
            let name = &rows.columns[*at];
            let mut text = value(name, &row[*at], lang);
            let bound = |end: &str| rows.number(row, &format!("{name}_{end}"));
            if let (Some(low), Some(high)) = (bound("low"), bound("high")) {
                let bound = |number: f64| {
                    if is_share(name) {
                        percent(number, lang)
                    } else {
                        decimal(number, 4, lang)
                    }
                };
                text.push_str(&format!(" ({} – {})", bound(low), bound(high)));
            }
            (text, row[*at].as_f64())
        };
        out.push(shown.iter().map(cell).collect());
    }
    if let [only] = out.as_slice()
        && head.len() > 6
    {
        let rows = head
            .into_iter()
            .zip(only.clone())
            .map(|(name, cell)| vec![(name, None), cell])
            .collect();
        return Cells {
            head: vec![String::new(), String::new()],
            rows,
        };
    }
    Cells { head, rows: out }
}

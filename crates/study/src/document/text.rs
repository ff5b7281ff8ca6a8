//! Texts and numbers for people, in English and French.

use serde_json::Value;

use crate::Lang;
use crate::study::QuestionAnswer;

/// A text of the document in a language; an unknown key is returned as it is.
#[must_use]
pub fn word(key: &str, lang: Lang) -> &str {
    let found = WORDS.iter().find(|(name, _, _)| *name == key);
    match (found, lang) {
        (Some((_, en, _)), Lang::En) => en,
        (Some((_, _, fr)), Lang::Fr) => fr,
        (None, _) => key,
    }
}

/// The texts of the document besides those of the questions, and readable names of columns: key, English, French.
const WORDS: &[(&str, &str, &str)] = &[
    ("title", "Exposed AI servers: a study", "Serveurs d'IA exposés : une étude"),
    ("contents", "Contents", "Sommaire"),
    ("made", "Made on", "Établie le"),
    ("by", "with vigie", "avec vigie"),
    ("lake", "from the lake", "à partir du lac de données"),
    (":", ":", "\u{a0}:"),
    ("window", "Window", "Fenêtre du"),
    ("to", "to", "au"),
    ("advisories of", "with the advisories of", "avec les avis du"),
    ("nothing", "No observations.", "Aucune observation."),
    ("definition", "Definition", "Définition"),
    ("why", "Why", "Pourquoi"),
    ("sql", "SQL", "SQL"),
    ("known of", "Known for", "Connu pour"),
    ("unknown of", "unknown for", "inconnu pour"),
    ("without suspects", "without suspects", "sans les suspects"),
    ("no rows", "No data.", "Aucune donnée."),
    (
        "more rows",
        "more rows in the CSV file",
        "lignes supplémentaires dans le fichier CSV",
    ),
    (
        "more here",
        "more rows: --format json or --out DIR",
        "lignes supplémentaires : --format json ou --out DIR",
    ),
    ("unread", "Data that could not be read", "Données illisibles"),
    (
        "compared",
        "Comparison with published figures",
        "Comparaison avec les chiffres publiés",
    ),
    ("figure", "figure", "chiffre"),
    ("source", "source", "source"),
    ("published", "published", "publié"),
    ("planted", "planted", "simulé"),
    ("here", "this lake", "ce lac de données"),
    ("note", "note", "note"),
    ("tables", "The base tables of the questions", "Les tables de base des questions"),
    (
        "about tables",
        "Each is built once, in this order, from the tables of the lake. A further table, months, has a row per calendar month and block of 62 days, with a bit for each day of the month.",
        "Chacune est construite une seule fois, dans cet ordre, à partir des tables du lac de données. Une autre table, months, contient une ligne par mois civil et par bloc de 62 jours, avec un bit pour chaque jour du mois.",
    ),
    ("limits", "Limits of these figures", "Limites de ces chiffres"),
    (
        "suspects are in",
        "Suspected honeypots are included; every answer is also given without them.",
        "Les leurres présumés sont inclus ; chaque réponse est aussi donnée sans eux.",
    ),
    ("hosts", "hosts", "hôtes"),
    ("suspects", "suspects", "suspects"),
    ("endpoints", "endpoints", "points de terminaison"),
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
    ("cover", "rank in the cover", "rang dans la couverture"),
    ("cover_proved", "proved minimal", "minimalité prouvée"),
    ("observations_known", "observations known", "observations connues"),
    ("host_days_known", "host-days known", "jours-hôtes connus"),
    ("models_known", "models known", "modèles connus"),
    ("bucket", "times seen", "nombre d'observations"),
    ("country", "country", "pays"),
    ("networks", "networks", "réseaux"),
    ("countries", "countries", "pays"),
    ("class", "class", "classe"),
    ("view", "view", "vue"),
    ("tier", "tier", "catégorie d'infrastructure"),
    ("product", "product", "produit"),
    ("products", "products", "produits"),
    ("version", "version", "version"),
    ("change", "change", "changement"),
    ("activity", "activity", "activité"),
    ("models", "models", "modèles"),
    ("listed", "models listed", "modèles listés"),
    ("family", "family", "famille"),
    ("other", "other family", "autre famille"),
    ("parameters", "parameters", "paramètres"),
    ("quantisation", "quantisation", "quantification"),
    ("capability", "capability", "capacité"),
    ("capabilities", "capabilities", "capacités"),
    ("what", "category", "catégorie"),
    ("posture", "posture", "posture"),
    ("signal", "signal", "signal"),
    ("prompt", "prompt", "prompt"),
    ("days", "days", "jours"),
    ("week", "week", "semaine"),
    ("new", "new", "nouveaux"),
    ("returned", "returned", "revenus"),
    ("stayed", "stayed", "restés"),
    ("left", "left", "partis"),
    ("at_risk", "at risk", "à risque"),
    ("gone", "gone so far", "disparus à cette date"),
    ("median_of_all", "median of all", "médiane de tous"),
    ("threshold", "threshold", "seuil"),
    ("mean_uptime", "mean uptime", "présence moyenne"),
    (
        "mean_running",
        "mean number of running models",
        "nombre moyen de modèles en mémoire",
    ),
    (
        "mean_running_where_any",
        "mean if any is running",
        "moyenne s'il y en a au moins un",
    ),
    ("mean_models", "mean number of models", "nombre moyen de modèles"),
    ("running_share", "share with a running model", "part avec un modèle en mémoire"),
    ("rank_by_hosts", "rank by hosts", "rang par hôtes"),
    ("rank_by_observations", "rank by observations", "rang par observations"),
    ("rank_by_host_days", "rank by host-days", "rang par jours-hôtes"),
    ("advisory", "advisory", "avis"),
    ("severity", "severity", "gravité"),
    ("exploited", "exploited", "exploité"),
    ("fixed", "fixed in", "corrigé dans"),
    ("not_affected", "not affected", "non affectés"),
    ("dimension", "dimension", "dimension"),
    ("categories", "categories", "catégories"),
    ("kind", "kind", "type"),
    ("component", "component", "composant"),
    ("score", "score", "score"),
    ("month", "month", "mois"),
    ("name", "name", "nom"),
    ("digests", "digests", "empreintes"),
    ("confirmed", "confirmed", "confirmés"),
    ("refuted", "refuted", "réfutés"),
    ("checked", "checked", "vérifiés"),
    ("first_seen", "first seen", "première observation"),
    ("last_seen", "last seen", "dernière observation"),
    ("sources", "sources", "sources"),
    (
        "unrecognised_endpoints",
        "endpoints not recognised",
        "points de terminaison non reconnus",
    ),
    ("hhi", "HHI", "HHI"),
    ("hhi_unbiased", "unbiased HHI", "HHI sans biais"),
    ("gini", "Gini", "Gini"),
    ("entropy", "entropy (bits)", "entropie (bits)"),
    ("effective", "effective number", "nombre effectif"),
    ("top_1", "largest", "le plus grand"),
    ("top_3", "three largest", "les trois plus grands"),
    ("top_10", "ten largest", "les dix plus grands"),
    ("identities", "identities", "identités"),
];

/// The limits of every study, in a language.
pub(super) fn limits(lang: Lang) -> &'static [&'static str] {
    match lang {
        Lang::En => &[
            "The hosts are those that the sources observed. Hosts that they do not scan, that block them or that answer on other ports are missing, and no interval covers that.",
            "The intervals show how far a figure could move if other hosts of the same kind had been sampled. They are 95 % intervals: Wilson's for shares of hosts; for shares of observations and days, Wilson's after resampling hosts, because the observations of one host are similar.",
            "A host is an address. A machine whose address changes is several hosts, and a gateway in front of many machines is one.",
            "Attributes are the last known values within the window. A value that no source reported is unknown: it is not in the denominator, and is counted above each table.",
            "A capability is declared by the model's template; it is not a tool that is connected. A posture follows from the answers of read-only routes: nothing else was tried.",
            "The country and the network of a host are those in which its address is registered.",
        ],
        Lang::Fr => &[
            "Les hôtes sont ceux que les sources ont observés. Ceux qu'elles n'examinent pas, ceux qui les bloquent et ceux qui répondent sur d'autres ports manquent, et aucun intervalle ne couvre cela.",
            "Les intervalles indiquent de combien un chiffre pourrait varier si d'autres hôtes du même type avaient été tirés. Ce sont des intervalles de confiance à 95 % : celui de Wilson pour les parts d'hôtes ; pour les parts d'observations et de jours, celui de Wilson après rééchantillonnage des hôtes, car les observations d'un même hôte se ressemblent.",
            "Un hôte est une adresse. Une machine dont l'adresse change compte pour plusieurs hôtes ; une passerelle devant plusieurs machines compte pour un seul.",
            "Les attributs sont les dernières valeurs connues dans la fenêtre. Une valeur qu'aucune source n'a indiquée est inconnue : elle n'entre pas dans le dénominateur et est comptée au-dessus de chaque tableau.",
            "Une capacité est ce que déclare le gabarit du modèle, et non un outil connecté. Une posture découle des réponses des routes en lecture seule : rien d'autre n'a été essayé.",
            "Le pays et le réseau d'un hôte sont ceux où son adresse est enregistrée.",
        ],
    }
}

/// Whether a character is removed from untrusted text: control characters, and overrides of the writing direction, which can disguise a
/// text.
pub(super) fn is_left_out(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole number with thousands separators.
pub(super) fn whole(number: i64, lang: Lang) -> String {
    let digits = number.unsigned_abs().to_string();
    let apart = match lang {
        Lang::En => ',',
        // A narrow no-break space.
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

/// A number with decimals, with a comma in French.
pub(super) fn decimal(number: f64, places: usize, lang: Lang) -> String {
    let text = format!("{number:.places$}");
    match lang {
        Lang::En => text,
        Lang::Fr => text.replace('.', ","),
    }
}

/// A share as a percentage, with more decimals for small values.
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

/// A value for people. Unknown is a question mark.
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

/// A table for people: intervals are in the cells of their shares, and each cell keeps its number for sorting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// The column headers.
    pub head: Vec<String>,
    /// The rows: each cell with its text, and its number if it has one.
    pub rows: Vec<Vec<(String, Option<f64>)>>,
}

/// The rows of an answer for people. A single wide row is transposed.
#[must_use]
pub fn cells(answer: &QuestionAnswer, lang: Lang) -> Cells {
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

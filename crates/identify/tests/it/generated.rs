//! A catalogue ten times the size of ours, for the test and for the benchmark of what size costs.

use vigie_catalog::{Files, embedded_files};

/// The embedded catalogue and nine generated products for each of its own: other constants, other routes, other ports.
pub(crate) fn ten_times() -> Files {
    let mut files = embedded_files();
    let ids: Vec<String> = files
        .keys()
        .filter_map(|name| name.strip_prefix("products/")?.strip_suffix(".yaml"))
        .map(str::to_owned)
        .collect();
    for (number, _) in ids.iter().enumerate() {
        for copy in 0..9 {
            let id = format!("generated-{number}-{copy}");
            let word = format!("Constant{number}x{copy}of");
            files.insert(
                format!("products/{id}.yaml"),
                format!(
                    "schema: vigie.product/1\nid: {id}\nname: {id}\nkind: inference\nports: [{}]\nversions: semver\n\
                     routes:\n  identify: [GET /{word}/about]\n  enumerate: [GET /{word}/list]\n  infer: [POST /{word}/run]\n\
                     requests:\n  - {{id: about, send: GET /{word}/about, for: identify}}\n  - {{id: list, send: GET /{word}/list, for: read}}\n\
                     identify:\n  - {{id: title, evidence: strong, on: landing, title: {word}}}\n  - {{id: owned, evidence: unique, on: GET /v1/models, json: {{\"/data/*/owned_by\": ={word}}}}}\n\
                     \x20 - {{id: api, evidence: strong, on: GET /openapi.json, json: {{/info/title: ={word}}}}}\n  - {{id: head, evidence: weak, on: any, header: {{x-{}: {word}}}}}\n\
                     posture:\n  - {{posture: open, on: list, status: 200}}\n",
                    40_000 + number * 9 + copy,
                    id
                ),
            );
        }
    }
    files
}

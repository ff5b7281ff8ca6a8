//! Lists of models, cut to what a key may use.

use vigie_catalog::table::{Item, Json, ListPlace, NameReading};

use super::rewrite::{Edits, rewrite};
use crate::key::Grant;

/// A reply without the models that the key may not use. `None`: it is no JSON, or holds nothing that has to go; it may be passed on only
/// in the second case, which [`Json::parse`] tells apart.
///
/// # Errors
///
/// It cannot be read, so that nobody knows what it lists.
pub fn filter(reply: &[u8], lists: &[ListPlace], grant: &Grant, names: NameReading) -> Result<Option<Vec<u8>>, String> {
    let json = Json::parse(reply).map_err(|error| error.to_string())?;
    let mut edits = Edits::default();
    for list in lists {
        for element in at(json.root(), list.each.as_str()).into_iter().flat_map(Item::elements) {
            let named = list
                .name
                .0
                .iter()
                .flat_map(|pointer| at(element, pointer.as_str()))
                .filter_map(|name| name.text());
            let (mut any, mut all) = (false, true);
            for name in named {
                any = true;
                all &= grant.allows_model(&name, names);
            }
            // What names nothing is nobody's.
            if !(any && all) {
                edits.drop(element);
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    rewrite(&json, &edits)
        .map(Some)
        .map_err(|_| "an object of the reply has two equal keys".to_owned())
}

/// The values at a pointer of plain keys and `*`.
fn at<'j, 'b>(root: Item<'j, 'b>, pointer: &str) -> Vec<Item<'j, 'b>> {
    let mut items = vec![root];
    for segment in pointer.split('/').skip(1) {
        items = items
            .into_iter()
            .flat_map(|item| -> Vec<Item<'j, 'b>> {
                if segment == "*" {
                    item.elements().collect()
                } else {
                    item.entries()
                        .filter(|(key, _)| key.text().as_deref() == Some(segment))
                        .map(|(_, value)| value)
                        .collect()
                }
            })
            .collect();
    }
    items
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use vigie_catalog::table::{Body, Request};
    use vigie_catalog::{Catalog, RouteTable};
    use vigie_model::EffectSet;

    use super::*;
    use crate::key::Pattern;

    #[test]
    fn a_list_shows_what_the_key_may_use() {
        let catalog = Catalog::embedded();
        let table = RouteTable::compile(catalog.product("ollama").expect("it is there"), Some("0.17.4"));
        let grant = Grant {
            effects: EffectSet::EMPTY,
            models: vec![Pattern::new("tiny")],
            cloud: false,
            can: Vec::new(),
            caps: BTreeMap::new(),
            limits: crate::limit::Limits::default(),
        };
        let lists = |target| {
            let request = Request {
                method: "GET",
                target,
                content_type: None,
                body: Body::None,
            };
            table.decide(&request).expect("it is known").lists()
        };
        let reply = json!({"models": [{"name": "tiny:latest", "model": "tiny:latest", "size": 1}, {"name": "secret:latest", "model": "secret:latest"}, {"size": 2}]});
        let done = filter(reply.to_string().as_bytes(), lists("/api/tags"), &grant, table.names())
            .expect("it reads")
            .expect("it changed");
        let done: Value = serde_json::from_slice(&done).expect("JSON");
        assert_eq!(
            done,
            json!({"models": [{"name": "tiny:latest", "model": "tiny:latest", "size": 1}]})
        );
        let reply = json!({"object": "list", "data": [{"id": "tiny:latest"}]});
        assert_eq!(
            filter(reply.to_string().as_bytes(), lists("/v1/models"), &grant, table.names()),
            Ok(None)
        );
        assert!(filter(b"<html>", lists("/v1/models"), &grant, table.names()).is_err());
    }
}

//! Lists of models, cut to what a key may use.

use std::borrow::Cow;
use std::collections::HashSet;

use vigie_catalog::table::{Item, Json, JsonKind, ListPlace, NameReading};

use super::rewrite::{Edits, rewrite};
use crate::key::Grant;

/// A reply without the models that the key may not use. `None`: it is no JSON, or holds nothing that has to go; it may be passed on only
/// in the second case, which [`Json::parse`] tells apart.
///
/// # Errors
///
/// It cannot be read, so that nobody knows what it lists.
pub fn filter(reply: &[u8], lists: &[ListPlace], grant: &Grant, names: NameReading) -> Result<Option<Vec<u8>>, String> {
    filter_known(reply, lists, grant, names, &|_| false)
}

/// [`filter`], where it is known which models run on the account of the server's owner; `is_remote` gets the one name of a model. They
/// are left out for keys that may not use them.
///
/// # Errors
///
/// It cannot be read, so that nobody knows what it lists.
pub fn filter_known(
    reply: &[u8],
    lists: &[ListPlace],
    grant: &Grant,
    names: NameReading,
    is_remote: &dyn Fn(&str) -> bool,
) -> Result<Option<Vec<u8>>, String> {
    let allows_cloud = grant.allows_cloud();
    let json = Json::parse(reply).map_err(|error| error.to_string())?;
    if json.has_trailing() {
        return Err("something follows the JSON value".to_owned());
    }
    has_lists(&json, lists)?;
    let mut edits = Edits::default();
    for list in lists {
        for element in at(json.root(), list.each.as_str()).into_iter().flat_map(Item::elements) {
            let named = own_names(element, list);
            let (mut any, mut all) = (false, true);
            for name in named {
                any = true;
                all &= grant.allows_model(&name, names) && (allows_cloud || !is_remote(&names.canonical(&name)));
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

/// A reply in which no list is where one should be is none that can be filtered.
fn has_lists(json: &Json<'_>, lists: &[ListPlace]) -> Result<(), String> {
    let mut any = false;
    for item in lists.iter().flat_map(|list| at(json.root(), list.each.as_str())) {
        // Go writes an empty list as null.
        if !matches!(item.kind(), JsonKind::List | JsonKind::Null) {
            return Err("what should be a list is none".to_owned());
        }
        any = true;
    }
    if any { Ok(()) } else { Err("it has no list".to_owned()) }
}

/// The names of the models that a reply lists, as the product compares them.
///
/// # Errors
///
/// It cannot be read, so that nobody knows what it lists.
pub(crate) fn names_of(reply: &[u8], lists: &[ListPlace], names: NameReading) -> Result<Vec<String>, String> {
    let json = Json::parse(reply).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for list in lists {
        for element in at(json.root(), list.each.as_str()).into_iter().flat_map(Item::elements) {
            all.extend(own_names(element, list).iter().map(|name| names.canonical(name).into_owned()));
        }
    }
    Ok(all)
}

fn own_names<'b>(element: Item<'_, 'b>, list: &ListPlace) -> Vec<Cow<'b, str>> {
    let pointers = list.name.0.iter();
    pointers
        .flat_map(|pointer| at(element, pointer.as_str()))
        .filter_map(|name| name.text())
        .collect()
}

/// The list of one server with what those of others have beyond it, each name once. All of them were filtered.
///
/// # Errors
///
/// The first does not read. Others that do not are left out.
pub(crate) fn merge(first: &[u8], lists: &[ListPlace], others: &[(Vec<u8>, &[ListPlace])]) -> Result<Vec<u8>, String> {
    let json = Json::parse(first).map_err(|error| error.to_string())?;
    // What is put in, by the byte before which it is.
    let mut put_in: Vec<(usize, String)> = Vec::new();
    for list in lists {
        let Some(into) = at(json.root(), list.each.as_str())
            .into_iter()
            .find(|item| item.kind() == JsonKind::List)
        else {
            continue;
        };
        let mut known: HashSet<String> = into
            .elements()
            .flat_map(|element| own_names(element, list))
            .map(Cow::into_owned)
            .collect();
        let mut text = String::new();
        let mut is_first = into.elements().next().is_none();
        for (other, places) in others {
            let Ok(other) = Json::parse(other) else { continue };
            for place in places.iter().filter(|place| place.each.as_str() == list.each.as_str()) {
                for element in at(other.root(), place.each.as_str()).into_iter().flat_map(Item::elements) {
                    let named = own_names(element, place);
                    if element.kind() != JsonKind::Object || named.iter().any(|name| known.contains(&**name)) {
                        continue;
                    }
                    known.extend(named.into_iter().map(Cow::into_owned));
                    if !std::mem::replace(&mut is_first, false) {
                        text.push(',');
                    }
                    text.push_str(element.raw());
                }
            }
        }
        put_in.push((into.range().end.saturating_sub(1), text));
    }
    put_in.sort_unstable_by_key(|(at, _)| *at);
    let (source, mut out, mut read) = (json.source(), String::with_capacity(first.len()), 0);
    for (at, text) in put_in {
        out.push_str(source.get(read..at).unwrap_or_default());
        out.push_str(&text);
        read = at;
    }
    out.push_str(source.get(read..).unwrap_or_default());
    Ok(out.into_bytes())
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
            ..Grant::default()
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

    #[test]
    fn lists_of_several_servers_become_one() {
        let catalog = Catalog::embedded();
        let lists = |product: &str| {
            let table = RouteTable::compile(catalog.product(product).expect("it is there"), None);
            let request = Request {
                method: "GET",
                target: "/v1/models",
                content_type: None,
                body: Body::None,
            };
            table.decide(&request).expect("it is known").lists().to_vec()
        };
        let (ollama, llama) = (lists("ollama"), lists("llama-cpp"));
        let merged = |first: &str, others: &[&str]| {
            let others: Vec<(Vec<u8>, &[ListPlace])> = others.iter().map(|other| (other.as_bytes().to_vec(), &llama[..])).collect();
            let merged = merge(first.as_bytes(), &ollama, &others).expect("it reads");
            serde_json::from_slice::<Value>(&merged).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&merged)))
        };
        let first = r#"{ "data" : [ {"id":"a"} ] , "object":"list" }"#;
        let done = merged(
            first,
            &[
                r#"{"models":[{"name":"b"}],"data":[{"id":"a","x":1},{"id":"b"}]}"#,
                "<html>",
                r#"{"data":[{"id":"b"},{"id":"c"},"d"]}"#,
            ],
        );
        assert_eq!(done, json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}));
        assert_eq!(
            merged(r#"{"data":[]}"#, &[r#"{"data":[{"id":"b"}]}"#]),
            json!({"data": [{"id": "b"}]})
        );
        assert_eq!(merged(r#"{"data":null}"#, &[r#"{"data":[{"id":"b"}]}"#]), json!({"data": null}));
        assert_eq!(
            names_of(first.as_bytes(), &ollama, NameReading::Ollama),
            Ok(vec!["a:latest".to_owned()])
        );
    }
}

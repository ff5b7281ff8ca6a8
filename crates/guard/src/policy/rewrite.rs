//! JSON written anew from what was read, with edits.
//!
//! What the policy looked at and what the server behind gets are one document: no white space, no equal keys, nothing in front of it or
//! behind it. Numbers and texts stay as they were written.

use std::collections::BTreeMap;

use vigie_catalog::table::{Item, Json, JsonKind};

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    /// Something else stands here.
    Replace(String),
    /// It is left out: an element of a list, or a key with its value.
    Drop,
}

/// The changes of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits<'p> {
    /// By where the value begins in the document.
    at: BTreeMap<usize, Edit>,
    /// What is put in, by the pointer of the keys that lead to it, where it does not stand yet.
    insert: Vec<(&'p str, String)>,
}

/// What is put in below a value: what is left of the pointer, and the JSON.
type Below<'e> = (&'e str, &'e str);

impl<'p> Edits<'p> {
    /// Writes other JSON in place of the value that begins at this byte of the document (a text: behind its quote).
    pub(crate) fn replace(&mut self, start: usize, json: String) {
        self.at.insert(start, Edit::Replace(json));
    }

    /// Leaves out an element of a list, or a value with its key.
    pub(crate) fn drop(&mut self, value: Item<'_, '_>) {
        self.at.insert(value.range().start, Edit::Drop);
    }

    /// Puts JSON at a pointer of plain keys, making the objects that lead there.
    pub(crate) fn insert(&mut self, pointer: &'p str, json: String) {
        self.insert.push((pointer, json));
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.at.is_empty() && self.insert.is_empty()
    }
}

/// Two equal keys in one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EqualKeys;

/// Writes a document with its edits.
///
/// # Errors
///
/// An object of it has two equal keys.
pub(crate) fn rewrite(json: &Json<'_>, edits: &Edits<'_>) -> Result<Vec<u8>, EqualKeys> {
    let mut out = Vec::with_capacity(json.source().len());
    let insert: Vec<Below<'_>> = edits.insert.iter().map(|(pointer, json)| (*pointer, json.as_str())).collect();
    write(json.root(), edits, &insert, &mut out)?;
    Ok(out)
}

fn write(item: Item<'_, '_>, edits: &Edits<'_>, insert: &[Below<'_>], out: &mut Vec<u8>) -> Result<(), EqualKeys> {
    if let Some(Edit::Replace(json)) = edits.at.get(&item.range().start) {
        out.extend_from_slice(json.as_bytes());
        return Ok(());
    }
    match item.kind() {
        JsonKind::Object => write_object(item, edits, insert, out),
        JsonKind::List => {
            out.push(b'[');
            let mut first = true;
            for element in item.elements() {
                if edits.at.get(&element.range().start) == Some(&Edit::Drop) {
                    continue;
                }
                if !std::mem::replace(&mut first, false) {
                    out.push(b',');
                }
                write(element, edits, &[], out)?;
            }
            out.push(b']');
            Ok(())
        }
        JsonKind::Text => {
            quoted(item.raw(), out);
            Ok(())
        }
        _ => {
            out.extend_from_slice(item.raw().as_bytes());
            Ok(())
        }
    }
}

fn write_object(item: Item<'_, '_>, edits: &Edits<'_>, insert: &[Below<'_>], out: &mut Vec<u8>) -> Result<(), EqualKeys> {
    // Small objects, as nearly all are, need no set.
    let mut met: Vec<std::borrow::Cow<'_, str>> = Vec::with_capacity(8);
    let mut many = std::collections::HashSet::new();
    out.push(b'{');
    let mut first = true;
    for (key, value) in item.entries() {
        let name = key.text().unwrap_or_default();
        let is_new = if met.len() < 32 {
            !met.contains(&name)
        } else {
            if many.is_empty() {
                many.extend(met.iter().cloned());
            }
            many.insert(name.clone())
        };
        if !is_new {
            return Err(EqualKeys);
        }
        let below = below(insert, &name);
        if met.len() < 32 {
            met.push(name);
        }
        if edits.at.get(&value.range().start) == Some(&Edit::Drop) {
            continue;
        }
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        // A key is written without the escapes that another reader could read otherwise.
        if key.is_escaped() {
            out.extend_from_slice(
                serde_json::Value::from(key.text().unwrap_or_default().into_owned())
                    .to_string()
                    .as_bytes(),
            );
        } else {
            quoted(key.raw(), out);
        }
        out.push(b':');
        match below.first() {
            Some(("", json)) => out.extend_from_slice(json.as_bytes()),
            // What stands where an object has to be is no object: it is replaced by one.
            Some(_) if value.kind() != JsonKind::Object => object_of(&below, out),
            _ => write(value, edits, &below, out)?,
        }
    }
    let stands = |own: &str| met.iter().any(|name| *name == *own) || many.iter().any(|name| *name == *own);
    put_in(insert, stands, first, out);
    out.push(b'}');
    Ok(())
}

/// The first key of a pointer of plain keys, and the pointer behind it.
fn first_key(pointer: &str) -> Option<(&str, &str)> {
    let keys = pointer.strip_prefix('/')?;
    Some(keys.split_at(memchr::memchr(b'/', keys.as_bytes()).unwrap_or(keys.len())))
}

/// What is put in below the value of a key.
fn below<'e>(insert: &[Below<'e>], key: &str) -> Vec<Below<'e>> {
    let rest = |pointer: &'e str| first_key(pointer).filter(|(own, _)| *own == key).map(|(_, rest)| rest);
    insert.iter().filter_map(|(pointer, json)| Some((rest(pointer)?, *json))).collect()
}

/// Writes the keys that are added to an object. `first`: the object is empty so far.
fn put_in(insert: &[Below<'_>], stands: impl Fn(&str) -> bool, mut first: bool, out: &mut Vec<u8>) {
    let mut made: Vec<&str> = Vec::new();
    for (pointer, _) in insert {
        let Some((own, _)) = first_key(pointer) else { continue };
        if stands(own) || made.contains(&own) {
            continue;
        }
        made.push(own);
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        quoted(own, out);
        out.push(b':');
        let below = below(insert, own);
        match below.first() {
            Some(("", json)) => out.extend_from_slice(json.as_bytes()),
            _ => object_of(&below, out),
        }
    }
}

/// An object with nothing but what is put in.
fn object_of(insert: &[Below<'_>], out: &mut Vec<u8>) {
    out.push(b'{');
    put_in(insert, |_| false, true, out);
    out.push(b'}');
}

/// A text between quotes, its escapes as they are.
fn quoted(raw: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(raw.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn rewritten(text: &str, edit: impl FnOnce(&Json<'_>, &mut Edits<'_>)) -> Result<String, EqualKeys> {
        let json = Json::parse(text.as_bytes()).expect("parses");
        let mut edits = Edits::default();
        edit(&json, &mut edits);
        rewrite(&json, &edits).map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    fn value<'j, 'b>(json: &'j Json<'b>, key: &str) -> Item<'j, 'b> {
        let found = json.root().entries().find(|(name, _)| name.text().as_deref() == Some(key));
        found.expect("the key is there").1
    }

    #[test]
    fn white_space_and_escaped_keys_go_and_values_stay() {
        let same = rewritten(" {\"a\" : [1, 1.50 , \"\\u0041\\n\"],\n \"\\u0062\": null} ", |_, _| {});
        assert_eq!(same.as_deref(), Ok("{\"a\":[1,1.50,\"\\u0041\\n\"],\"b\":null}"));
    }

    #[test]
    fn equal_keys_are_refused_at_any_depth() {
        for text in ["{\"a\":1,\"a\":1}", "[{\"b\":{\"a\":1,\"\\u0061\":2}}]"] {
            assert_eq!(rewritten(text, |_, _| {}), Err(EqualKeys), "{text}");
        }
        let many: Vec<String> = (0..100).map(|number| format!("\"k{number}\":{number}")).collect();
        assert!(rewritten(&format!("{{{}}}", many.join(",")), |_, _| {}).is_ok());
        assert_eq!(rewritten(&format!("{{{},\"k7\":0}}", many.join(",")), |_, _| {}), Err(EqualKeys));
        assert_eq!(rewritten(&format!("{{{},\"k99\":0}}", many.join(",")), |_, _| {}), Err(EqualKeys));
        assert!(
            rewritten("{\"model\":1,\"MODEL\":2}", |_, _| {}).is_ok(),
            "deep inside a schema these are two"
        );
    }

    #[test]
    fn values_are_replaced_dropped_and_put_in() {
        let text = "{\"model\":\"m\",\"n\":5,\"x\":{\"y\":1},\"options\":{\"seed\":1}}";
        let done = rewritten(text, |json, edits| {
            edits.replace(value(json, "n").range().start, "2".to_owned());
            edits.drop(value(json, "x"));
            edits.insert("/options/num_predict", "128".to_owned());
            edits.insert("/keep_alive", "300".to_owned());
            edits.insert("/a/b", "1".to_owned());
            edits.insert("/a/c", "2".to_owned());
        });
        assert_eq!(
            done.as_deref(),
            Ok("{\"model\":\"m\",\"n\":2,\"options\":{\"seed\":1,\"num_predict\":128},\"keep_alive\":300,\"a\":{\"b\":1,\"c\":2}}")
        );
        let done = rewritten("{\"options\":null}", |_, edits| {
            edits.insert("/options/num_predict", "1".to_owned())
        });
        assert_eq!(done.as_deref(), Ok("{\"options\":{\"num_predict\":1}}"));
        for text in ["{\"options\":null}", "{\"options\":[1]}", "{}"] {
            let done = rewritten(text, |_, edits| {
                edits.insert("/options/num_predict", "1".to_owned());
                edits.insert("/options/num_ctx", "2".to_owned());
            });
            assert_eq!(done.as_deref(), Ok("{\"options\":{\"num_predict\":1,\"num_ctx\":2}}"), "{text}");
        }
        let done = rewritten("[1,{\"a\":2},3]", |json, edits| {
            let second = json.root().elements().nth(1).expect("an element");
            edits.drop(second);
        });
        assert_eq!(done.as_deref(), Ok("[1,3]"));
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| json!(number)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(".*", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_means_the_same_when_it_is_written_anew(document in documents(), pretty: bool) {
            let text = if pretty { format!("{document:#}") } else { document.to_string() };
            let again = rewritten(&text, |_, _| {}).expect("no equal keys");
            let read: Value = serde_json::from_str(&again).expect("it is JSON");
            let before: Value = serde_json::from_str(&text).expect("it is JSON");
            prop_assert_eq!(read, before);
        }
    }
}

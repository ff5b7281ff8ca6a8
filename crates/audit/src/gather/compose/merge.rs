//! Several compose files as one, by compose's own rules.

use std::sync::Arc;

use crate::source::Located;
use crate::syntax::tree::{Entry, Kind, Node, Scalar};

/// Mappings that may also be written as a list of `KEY=value`.
const PAIRS: [&str; 6] = ["environment", "labels", "annotations", "args", "sysctls", "driver_opts"];

/// Lists that a later file replaces; others are appended.
const REPLACED: [&str; 3] = ["command", "entrypoint", "test"];

/// A base with what a later file says.
pub(super) fn merge(key: &str, base: &Arc<Node>, over: &Arc<Node>) -> Arc<Node> {
    if over.tag.as_deref() == Some("!override") {
        return Arc::clone(over);
    }
    if PAIRS.contains(&key) {
        return Arc::new(Node {
            kind: Kind::Map(join(&pairs(base), &pairs(over))),
            ..(**over).clone()
        });
    }
    match (&base.kind, &over.kind) {
        (Kind::Map(one), Kind::Map(other)) => Arc::new(Node {
            kind: Kind::Map(join(one, other)),
            ..(**over).clone()
        }),
        (Kind::List(one), Kind::List(other)) if !REPLACED.contains(&key) => {
            let mut items: Vec<Arc<Node>> = one.clone();
            for item in other {
                // Of two volumes with the same target the later one counts.
                if key == "volumes"
                    && let Some(target) = target(item)
                {
                    items.retain(|earlier| self::target(earlier) != Some(target));
                }
                items.push(Arc::clone(item));
            }
            Arc::new(Node {
                kind: Kind::List(items),
                ..(**over).clone()
            })
        }
        (_, Kind::Null) => Arc::clone(base),
        _ => Arc::clone(over),
    }
}

fn join(base: &[Entry], over: &[Entry]) -> Vec<Entry> {
    let mut all: Vec<Entry> = base.to_vec();
    for entry in over {
        if entry.value.tag.as_deref() == Some("!reset") {
            all.retain(|earlier| earlier.key.value != entry.key.value);
            continue;
        }
        match all.iter_mut().rev().find(|earlier| earlier.key.value == entry.key.value) {
            Some(earlier) => {
                let value = merge(&entry.key.value, &earlier.value, &entry.value);
                *earlier = Entry {
                    key: entry.key.clone(),
                    value,
                };
            }
            None => all.push(entry.clone()),
        }
    }
    all
}

/// The path within the container of a volume.
fn target(volume: &Node) -> Option<&str> {
    if volume.is_map() {
        return volume.get("target").and_then(|target| target.text());
    }
    volume.text()?.split(':').nth(1)
}

/// The entries of a mapping that may be written as a list of `KEY=value`. A key without a value has a node that is null.
pub(super) fn pairs(node: &Node) -> Vec<Entry> {
    let Kind::List(items) = &node.kind else {
        return node.entries().to_vec();
    };
    items
        .iter()
        .filter_map(|item| {
            let text = item.text()?;
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (
                    key,
                    Kind::Scalar(Scalar {
                        text: value.into(),
                        quoted: true,
                    }),
                ),
                None => (text, Kind::Null),
            };
            Some(Entry {
                key: Located::new(key.trim().into(), item.span),
                value: Arc::new(Node {
                    span: item.span,
                    tag: None,
                    kind: value,
                }),
            })
        })
        .collect()
}

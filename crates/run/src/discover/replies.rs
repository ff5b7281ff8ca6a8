//! The files of replies.

use vigie_discover::{DiscoveryState, ReplyKind, ServiceReply};

/// The name of a reply's file. The same page of the same query has the same name. It does not depend on the key.
pub(super) fn file_name(state: &DiscoveryState, reply: &ServiceReply) -> String {
    let slug: String = reply
        .text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let hash = vigie_model::sha256(reply.text.as_bytes());
    let hash = hash.rsplit(':').next().unwrap_or_default().get(..8).unwrap_or_default().to_owned();
    let kind = match reply.kind {
        ReplyKind::Page(page) => format!("page-{page:05}"),
        ReplyKind::Count => "count".to_owned(),
    };
    format!("{}-{}-{slug}-{hash}-{kind}.json", state.service.word(), state.id)
}

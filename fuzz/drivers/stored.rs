//! Any bytes as a reply that another tool stored.

/// Reads it. The first byte says how much of a body is kept.
pub(crate) fn drive(data: &[u8]) {
    let Some((most, bytes)) = data.split_first() else { return };
    let most = usize::from(*most);
    let Some(reply) = vigie_http::stored::reply(bytes, most) else {
        return;
    };
    assert!((100..600).contains(&reply.status));
    assert!(reply.body.len() <= most && reply.headers.len() <= 200);
    for (name, value) in &reply.headers {
        assert!(!name.is_empty() && !value.chars().any(char::is_control));
    }
}

//! What several rooms read of HTTP, without I/O: heads, bodies and their chunks, stored replies, event streams, paths.

pub mod body;
pub mod events;
pub mod head;
pub mod headers;
pub mod path;
pub mod stored;

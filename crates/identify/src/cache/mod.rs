//! Caches that all sessions of an [`crate::Identifier`] share.

pub(crate) mod replies;
pub(crate) mod sessions;

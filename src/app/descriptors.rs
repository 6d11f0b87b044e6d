//! Raises the limit of open files as far as the system allows, because each client takes one or two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit. If that fails, the process continues with its current limit.
pub(super) fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return;
    }
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let (from, to) = (shown(before.current), shown(before.maximum));
    match setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum }) {
        Ok(()) => tracing::debug!(from, to, "raised the limit of open files"),
        Err(error) => tracing::warn!(%error, from, to, "the limit of open files cannot be raised"),
    }
}

//! Checks combinations of settings that are valid separately.

use bytesize::ByteSize;
use darkroom_thumbnail::max_render_memory;

use super::reader::Reader;
use super::{BackendConfig, Config, Role};
use crate::recipe::THUMBNAIL_PREFIX;

/// The smallest useful pixel limit.
pub(super) const LEAST_PIXELS: u64 = 1_000_000;

/// Records all combinations of settings that cannot work.
pub(super) fn validate(reader: &mut Reader<'_>, config: &Config, role: Role) {
    keys_must_not_overlap(reader, config);
    one_of_tokens_and_authorizer(reader, config);
    public_path_must_be_plain(reader, config);
    queues_must_differ(reader, config);
    queues_must_be_standard(reader, config);
    // Other roles do not render, and their machines may be small even if uploads may be large.
    if matches!(role, Role::Local | Role::Worker) {
        budget_must_hold_the_dearest_image(reader, config);
    }
    if config.listen == config.admin_listen && config.listen.port() != 0 {
        let problem = format!("must differ from {}, which is {}", config.listen_setting, config.listen);
        reader.mistake("DARKROOM_ADMIN_LISTEN", problem);
    }
}

/// Both use the `Authorization` header, so no client could satisfy both.
fn one_of_tokens_and_authorizer(reader: &mut Reader<'_>, config: &Config) {
    if config.has_jwt_authorizer && !config.api_tokens.is_empty() {
        let problem = "cannot be on while DARKROOM_API_TOKEN or DARKROOM_API_TOKEN_FILE is set: both read the header \
                       Authorization; choose one of them";
        reader.mistake("DARKROOM_JWT_AUTHORIZER", problem);
    }
}

/// Otherwise live messages would count as dead letters: a sweep would mark them as failed, and `darkroom dlq drop`
/// would delete them.
fn queues_must_differ(reader: &mut Reader<'_>, config: &Config) {
    let BackendConfig::Aws(aws) = &config.backend else { return };
    if let (Some(queue), Some(dead_letters)) = (&aws.queue_url, &aws.dlq_url)
        && queue.trim_end_matches('/') == dead_letters.trim_end_matches('/')
    {
        reader.mistake("DARKROOM_DLQ_URL", "must differ from DARKROOM_QUEUE_URL, which has the same value");
    }
}

/// S3 sends no events to a FIFO queue, a redrive to one needs a message group, and a failed message would hold up all
/// others of its group.
fn queues_must_be_standard(reader: &mut Reader<'_>, config: &Config) {
    let BackendConfig::Aws(aws) = &config.backend else { return };
    for (variable, url) in [("DARKROOM_QUEUE_URL", &aws.queue_url), ("DARKROOM_DLQ_URL", &aws.dlq_url)] {
        // Only the names of FIFO queues have this suffix, and all of them have it.
        if url.as_ref().is_some_and(|url| url.trim_end_matches('/').ends_with(".fifo")) {
            let problem = "is a FIFO queue: S3 cannot send events to it, and a redrive would need message groups; use a \
                           standard queue";
            reader.mistake(variable, problem);
        }
    }
}

/// The local backend serves the path of the public URL, and its router treats some characters as special.
fn public_path_must_be_plain(reader: &mut Reader<'_>, config: &Config) {
    let Some(url) = config.public_url.as_ref().filter(|_| matches!(config.backend, BackendConfig::Local(_))) else {
        return;
    };
    let path = url.path();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%/".contains(c);
    if !path.chars().all(is_plain) {
        let problem = format!("has the path {path:?}: the local backend serves letters, digits, - . _ ~ % and / only");
        reader.mistake("DARKROOM_PUBLIC_URL", problem);
    }
}

/// A thumbnail under the upload prefix would count as an upload: an endless, costly loop. An upload under the thumbnail
/// prefix would count as a leftover.
fn keys_must_not_overlap(reader: &mut Reader<'_>, config: &Config) {
    let prefix = &*config.upload_prefix;
    let overlaps = THUMBNAIL_PREFIX.starts_with(prefix) || prefix.starts_with(THUMBNAIL_PREFIX);
    if config.upload_bucket == config.thumbnail_bucket && overlaps {
        reader.mistake(
            "DARKROOM_UPLOAD_PREFIX",
            format!("must keep apart from {THUMBNAIL_PREFIX}, since thumbnails go into the same bucket"),
        );
    }
}

/// An allowed image that never fits would wait for memory forever.
fn budget_must_hold_the_dearest_image(reader: &mut Reader<'_>, config: &Config) {
    let dearest = max_render_memory(&config.recipe, config.max_pixels);
    let is_too_small = config.max_pixels < LEAST_PIXELS || config.render_budget() < dearest;
    if is_too_small {
        let pixels = config.max_pixels.max(LEAST_PIXELS);
        reader.mistake(
            "DARKROOM_MEMORY_BUDGET",
            format!(
                "must hold the largest upload and its decoding: {} in all is budgeted, {} for the file and {} for {} \
                 pixels are needed; raise it, or lower DARKROOM_MAX_BYTES or DARKROOM_MAX_PIXELS",
                ByteSize(config.memory_budget),
                ByteSize(config.source_budget()),
                ByteSize(max_render_memory(&config.recipe, pixels)),
                pixels,
            ),
        );
    }
}

/// Warnings about valid but probably unintended settings.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.drain_timeout < config.render_timeout {
        warnings.push(format!(
            "DARKROOM_DRAIN_TIMEOUT ({}) is shorter than DARKROOM_RENDER_TIMEOUT ({}): a stop may cut off a \
             long render",
            humantime::format_duration(config.drain_timeout),
            humantime::format_duration(config.render_timeout),
        ));
    }
    warnings
}

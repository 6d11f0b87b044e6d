//! A record as `darkroom images --json` prints it: the fields of the HTTP API, and further fields for operators.

use serde::Serialize;

use crate::record::{ImageRecord, Original, PublishedThumbnail};

/// One record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::operate) struct View<'a> {
    id: &'a str,
    key: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<PublishedView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// When the lease of the worker that holds the image ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<String>,
    /// The number of workers that died while they held it.
    #[serde(skip_serializing_if = "is_zero")]
    deaths: u32,
    /// Whether a newer darkroom wrote the record. This version may misread it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    newer_schema: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginalView<'a> {
    content_type: &'a str,
    width: u32,
    height: u32,
    bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishedView<'a> {
    version: &'a str,
    content_type: &'a str,
    at: String,
    thumbnails: &'a [PublishedThumbnail],
}

impl<'a> View<'a> {
    pub(in crate::operate) fn of(record: &'a ImageRecord) -> Self {
        Self {
            id: record.id.as_str(),
            key: &record.key,
            status: record.status.as_str(),
            reason: record.reason.map(|reason| reason.as_str()),
            detail: record.detail(),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            original: record.original.as_ref().map(OriginalView::of),
            published: record.published.as_ref().map(|published| PublishedView {
                version: &published.version,
                content_type: &published.content_type,
                at: published.at.to_string(),
                thumbnails: &published.thumbnails,
            }),
            error: record.last_error.as_deref(),
            held_until: record.lease_until.map(|until| until.to_string()),
            deaths: record.deaths,
            newer_schema: record.is_of_a_newer_schema(),
        }
    }
}

impl<'a> OriginalView<'a> {
    fn of(original: &'a Original) -> Self {
        let Original { content_type, width, height, bytes } = original;
        Self { content_type, width: *width, height: *height, bytes: *bytes }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

//! A record as the API returns it.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::ApiState;
use crate::clock::Timestamp;
use crate::http::BaseUrl;
use crate::ports::PortError;
use crate::recipe::{Format, ThumbnailKey};
use crate::record::{ImageId, ImageRecord, Published, Reason, Status};

/// How long a presigned thumbnail URL is valid after its signing time.
const DOWNLOAD_VALID_FOR: Duration = Duration::from_mins(60);

/// Signing times are rounded down to a multiple of this, so that URLs stay the same, and cacheable, for a while.
pub(super) const SIGNING_WINDOW: Duration = Duration::from_mins(15);

/// The JSON of an image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageView {
    id: ImageId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalView>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_order")]
    thumbnails: Option<Vec<(String, ThumbnailView)>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginalView {
    content_type: String,
    width: u32,
    height: u32,
    bytes: u64,
}

#[derive(Serialize)]
struct ThumbnailView {
    url: String,
    width: u32,
    height: u32,
    bytes: u64,
}

/// Serializes the sizes as an object in the recipe's order, smallest first.
fn in_order<S: Serializer>(sizes: &Option<Vec<(String, ThumbnailView)>>, serializer: S) -> Result<S::Ok, S::Error> {
    let sizes = sizes.as_deref().unwrap_or_default();
    let mut map = serializer.serialize_map(Some(sizes.len()))?;
    for (name, thumbnail) in sizes {
        map.serialize_entry(name, thumbnail)?;
    }
    map.end()
}

/// The image at `now`. Includes published thumbnails whatever the state of a newer upload.
pub(super) async fn view(
    api: &ApiState,
    base: &BaseUrl,
    record: ImageRecord,
    now: Timestamp,
) -> Result<ImageView, PortError> {
    let thumbnails = match &record.published {
        Some(published) => Some(thumbnails(api, base, &record.id, published, now).await?),
        None => None,
    };
    Ok(ImageView {
        detail: record.detail(),
        id: record.id,
        status: record.status,
        reason: record.reason,
        created_at: record.created_at.to_string(),
        updated_at: record.updated_at.to_string(),
        published_at: record.published.map(|published| published.at.to_string()),
        original: record.original.map(|original| OriginalView {
            content_type: original.content_type,
            width: original.width,
            height: original.height,
            bytes: original.bytes,
        }),
        thumbnails,
    })
}

async fn thumbnails(
    api: &ApiState,
    base: &BaseUrl,
    id: &ImageId,
    published: &Published,
    now: Timestamp,
) -> Result<Vec<(String, ThumbnailView)>, PortError> {
    let mut views = Vec::with_capacity(published.thumbnails.len());
    for it in &published.thumbnails {
        let url = thumbnail_url(api, base, id, published, &it.size, now).await?;
        views.push((it.size.clone(), ThumbnailView { url, width: it.width, height: it.height, bytes: it.bytes }));
    }
    Ok(views)
}

/// The URL of a thumbnail: below the public URL, or presigned.
pub(super) async fn thumbnail_url(
    api: &ApiState,
    base: &BaseUrl,
    id: &ImageId,
    published: &Published,
    size: &str,
    now: Timestamp,
) -> Result<String, PortError> {
    // Only rendered thumbnails are published, and they have a known format.
    let format = Format::from_content_type(&published.content_type).unwrap_or(Format::Jpeg);
    let key = ThumbnailKey { id, version: &published.version, size, format }.to_string();
    let url = match &api.settings.public_url {
        Some(public_url) => format!("{}/{key}", public_url.as_str()),
        None => api.thumbnails.sign_download(&key, now.floor(SIGNING_WINDOW), DOWNLOAD_VALID_FOR).await?,
    };
    Ok(base.absolute(url))
}

//! The status of an image and the URLs of its thumbnails.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::ApiState;
use super::middleware::HeldBack;
use super::view::{thumbnail_url, view};
use super::wait::{Looked, Until, Wait, look_until, tag_of};
use crate::http::{BaseUrl, IfNoneMatch, Problem, ProblemKind};
use crate::record::{ImageId, ImageRecord, Status};

/// `Retry-After` in seconds where requests cannot wait.
const RETRY_AFTER_SECS: u64 = 1;

/// The query parameters.
#[derive(Deserialize)]
pub(super) struct ImageQuery {
    wait: Option<String>,
    until: Option<String>,
    key: Option<String>,
}

impl ImageQuery {
    fn wait(&self, api: &ApiState) -> Result<Wait, Problem> {
        Wait::parse(self.wait.as_deref(), self.until.as_deref(), api.settings.max_wait)
    }
}

/// `GET /images/{id}`: the image now, after its next change, or when its status is final.
pub(super) async fn show(
    State(api): State<Arc<ApiState>>,
    base: BaseUrl,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ImageQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = parse_id(&text_of_path(id)?)?;
    let wait = read(query)?.wait(&api)?;
    answer(&api, &base, &id, wait, &headers, |_| true).await
}

/// `GET /images?key=`: the image of an object that another system uploaded.
pub(super) async fn find(
    State(api): State<Arc<ApiState>>,
    base: BaseUrl,
    query: Result<Query<ImageQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = read(query)?;
    let wait = query.wait(&api)?;
    let key = query.key.ok_or_else(|| Problem::new(ProblemKind::BadRequest, "which image? ask with ?key="))?;
    let prefix = &api.settings.upload_prefix;
    let id = ImageId::of_key(prefix, &key)
        .ok_or_else(|| Problem::new(ProblemKind::UnknownImage, format!("the keys of images begin with {prefix:?}")))?;
    answer(&api, &base, &id, wait, &headers, |record| record.key == key).await
}

/// `GET /images/{id}/{size}`: redirects to the current thumbnail.
pub(super) async fn redirect(
    State(api): State<Arc<ApiState>>,
    base: BaseUrl,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (id, size) = text_of_path(path)?;
    let id = parse_id(&id)?;
    let record = api.catalog.get(&id).await?.filter(|record| !is_deleted(record)).ok_or_else(|| unknown(&id))?;
    let Some(published) = &record.published else {
        let detail = format!("image {id} has no thumbnails: it is {}", record.status);
        return Err(Problem::new(ProblemKind::NoThumbnail, detail));
    };
    if !published.thumbnails.iter().any(|thumbnail| thumbnail.size == size) {
        let sizes: Vec<&str> = published.thumbnails.iter().map(|thumbnail| &*thumbnail.size).collect();
        let detail = format!("the sizes of image {id} are {}", sizes.join(", "));
        return Err(Problem::new(ProblemKind::NoThumbnail, detail));
    }
    let url = thumbnail_url(&api, &base, &id, published, &size, api.clock.now()).await?;
    // The next version has another URL, and a signed URL expires. A signed URL is also secret.
    let cache_control = if api.settings.public_url.is_some() { "no-cache" } else { "private, no-cache" };
    Ok((StatusCode::FOUND, [(header::LOCATION, url), (header::CACHE_CONTROL, cache_control.to_owned())])
        .into_response())
}

/// Waits if requested, then answers: 200 with the image, 304 if the client has it already, 404 if it does not exist.
async fn answer(
    api: &ApiState,
    base: &BaseUrl,
    id: &ImageId,
    wait: Wait,
    headers: &HeaderMap,
    is_meant: impl Fn(&ImageRecord) -> bool,
) -> Result<Response, Problem> {
    let known = IfNoneMatch::of(headers);
    let mut first_rev = None;
    let looked = look_until(&*api.catalog, id, wait.longest, &api.shutdown, |record| {
        if wait.until == Until::Final {
            record.status.is_final()
        } else if known.is_absent() {
            record.status.is_final() || record.rev != *first_rev.get_or_insert(record.rev)
        } else {
            is_deleted(record) || !known.matches(&tag_of(api, record, api.clock.now()))
        }
    });
    let Looked { record, held } = looked.await?;
    let record = record.filter(|record| !is_deleted(record) && is_meant(record)).ok_or_else(|| unknown(id))?;
    let now = api.clock.now();
    let tag = tag_of(api, &record, now);
    let is_known = known.matches(&tag);
    let has_more_to_wait_for = match wait.until {
        Until::Final => !record.status.is_final(),
        Until::Change => is_known || !record.status.is_final(),
    };
    let ask_again = wait.is_denied && has_more_to_wait_for;
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(view(api, base, record, now).await?).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::ETAG, tag);
    if ask_again {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
    }
    response.extensions_mut().insert(HeldBack(held));
    Ok(response)
}

fn is_deleted(record: &ImageRecord) -> bool {
    record.status == Status::Deleted
}

pub(super) fn parse_id(text: &str) -> Result<ImageId, Problem> {
    ImageId::parse(text).map_err(|error| Problem::new(ProblemKind::InvalidId, error.to_string()))
}

fn unknown(id: &ImageId) -> Problem {
    Problem::new(ProblemKind::UnknownImage, format!("there is no image {id}"))
}

pub(super) fn text_of_path<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    let Path(text) = path.map_err(|_| Problem::new(ProblemKind::InvalidId, "the path is not UTF-8"))?;
    Ok(text)
}

fn read(query: Result<Query<ImageQuery>, QueryRejection>) -> Result<ImageQuery, Problem> {
    let Query(query) = query.map_err(|error| Problem::new(ProblemKind::BadRequest, error.body_text()))?;
    Ok(query)
}

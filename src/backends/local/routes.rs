//! The routes of signed URLs: uploads by `PUT`, downloads by `GET` and `HEAD`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPECT, HeaderMap,
    HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::failure::file_error;
use super::incoming::Incoming;
use super::object_rows::{Description, ObjectRow};
use super::objects::{LocalBucket, PUT};
use super::problems;
use super::signature::{Grant, ROOT};
use super::threads::{blocking, on_a_thread};
use crate::clock::Timestamp;
use crate::http::{CHECKSUM_SHA256, IfNoneMatch, PacedBody, Problem, ProblemKind, entity_tag};
use crate::ports::{ErrorKind, Operation, PortError};
use crate::recipe::Format;

/// How many bytes of an upload are collected for one write on a blocking thread, and the size of one read of a file.
const CHUNK_BYTES: usize = 256 << 10;

/// How long after the expiry of its URL an upload may still arrive.
const TIME_AFTER_EXPIRY: Duration = Duration::from_secs(60);

/// How long the body of a rejected upload is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(30);

/// The limits of an upload.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// Largest upload in bytes.
    pub max_bytes: u64,
    /// Minimum rate in bytes per second, averaged over 10 s. Slower uploads are aborted.
    pub min_rate: u64,
}

#[derive(Clone)]
struct Buckets {
    buckets: [Arc<LocalBucket>; 2],
    limits: UploadLimits,
}

/// The routes below [`ROOT`].
pub(super) fn router(buckets: [Arc<LocalBucket>; 2], limits: UploadLimits) -> Router {
    Router::new()
        .route(&format!("{ROOT}{{bucket}}/{{*key}}"), get(download).put(upload).fallback(other_method))
        .with_state(Buckets { buckets, limits })
}

impl Buckets {
    /// Verifies the request's URL. Returns its bucket and its grant.
    fn verify(&self, method: &str, request: &Parts) -> Result<(Arc<LocalBucket>, Grant), Problem> {
        let address = request.uri.path_and_query().map_or("", |address| address.as_str());
        let [uploads, _] = &self.buckets;
        let grant = uploads.signer.verify(method, address, uploads.clock.now()).map_err(problems::of_url)?;
        let bucket = self.buckets.iter().find(|bucket| bucket.name == grant.bucket).cloned();
        bucket.map(|bucket| (bucket, grant)).ok_or_else(problems::not_found)
    }
}

async fn other_method() -> Problem {
    problems::method_not_allowed("an object takes GET, HEAD and PUT")
}

async fn upload(State(buckets): State<Buckets>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (bucket, description, deadline) = match admit(&buckets, &head).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            // Many clients read the response only after they have sent the body. A client that sent `Expect` has sent
            // nothing.
            if !head.headers.contains_key(EXPECT) {
                discard(body, buckets.limits).await;
            }
            return problem.into_response();
        }
    };
    let body = PacedBody::new(body, buckets.limits.min_rate, deadline);
    let expected = text(&head.headers, HeaderName::from_static(CHECKSUM_SHA256)).map(Checksum::new);
    match store(&bucket, description, body, buckets.limits.max_bytes, expected).await {
        Ok(etag) => (StatusCode::OK, [(ETAG, etag)]).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Makes all checks that do not need the body. Returns also the deadline of the body.
async fn admit(buckets: &Buckets, request: &Parts) -> Result<(Arc<LocalBucket>, Description, Instant), Problem> {
    let (bucket, grant) = buckets.verify("PUT", request)?;
    let headers = &request.headers;
    let content_type = text(headers, CONTENT_TYPE);
    if content_type.as_deref().is_some_and(is_form) {
        return Err(problems::form());
    }
    let content_length = text(headers, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    agree("content-type", grant.content_type.as_deref(), content_type.as_deref())?;
    let [stated, sent] = [grant.content_length, content_length].map(|length| length.map(|length| length.to_string()));
    agree("content-length", stated.as_deref(), sent.as_deref())?;
    let checksum = text(headers, HeaderName::from_static(CHECKSUM_SHA256));
    agree(CHECKSUM_SHA256, grant.checksum_sha256.as_deref(), checksum.as_deref())?;
    if content_length.is_some_and(|length| length > buckets.limits.max_bytes) {
        return Err(problems::too_large(buckets.limits.max_bytes));
    }
    let Grant { key, is_single_use, expires: grant_expires, .. } = grant;
    let only_if_absent = is_single_use || IfNoneMatch::of(headers).is_any();
    let is_taken = match (is_single_use, only_if_absent) {
        (true, _) => bucket.was_used(&key).await,
        (false, true) => bucket.exists(&key).await,
        (false, false) => Ok(false),
    };
    if is_taken.map_err(|error| problems::of_port(&error))? {
        return Err(problems::already_uploaded());
    }
    bucket.check_space(PUT, content_length).await.map_err(|error| problems::of_port(&error))?;
    let expires = Timestamp::from_millis(grant_expires.saturating_mul(1000));
    let deadline = Instant::now() + expires.since(bucket.clock.now()) + TIME_AFTER_EXPIRY;
    let description = Description { key, content_type, cache_control: None, only_if_absent, is_single_use };
    Ok((bucket, description, deadline))
}

/// Whether a content type is that of a form, in which the file is only a part of the body.
fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Checks that the client sends the header that it stated when it requested the URL.
fn agree(header: &str, stated: Option<&str>, sent: Option<&str>) -> Result<(), Problem> {
    match stated {
        Some(stated) if sent != Some(stated) => {
            let sent = sent.unwrap_or("none");
            let detail = format!("this address was signed for {header} {stated:?}, the request has {sent:?}");
            Err(Problem::new(ProblemKind::SignedHeaderMismatch, detail))
        }
        _ => Ok(()),
    }
}

/// Reads the body into a file and stores it. Returns the ETag.
async fn store(
    bucket: &LocalBucket,
    description: Description,
    mut body: PacedBody,
    max_bytes: u64,
    mut checksum: Option<Checksum>,
) -> Result<HeaderValue, Problem> {
    let directory = bucket.directory.clone();
    let begun = blocking(move || Incoming::begin(directory)).await;
    let mut incoming = begun.map_err(|error| problems::of_port(&file_error(PUT, error)))?;
    let mut gathered = Vec::new();
    let (mut gathered_bytes, mut bytes) = (0, 0u64);
    loop {
        let chunk = body.next().await.map_err(|error| problems::of_body(&error))?;
        let is_last = chunk.is_none();
        if let Some(chunk) = chunk {
            gathered_bytes += chunk.len();
            bytes += chunk.len() as u64;
            if let Some(checksum) = &mut checksum {
                checksum.update(&chunk);
            }
            gathered.push(chunk);
        }
        if bytes > max_bytes {
            return Err(problems::too_large(max_bytes));
        }
        if gathered_bytes >= CHUNK_BYTES || is_last {
            let chunks = std::mem::take(&mut gathered);
            incoming = append(bucket, incoming, chunks).await.map_err(|error| problems::of_port(&error))?;
            gathered_bytes = 0;
        }
        if is_last {
            break;
        }
    }
    if let Some(checksum) = checksum {
        checksum.verify()?;
    }
    let arrived = bucket.store(incoming, description).await.map_err(|error| problems::of_port(&error))?;
    Ok(entity_tag(&arrived.etag))
}

/// The SHA-256 that the client sent for its bytes, and that of the bytes that arrive.
struct Checksum {
    expected: String,
    hash: Sha256,
}

impl Checksum {
    fn new(expected: String) -> Self {
        Self { expected, hash: Sha256::new() }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Compares as base64 text: there is one for each hash.
    fn verify(self) -> Result<(), Problem> {
        let found = data_encoding::BASE64.encode(&self.hash.finalize());
        if found == self.expected { Ok(()) } else { Err(problems::other_checksum(&self.expected, &found)) }
    }
}

async fn append(bucket: &LocalBucket, mut incoming: Incoming, chunks: Vec<Bytes>) -> Result<Incoming, PortError> {
    let space = bucket.space.clone();
    on_a_thread(PUT, move || {
        // The length may be unknown, and others write to the disk at the same time.
        space.check(PUT, incoming.bytes(), chunks.iter().map(|chunk| chunk.len() as u64).sum())?;
        chunks.iter().try_for_each(|chunk| incoming.write(chunk)).map_err(|error| file_error(PUT, error))?;
        Ok(incoming)
    })
    .await
}

/// Reads the rest of a rejected upload: up to a size and a time limit, and at the minimum rate.
async fn discard(body: Body, limits: UploadLimits) {
    let mut body = PacedBody::new(body, limits.min_rate, Instant::now() + DISCARD_TIMEOUT);
    let mut bytes = 0;
    // A client that sends more loses its connection, and the response with it.
    while let Ok(Some(chunk)) = body.next().await {
        bytes += chunk.len() as u64;
        if bytes > limits.max_bytes.saturating_mul(2) {
            break;
        }
    }
}

async fn download(State(buckets): State<Buckets>, request: Parts) -> Result<Response, Problem> {
    let (bucket, grant) = buckets.verify("GET", &request)?;
    let row = bucket.find(Operation::ObjectsGet, &grant.key).await.map_err(|error| problems::of_port(&error))?;
    // Only the client's own cache may keep it, and only while the URL is valid, whatever was stored with the object.
    let works_for_secs = (grant.expires - bucket.clock.now().as_secs()).max(0);
    send(&bucket, &row, &request.headers, &format!("private, max-age={works_for_secs}")).await
}

/// Responds with the object, or with 304 if the client has it already.
pub(super) async fn send(
    bucket: &LocalBucket,
    row: &ObjectRow,
    request: &HeaderMap,
    cache_control: &str,
) -> Result<Response, Problem> {
    let headers = describe(row, cache_control);
    if IfNoneMatch::of(request).matches(&entity_tag(&row.etag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let length = [(CONTENT_LENGTH, HeaderValue::from(row.bytes))];
    let body = match &row.content {
        Some(bytes) if row.is_of(bytes) => Body::from(bytes.clone()),
        Some(_) => return Err(problems::of_port(&PortError::new(ErrorKind::Damaged, Operation::ObjectsGet))),
        None => {
            let path = bucket.directory.object(&row.file);
            let file = blocking(move || std::fs::File::open(path)).await.map_err(|error| problems::of_file(&error))?;
            Body::from_stream(chunks_of(file))
        }
    };
    Ok((StatusCode::OK, headers, length, body).into_response())
}

/// The headers of an object. They prevent served content from running scripts on this origin.
fn describe(row: &ObjectRow, cache_control: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(ETAG, entity_tag(&row.etag));
    headers.insert(CACHE_CONTROL, HeaderValue::from_str(cache_control).unwrap_or(HeaderValue::from_static("no-store")));
    match row.content_type.as_deref().and_then(Format::from_content_type) {
        Some(format) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        }
        None => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        }
    }
    headers
}

/// The file's bytes, read on blocking threads.
fn chunks_of(file: std::fs::File) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    try_unfold(file, |mut file| {
        blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let bytes = std::io::Read::read(&mut file, &mut chunk)?;
            chunk.truncate(bytes);
            Ok((bytes > 0).then(|| (Bytes::from(chunk), file)))
        })
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

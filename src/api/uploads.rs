//! Upload URLs. The record is stored before the URL is returned.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::{ApiSettings, ApiState};
use crate::http::{BaseUrl, Problem, ProblemKind, read_body};
use crate::ports::ObjectStore;
use crate::ports::objects::{SignedUpload, UploadOptions};
use crate::recipe::Format;
use crate::record::{ImageId, ImageRecord, Status};

/// How long the record of an upload that never arrived is kept after its URL was issued.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// The expected request body.
const EXPECTED: &str =
    "the body must be empty, or an object such as {\"contentType\": \"image/jpeg\", \"contentLength\": 123456}";

/// What a client may state about its upload. An unknown field is an error, because it would not be enforced.
#[derive(Debug, Default, PartialEq, Eq)]
struct UploadRequest {
    content_type: Option<String>,
    content_length: Option<u64>,
    checksum_sha256: Option<String>,
}

/// What this server requires of every request.
#[derive(Clone, Copy, Debug)]
struct Requirements {
    max_bytes: u64,
    content_length: bool,
    checksum: bool,
}

impl From<&ApiSettings> for Requirements {
    fn from(settings: &ApiSettings) -> Self {
        Self {
            max_bytes: settings.max_bytes,
            content_length: settings.requires_content_length,
            checksum: settings.requires_checksum,
        }
    }
}

/// The response: where and how to upload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Upload {
    id: ImageId,
    status: Status,
    upload_url: String,
    upload_method: &'static str,
    upload_headers: serde_json::Map<String, serde_json::Value>,
    expires_at: String,
}

/// `POST /images`: a URL for one upload. The signature covers what the client stated.
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    base: BaseUrl,
    request: Request,
) -> Result<Response, Problem> {
    let request = UploadRequest::read(&read_body(request).await?)?;
    request.check(&Requirements::from(&api.settings))?;
    let options = UploadOptions {
        content_type: request.content_type,
        content_length: request.content_length,
        checksum_sha256: request.checksum_sha256,
        is_single_use: true,
        expires_in: api.settings.upload_url_expiry,
    };
    let upload = hand_out(&api, &base, &options).await?;
    let headers = [no_store(), (header::LOCATION, format!("{}/images/{}", api.settings.base_path.as_str(), upload.id))];
    Ok((StatusCode::CREATED, headers, Json(upload)).into_response())
}

/// `GET /upload-url`: a URL for any upload until it expires, for simple clients.
pub(super) async fn create_plain(State(api): State<Arc<ApiState>>, base: BaseUrl) -> Result<Response, Problem> {
    let options = UploadOptions { expires_in: api.settings.upload_url_expiry, ..UploadOptions::default() };
    let upload = hand_out(&api, &base, &options).await?;
    Ok(([no_store()], Json(upload)).into_response())
}

/// An upload URL is a secret of the client that requested it.
fn no_store() -> (HeaderName, String) {
    (header::CACHE_CONTROL, "no-store".to_owned())
}

/// Stores the record of a new image and signs an upload URL for it. The record exists before the client has the URL, so
/// the client can request the status immediately and no upload arrives before its record.
async fn hand_out(api: &ApiState, base: &BaseUrl, options: &UploadOptions) -> Result<Upload, Problem> {
    let id = ImageId::random().map_err(|error| {
        tracing::error!(%error, "no randomness for an id");
        Problem::new(ProblemKind::Internal, "the server's log says more")
    })?;
    let key = format!("{}{id}", api.settings.upload_prefix);
    let SignedUpload { url, headers, expires_at } = api.uploads.sign_upload(&key, options).await?;
    let ttl = expires_at.plus(FORGOTTEN_AFTER);
    let record = ImageRecord::waiting_for_upload(id, key, api.clock.now(), ttl);
    api.catalog.create(&record).await?;
    Ok(Upload {
        id: record.id,
        status: record.status,
        upload_url: base.absolute(url),
        upload_method: "PUT",
        upload_headers: headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
        expires_at: expires_at.to_string(),
    })
}

impl UploadRequest {
    /// Parses a body. An empty one states nothing.
    fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let shown = |value: Value| value.to_string().chars().take(80).collect::<String>();
        let wrong = |what: &dyn std::fmt::Display| Problem::new(ProblemKind::BadRequest, format!("{EXPECTED}: {what}"));
        let body: Value = serde_json::from_slice(body).map_err(|error| wrong(&format!("it is not JSON: {error}")))?;
        let Value::Object(fields) = body else { return Err(wrong(&"it is JSON, but no object")) };
        let mut request = Self::default();
        for (name, value) in fields {
            match (&*name, value) {
                ("contentType" | "contentLength" | "checksumSha256", Value::Null) => {}
                ("contentType", Value::String(content_type)) => request.content_type = Some(content_type),
                ("contentType", other) => {
                    return Err(wrong(&format!("contentType is {}, which is no string", shown(other))));
                }
                ("contentLength", value) => match value.as_u64() {
                    Some(length) => request.content_length = Some(length),
                    None => {
                        return Err(wrong(&format!(
                            "contentLength is {}, which is no whole number of bytes",
                            shown(value)
                        )));
                    }
                },
                ("checksumSha256", Value::String(checksum)) if is_sha256(&checksum) => {
                    request.checksum_sha256 = Some(checksum);
                }
                ("checksumSha256", value) => {
                    return Err(wrong(&format!(
                        "checksumSha256 is {}, which is no SHA-256 in base64 (44 characters)",
                        shown(value)
                    )));
                }
                // An unknown field would not be enforced.
                (name, _) => {
                    let name: String = name.chars().take(80).collect();
                    return Err(wrong(&format!("there is no field {name:?}")));
                }
            }
        }
        Ok(request)
    }

    /// Rejects uploads that can never be rendered before they start.
    fn check(&self, requirements: &Requirements) -> Result<(), Problem> {
        if let Some(content_type) = self.content_type.as_deref().filter(|it| Format::from_content_type(it).is_none()) {
            let shown: String = content_type.chars().take(80).collect();
            return Err(Problem::new(
                ProblemKind::UnsupportedType,
                format!("contentType is image/jpeg or image/png, not {shown:?}"),
            ));
        }
        match self.content_length {
            Some(0) => Err(Problem::new(ProblemKind::BadRequest, "contentLength is 0: an image has at least one byte")),
            Some(length) if length > requirements.max_bytes => Err(Problem::new(
                ProblemKind::UploadTooLarge,
                format!("contentLength is {length} bytes, the limit is {}", requirements.max_bytes),
            )),
            None if requirements.content_length => Err(Problem::new(
                ProblemKind::ContentLengthMissing,
                "contentLength is not stated: this server hands out upload URLs for a stated number of bytes only",
            )),
            _ if requirements.checksum && self.checksum_sha256.is_none() => Err(Problem::new(
                ProblemKind::ChecksumMissing,
                "checksumSha256 is not stated: this server hands out upload URLs for bytes with a stated checksum only",
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a text is a SHA-256 in base64, in the only form that S3 writes.
fn is_sha256(text: &str) -> bool {
    data_encoding::BASE64.decode(text.as_bytes()).is_ok_and(|bytes| bytes.len() == 32)
}

/// Signs a URL that nobody gets, so that trouble with credentials is in the log from the start.
pub(crate) async fn sign_once(uploads: Arc<dyn ObjectStore>) {
    if let Err(error) = uploads.sign_upload("start", &UploadOptions::default()).await {
        tracing::warn!("upload URLs cannot be signed: {}", error.chain());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(body: &str) -> Result<UploadRequest, ProblemKind> {
        let request = UploadRequest::read(body.as_bytes()).map_err(|problem| problem.kind)?;
        let requirements = Requirements { max_bytes: 1000, content_length: false, checksum: false };
        request.check(&requirements).map_err(|problem| problem.kind)?;
        Ok(request)
    }

    #[test]
    fn a_request_is_checked_before_anything_is_uploaded() {
        let request = |content_type: Option<&str>, content_length| {
            Ok(UploadRequest { content_type: content_type.map(str::to_owned), content_length, checksum_sha256: None })
        };
        let checksum = data_encoding::BASE64.encode(&[7; 32]);
        let stated = UploadRequest { checksum_sha256: Some(checksum.clone()), ..UploadRequest::default() };
        assert_eq!(outcome(&format!("{{\"checksumSha256\":\"{checksum}\"}}")), Ok(stated));
        for bytes in [31, 33] {
            let checksum = data_encoding::BASE64.encode(&vec![7; bytes]);
            let refused = outcome(&format!("{{\"checksumSha256\":\"{checksum}\"}}"));
            assert_eq!(refused, Err(ProblemKind::BadRequest), "{bytes} bytes");
        }
        for (body, expected) in [
            ("", request(None, None)),
            (" \n", request(None, None)),
            ("{}", request(None, None)),
            (r#"{"contentType":"image/jpeg"}"#, request(Some("image/jpeg"), None)),
            (r#"{"contentType":"image/jpg","contentLength":1000}"#, request(Some("image/jpg"), Some(1000))),
            (r#"{"contentType":null,"contentLength":1}"#, request(None, Some(1))),
            (r#"{"checksumSha256":null}"#, request(None, None)),
            (r#"{"checksumSha256":""}"#, Err(ProblemKind::BadRequest)),
            (r#"{"checksumSha256":7}"#, Err(ProblemKind::BadRequest)),
            (
                r#"{"checksumSha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
                Err(ProblemKind::BadRequest),
            ),
            (r#"{"contentLength":1001}"#, Err(ProblemKind::UploadTooLarge)),
            (r#"{"contentLength":0}"#, Err(ProblemKind::BadRequest)),
            (r#"{"contentLength":-1}"#, Err(ProblemKind::BadRequest)),
            (r#"{"contentLength":"1"}"#, Err(ProblemKind::BadRequest)),
            (r#"{"contentType":"image/gif"}"#, Err(ProblemKind::UnsupportedType)),
            (r#"{"contentType":""}"#, Err(ProblemKind::UnsupportedType)),
            (r#"{"contentlength":1}"#, Err(ProblemKind::BadRequest)),
            ("hello", Err(ProblemKind::BadRequest)),
            ("[]", Err(ProblemKind::BadRequest)),
            (r#"["image/jpeg",1]"#, Err(ProblemKind::BadRequest)),
            (r#"{"contentLength":1.5}"#, Err(ProblemKind::BadRequest)),
            (r#"{"contentType":1}"#, Err(ProblemKind::BadRequest)),
            ("\u{feff}{}", Err(ProblemKind::BadRequest)),
        ] {
            assert_eq!(outcome(body), expected, "{body}");
        }
    }

    #[test]
    fn a_wrong_body_is_explained_in_the_terms_of_json() {
        for (body, says) in [
            ("[]", "it is JSON, but no object"),
            ("hello", "it is not JSON: expected value at line 1 column 1"),
            (r#"{"contentLength":"1"}"#, "contentLength is \"1\", which is no whole number of bytes"),
            (r#"{"contentLength":-1}"#, "contentLength is -1, which is no whole number of bytes"),
            (r#"{"contentType":[2]}"#, "contentType is [2], which is no string"),
            (r#"{"contentlength":1}"#, "there is no field \"contentlength\""),
        ] {
            let detail = UploadRequest::read(body.as_bytes()).unwrap_err().detail;
            assert_eq!(detail, format!("{EXPECTED}: {says}"), "{body}");
            assert!(!["struct", "u64", "UploadRequest"].iter().any(|word| detail.contains(word)), "{detail}");
        }
    }
}

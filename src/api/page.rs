//! The upload page: static files in the binary, and a content security policy that blocks all other scripts.

mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use sha2::{Digest, Sha256};

use super::{ApiSettings, ApiState};
use crate::clock::Timestamp;
use crate::http::{IfNoneMatch, entity_tag};
use crate::ports::PortError;
use crate::ports::objects::UploadOptions;

/// Placeholders in the page for the largest upload, the thumbnail sizes, the example commands, the base path, and
/// whether uploads need a checksum.
const MARKS: [&str; 5] = ["{{max_bytes}}", "{{sizes}}", "{{commands}}", "{{base}}", "{{requires_checksum}}"];

const PAGE: &str = include_str!("page/index.html");

/// The page's files: path, media type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/page/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page/item.js", SCRIPT, include_str!("page/item.js")),
    ("/page/saved.js", SCRIPT, include_str!("page/saved.js")),
    ("/page/upload.js", SCRIPT, include_str!("page/upload.js")),
    ("/page/follow.js", SCRIPT, include_str!("page/follow.js")),
    ("/page/session.js", SCRIPT, include_str!("page/session.js")),
    ("/page/words.js", SCRIPT, include_str!("page/words.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The routes of the page and its files.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Arc<ApiState>>)> {
    let files = FILES.into_iter().map(|(path, content_type, content)| {
        (path, get(move |headers: HeaderMap| async move { revalidated(&headers, content_type, content.to_owned()) }))
    });
    files.chain([("/", get(page))]).collect()
}

async fn page(State(api): State<Arc<ApiState>>, headers: HeaderMap) -> Response {
    let page = fill_in(&api.settings);
    let policy = content_security_policy(&api).await;
    let guards = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (guards, revalidated(&headers, "text/html; charset=utf-8", page)).into_response()
}

/// Fills the settings into the page.
fn fill_in(settings: &ApiSettings) -> String {
    let base = settings.base_path.as_str().to_owned();
    let checksum = settings.requires_checksum.to_string();
    let values =
        [settings.max_bytes.to_string(), words::sizes(&settings.sizes), words::commands(settings), base, checksum];
    MARKS.into_iter().zip(values).fold(PAGE.to_owned(), |page, (mark, value)| page.replace(mark, &value))
}

/// A file that browsers cache and revalidate on each use, so that they load a new build immediately.
fn revalidated(headers: &HeaderMap, content_type: &'static str, content: String) -> Response {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&content)[..12]);
    let tag = entity_tag(&hash);
    let status = if IfNoneMatch::of(headers).matches(&tag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if status == StatusCode::OK { content } else { String::new() };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, [(header::ETAG, tag)], body).into_response()
}

/// Scripts and styles come only from this server. Images and uploads may use the origins of the backend's URLs.
async fn content_security_policy(api: &ApiState) -> String {
    let uploads = api.uploads.sign_upload("policy", &UploadOptions::default()).await.map(|signed| signed.url);
    let images = match &api.settings.public_url {
        Some(url) => format!(" {}", url.origin()),
        None => origin(api.thumbnails.sign_download("policy", Timestamp::from_millis(0), Duration::ZERO).await),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{images}; connect-src 'self'{}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        origin(uploads),
    )
}

/// The origin of a URL, with a leading space. Empty for a path on this server; any `https` when the URL is unknown.
fn origin(url: Result<String, PortError>) -> String {
    let Ok(url) = url else { return " https:".to_owned() };
    let Ok(uri) = url.parse::<Uri>() else { return " https:".to_owned() };
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!(" {scheme}://{authority}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{ErrorKind, Operation};

    #[test]
    fn the_policy_names_the_origins_that_urls_point_to() {
        let of = |url: &str| origin(Ok(url.to_owned()));
        assert_eq!(of("/objects/a?b"), "");
        assert_eq!(of("https://bucket.s3.eu-west-1.amazonaws.com/a?b"), " https://bucket.s3.eu-west-1.amazonaws.com");
        assert_eq!(of("http://127.0.0.1:4566/bucket/a"), " http://127.0.0.1:4566");
        assert_eq!(origin(Err(PortError::new(ErrorKind::Denied, Operation::ObjectsSignUpload))), " https:");
    }

    #[test]
    fn the_page_loads_its_own_files_only_and_has_no_inline_script_or_style() {
        let files: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
        for attribute in ["src=\"", "href=\""] {
            for link in PAGE.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let path = link.strip_prefix("{{base}}").unwrap_or_else(|| panic!("{link} is not below the base path"));
                assert!(files.contains(&path) || path == "/openapi.json", "{link}");
            }
        }
        for inline in ["style=", "<style", "onclick", "onload", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        for mark in MARKS {
            assert!(PAGE.contains(mark), "{mark}");
        }
        for (path, content_type, content) in FILES.iter().filter(|(_, content_type, _)| *content_type == SCRIPT) {
            for import in content.split(" from \"./").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(files.contains(&&*format!("/page/{import}")), "{path} imports {import} as {content_type}");
            }
        }
    }
}

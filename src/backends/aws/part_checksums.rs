//! Removes the checksums of multipart uploads from S3's responses, since they cannot be verified here.
//!
//! S3 computes the checksum of a multipart upload over the checksums of its parts, and appends `-` and the number of
//! parts. Verifying it takes the sizes of the parts, which a `GetObject` doesn't state. The SDK logs a warning for each
//! such response, and then ignores other checksums of the same object as well. `objects/body` verifies what is left.

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// The prefix of S3's checksum headers. `x-amz-checksum-type` has it too, and is harmless.
const PREFIX: &str = "x-amz-checksum-";

/// Removes the checksum headers of multipart uploads before the SDK chooses one to verify.
#[derive(Debug)]
pub(super) struct RemovePartChecksums;

impl Intercept for RemovePartChecksums {
    fn name(&self) -> &'static str {
        "RemovePartChecksums"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response_mut().headers_mut();
        let of_parts: Vec<String> =
            headers.iter().filter(|(name, value)| is_of_parts(name, value)).map(|(name, _)| name.to_owned()).collect();
        for name in of_parts {
            headers.remove(name);
        }
        Ok(())
    }
}

/// Whether a header is the checksum of a multipart upload: Base64, `-`, the number of parts.
fn is_of_parts(name: &str, value: &str) -> bool {
    let parts = value.rsplit_once('-').map_or("", |(_, parts)| parts);
    name.starts_with(PREFIX) && !parts.is_empty() && parts.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::http::header::{ETAG, HeaderName};
    use tokio::net::TcpListener;
    use tracing_subscriber::EnvFilter;

    use super::*;
    use crate::backends::aws::{Clients, S3Store};
    use crate::config::LogFormat;
    use crate::ports::objects::Fetched;
    use crate::ports::{ErrorKind, ObjectStore as _, PortError};
    use crate::telemetry;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const PARTS_ETAG: &str = "0123456789abcdef0123456789abcdef-2";

    struct Read {
        fetched: Result<Fetched, PortError>,
        /// How often the object was requested.
        reads: usize,
        logged: String,
    }

    /// Reads an object `cat` from a store that responds with this ETag and these headers.
    async fn read(etag: &str, headers: &[(&'static str, &'static str)]) -> Read {
        let mut all: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        all.insert(ETAG, format!("\"{etag}\"").parse().unwrap());
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        let router = Router::new().fallback(move || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            (all, "cat")
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .build();
        let store = S3Store::new(Clients::from_config(&config).s3, "photos".to_owned());
        let log = Log::default();
        let writer = log.clone();
        let lines = telemetry::lines(LogFormat::Text, EnvFilter::new("warn"), false, move || writer.clone());
        let _guard = tracing::subscriber::set_default(lines);
        let fetched = store.get("cat.jpg", None, 100).await;
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        Read { fetched, reads: reads.load(Ordering::Relaxed), logged }
    }

    #[tokio::test]
    async fn an_object_that_was_uploaded_in_parts_is_read_without_a_warning() {
        let Read { fetched, logged, .. } = read(PARTS_ETAG, &[("x-amz-checksum-crc32", "9hAgvg==-2")]).await;
        assert!(matches!(fetched, Ok(Fetched::Whole(_, bytes)) if bytes == "cat"));
        assert_eq!(logged, "");
    }

    #[tokio::test]
    async fn a_checksum_of_the_whole_object_beside_it_is_verified() {
        // The CRC-32 of "cat", and that of other bytes.
        for (crc, is_right) in [("nl5DqA==", true), ("AAAAAA==", false)] {
            let headers = [("x-amz-checksum-crc32c", "9hAgvg==-2"), ("x-amz-checksum-crc32", crc)];
            let Read { fetched, .. } = read(PARTS_ETAG, &headers).await;
            match fetched {
                Ok(_) => assert!(is_right, "{crc} is another object's"),
                Err(error) => assert!(!is_right && error.kind == ErrorKind::Damaged, "{crc}: {error:?}"),
            }
        }
    }

    /// Some stores give an object that was uploaded in parts the MD5 of its bytes as ETag.
    #[tokio::test]
    async fn an_md5_beside_a_checksum_of_parts_is_verified() {
        // The bytes are read again if they differ, and are accepted if they come twice the same.
        for (etag, expected) in [("d077f244def8a70e5ea758bd8352fcd8", 1), ("0123456789abcdef0123456789abcdef", 2)] {
            let Read { fetched, reads, .. } = read(etag, &[("x-amz-checksum-crc32", "9hAgvg==-2")]).await;
            assert!(matches!(fetched, Ok(Fetched::Whole(..))), "{fetched:?}");
            assert_eq!(reads, expected, "{etag}");
        }
    }

    #[test]
    fn checksums_with_a_number_of_parts_are_of_parts() {
        for (name, value, expected) in [
            ("x-amz-checksum-crc32", "9hAgvg==-2", true),
            ("x-amz-checksum-sha256", "fQ==-10000", true),
            ("x-amz-checksum-crc64nvme", "p1T1Y2kQ2bU=", false),
            ("x-amz-checksum-type", "COMPOSITE", false),
            ("etag", "\"0123456789abcdef0123456789abcdef-2\"", false),
            ("x-amz-checksum-crc32", "", false),
        ] {
            assert_eq!(is_of_parts(name, value), expected, "{name}: {value}");
        }
    }
}

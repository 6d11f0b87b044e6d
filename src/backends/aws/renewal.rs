//! Renews the credentials that sign URLs early enough that a URL outlives its session for as long as it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_sdk_s3::config::{ProvideCredentials as _, SharedCredentialsProvider};

/// Allowance for differences between clocks.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The configuration, with credentials that are replaced while they are still valid for `signature_life`: a presigned
/// URL expires with the session that signed it.
///
/// Credentials are kept for at least half of their session, even if that shortens the life of some URLs. Otherwise
/// sessions as short as `signature_life` would be loaded again for each signature.
pub(super) fn early(shared: &SdkConfig, signature_life: Duration) -> SdkConfig {
    let Some(provider) = shared.credentials_provider() else { return shared.clone() };
    let was_warned = Arc::new(AtomicBool::new(false));
    let renewed = provide_credentials_fn(move || {
        let (provider, was_warned) = (provider.clone(), Arc::clone(&was_warned));
        async move {
            let mut credentials = provider.provide_credentials().await?;
            if let Some(end) = credentials.expiry() {
                let now = SystemTime::now();
                let renewal = renewal(now, end, signature_life);
                if renewal + signature_life > end && !was_warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "upload URLs may end up to {} early: sessions of this role last {}, and DARKROOM_UPLOAD_URL_EXPIRY \
                         is {}",
                        in_minutes((renewal + signature_life).duration_since(end).unwrap_or_default()),
                        in_minutes(end.duration_since(now).unwrap_or_default()),
                        humantime::format_duration(signature_life),
                    );
                }
                *credentials.expiry_mut() = Some(renewal);
            }
            Ok(credentials)
        }
    });
    shared.to_builder().credentials_provider(SharedCredentialsProvider::new(renewed)).build()
}

/// When credentials that were loaded `now` and end at `end` must be replaced.
fn renewal(now: SystemTime, end: SystemTime, signature_life: Duration) -> SystemTime {
    let left = end.duration_since(now).unwrap_or_default();
    now + (left.saturating_sub(signature_life + CLOCK_SKEW)).max(left / 2)
}

fn in_minutes(duration: Duration) -> String {
    format!("{} min", duration.as_secs().div_ceil(60))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation};
    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;
    use crate::backends::aws::Clients;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn credentials_are_renewed_while_a_url_still_fits_but_not_before_half_of_the_session() {
        let now = SystemTime::UNIX_EPOCH + HOUR;
        for (left, signature_life, expected) in [
            (6 * HOUR, HOUR, 5 * HOUR - MINUTE),
            (HOUR, 5 * MINUTE, HOUR - 6 * MINUTE),
            (HOUR, 29 * MINUTE, 30 * MINUTE),
            (HOUR, 30 * MINUTE, 30 * MINUTE),
            (HOUR, HOUR, 30 * MINUTE),
            (2 * MINUTE, HOUR, MINUTE),
            (Duration::ZERO, HOUR, Duration::ZERO),
        ] {
            assert_eq!(renewal(now, now + left, signature_life), now + expected, "{left:?} left, {signature_life:?}");
        }
        assert_eq!(renewal(now, now - HOUR, HOUR), now, "a session that is over");
    }

    fn config(provider: SharedCredentialsProvider) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(provider)
            .build()
    }

    /// How often credentials are loaded for ten signatures.
    async fn loads(left: Duration, signature_life: Duration) -> usize {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let session = provide_credentials_fn(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Credentials::new("key", "secret", None, Some(SystemTime::now() + left), "test")) }
        });
        let clients = Clients::from_config(&early(&config(SharedCredentialsProvider::new(session)), signature_life));
        for _ in 0..10 {
            let valid = PresigningConfig::expires_in(signature_life).unwrap();
            clients.s3.put_object().bucket("photos").key("cat").presigned(valid).await.unwrap();
        }
        loads.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_session_is_loaded_once_however_long_urls_are_valid() {
        for (left, signature_life) in [(HOUR, 5 * MINUTE), (HOUR, HOUR), (6 * HOUR, HOUR), (15 * MINUTE, HOUR)] {
            assert_eq!(loads(left, signature_life).await, 1, "{left:?} left, URLs valid for {signature_life:?}");
        }
    }

    /// A checksum that is signed is the checksum of the empty body at hand, and no client's body has it.
    #[tokio::test]
    async fn no_upload_url_has_the_checksum_of_an_empty_body() {
        let keys = Credentials::new("key", "secret", None, None, "test");
        for calculation in [RequestChecksumCalculation::WhenSupported, RequestChecksumCalculation::WhenRequired] {
            let shared = config(SharedCredentialsProvider::new(keys.clone()));
            let shared = shared.to_builder().request_checksum_calculation(calculation).build();
            let clients = Clients::from_config(&early(&shared, HOUR));
            let valid = PresigningConfig::expires_in(HOUR).unwrap();
            let signed = clients.s3.put_object().bucket("photos").key("cat").presigned(valid).await.unwrap();
            let headers: Vec<_> = signed.headers().map(|(name, _)| name.to_owned()).collect();
            let text = format!("{} {headers:?}", signed.uri()).to_lowercase();
            assert!(!text.contains("checksum"), "{text}");
        }
    }
}

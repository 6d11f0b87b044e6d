//! What a store other than S3 may lack, found by putting a small object and removing it.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;

use super::calls::NAME;
use super::{Resources, probe};
use crate::backends::aws::errors;
use crate::backends::{Finding, Probe};
use crate::ports::{ErrorKind, ObjectStore as _, Operation};
use crate::recipe::THUMBNAIL_PREFIX;
use crate::record::ImageId;

/// The body of the object, and the SHA-256 of another one, in base64.
const BODY: &[u8] = b"darkroom check --write";
const OTHER_SHA256: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

impl Resources<'_> {
    /// Puts an object into the upload bucket, tries what a store may lack, and removes the object. Its key is outside of
    /// the upload prefix, so no worker hears of it, and random, so it replaces nothing.
    pub(in crate::backends::aws) async fn writing(&self) -> Vec<Probe> {
        let bucket = &self.config.upload_bucket;
        let Ok(id) = ImageId::random() else { return Vec::new() };
        let key = format!("{THUMBNAIL_PREFIX}{NAME}-{id}");
        let on = format!("{bucket}/{key}");
        let first = self.put_new(bucket, &key).await.map_err(|error| errors::port_error(Operation::ObjectsPut, &error));
        let mut probes = vec![probe("PUT", &on, &first, &[])];
        if first.is_err() {
            return probes;
        }
        let mut add = |action, finding| probes.push(Probe { action, on: on.clone(), finding });
        add("If-None-Match", judge_condition(self.put_new(bucket, &key).await));
        add("x-amz-checksum-sha256", judge_checksum(self.put_other(bucket, &key).await));
        add("ListObjectVersions", self.judge_versions(bucket, &key).await);
        let deleted = self.store(bucket).delete(&key).await;
        probes.push(probe("DELETE", &on, &deleted, &[]));
        probes
    }

    /// Puts the object if there is none.
    async fn put_new(&self, bucket: &str, key: &str) -> Put {
        let put = self.clients.s3.put_object().bucket(bucket).key(key).if_none_match("*");
        put.body(ByteStream::from_static(BODY)).send().await
    }

    /// Puts it with the checksum of another body.
    async fn put_other(&self, bucket: &str, key: &str) -> Put {
        let put = self.clients.s3.put_object().bucket(bucket).key(key).checksum_sha256(OTHER_SHA256);
        put.body(ByteStream::from_static(BODY)).send().await
    }

    async fn judge_versions(&self, bucket: &str, key: &str) -> Finding {
        let listed = self.clients.s3.list_object_versions().bucket(bucket).prefix(key).send().await;
        match listed {
            Ok(page) if page.versions().iter().any(|version| version.key() == Some(key)) => Finding::Works,
            Ok(_) => Finding::Fails("the listing does not show the object".to_owned()),
            Err(error) if errors::is_not_implemented(&error) => Finding::Lacks(
                "versions cannot be listed: DELETE and the sweep remove only the current object, and a replaced upload \
                 is gone"
                    .to_owned(),
            ),
            Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsListVersions, &error).chain()),
        }
    }
}

type Put = Result<PutObjectOutput, SdkError<PutObjectError>>;

/// Judges the second PUT on the condition that there is no object.
fn judge_condition(put: Put) -> Finding {
    match put {
        Ok(_) => Finding::Lacks(
            "the store ignores If-None-Match: an upload URL that is for single use can replace its upload".to_owned(),
        ),
        Err(error) if errors::kind(&error) == ErrorKind::Precondition => Finding::Works,
        Err(error) if errors::is_not_implemented(&error) => Finding::Lacks(
            "the store refuses If-None-Match: uploads by POST /images fail; those by GET /upload-url do not".to_owned(),
        ),
        Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsPut, &error).chain()),
    }
}

/// Judges the PUT with the checksum of another body.
fn judge_checksum(put: Put) -> Finding {
    match put {
        Ok(_) => Finding::Lacks(
            "the store ignores checksums: an upload whose checksumSha256 is wrong is stored, and its image fails"
                .to_owned(),
        ),
        Err(error) if errors::is_not_implemented(&error) => {
            Finding::Lacks("the store refuses checksums: uploads with checksumSha256 fail".to_owned())
        }
        Err(error) if matches!(errors::kind(&error), ErrorKind::Damaged | ErrorKind::Invalid) => Finding::Works,
        Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsPut, &error).chain()),
    }
}

//! What a store other than S3 may lack, found by putting a small object and removing it.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::calls::NAME;
use super::{Resources, probe};
use crate::backends::aws::errors;
use crate::backends::{Finding, Probe};
use crate::ports::{ErrorKind, ObjectStore as _, Operation};
use crate::recipe::THUMBNAIL_PREFIX;
use crate::record::ImageId;

const BODY: &[u8] = b"darkroom check --write";

impl Resources<'_> {
    /// Puts an object into the upload bucket, tries what a store may lack, and removes the object. Its key is random,
    /// so it replaces nothing, and is not under the upload prefix, so it is no upload.
    pub(in crate::backends::aws) async fn capabilities(&self) -> Vec<Probe> {
        let (bucket, prefix) = (&self.config.upload_bucket, &self.config.upload_prefix);
        // Without random numbers nothing else works either.
        let Ok(id) = ImageId::random() else { return Vec::new() };
        let key = format!("{THUMBNAIL_PREFIX}{NAME}-{id}");
        let on = format!("{bucket}/{key}");
        if key.starts_with(prefix.as_str()) {
            let why = format!("DARKROOM_UPLOAD_PREFIX is {prefix:?}, so the object would be an upload");
            return vec![Probe { action: "PUT", on, finding: Finding::Unknown(why) }];
        }
        let put = self.store(bucket).put(&key, Bytes::from_static(BODY), "text/plain", "no-store").await;
        let mut probes = vec![probe("PUT", &on, &put, &[])];
        if put.is_ok() {
            let mut add = |action, finding| probes.push(Probe { action, on: on.clone(), finding });
            add("If-None-Match", self.judge_condition(bucket, &key).await);
            add("x-amz-checksum-sha256", self.judge_checksums(bucket, &key).await);
            add("ListObjectVersions", self.judge_versions(bucket, &key).await);
        }
        // A PUT that failed may have stored the object all the same.
        probes.push(Probe { action: "DELETE", finding: self.remove_object(bucket, &key).await, on });
        probes
    }

    /// Puts the object on the condition that there is none.
    async fn judge_condition(&self, bucket: &str, key: &str) -> Finding {
        let put = self.clients.s3.put_object().bucket(bucket).key(key).if_none_match("*");
        match put.body(ByteStream::from_static(BODY)).send().await {
            Ok(_) => Finding::Lacks(
                "the store ignores If-None-Match: an upload URL that is for single use can replace its upload"
                    .to_owned(),
            ),
            Err(error) if errors::kind(&error) == ErrorKind::Precondition => Finding::Works,
            Err(error) if errors::is_not_implemented(&error) => Finding::Lacks(
                "the store refuses If-None-Match: uploads by POST /images fail; those by GET /upload-url do not"
                    .to_owned(),
            ),
            Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsPut, &error).chain()),
        }
    }

    /// Puts the object with its checksum, then with the checksum of another one.
    async fn judge_checksums(&self, bucket: &str, key: &str) -> Finding {
        match self.put_with_checksum(bucket, key, BODY).await {
            Ok(_) => {}
            Err(error) if errors::is_not_implemented(&error) || errors::is_checksum_refused(&error) => {
                return Finding::Lacks("the store refuses checksums: uploads with checksumSha256 fail".to_owned());
            }
            Err(error) => return Finding::Fails(errors::port_error(Operation::ObjectsPut, &error).chain()),
        }
        match self.put_with_checksum(bucket, key, b"another").await {
            Ok(_) => Finding::Lacks(
                "the store ignores checksums: an upload whose checksumSha256 is wrong is stored, and its image fails"
                    .to_owned(),
            ),
            Err(error) if matches!(errors::kind(&error), ErrorKind::Damaged | ErrorKind::Invalid) => Finding::Works,
            Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsPut, &error).chain()),
        }
    }

    /// Puts the object with the checksum of `content`.
    async fn put_with_checksum(
        &self,
        bucket: &str,
        key: &str,
        content: &[u8],
    ) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
        let put = self.clients.s3.put_object().bucket(bucket).key(key);
        let put = put.checksum_sha256(BASE64.encode(&Sha256::digest(content)));
        put.body(ByteStream::from_static(BODY)).send().await
    }

    async fn judge_versions(&self, bucket: &str, key: &str) -> Finding {
        let listed = self.clients.s3.list_object_versions().bucket(bucket).prefix(key).send().await;
        match listed {
            Ok(page) if page.versions().iter().any(|version| version.key() == Some(key)) => Finding::Works,
            Ok(_) => Finding::Fails("the listing does not show the object".to_owned()),
            Err(error) if errors::is_no_operation(&error) => Finding::Lacks(
                "versions cannot be listed: DELETE and the sweep remove only the current object, and a replaced upload \
                 is gone"
                    .to_owned(),
            ),
            Err(error) => Finding::Fails(errors::port_error(Operation::ObjectsListVersions, &error).chain()),
        }
    }

    /// Removes the object with its versions. Names it if it is still there.
    async fn remove_object(&self, bucket: &str, key: &str) -> Finding {
        let Err(error) = self.store(bucket).delete(key).await else { return Finding::Works };
        // The role may delete objects and not list versions.
        let deleted = self.clients.s3.delete_object().bucket(bucket).key(key).send().await;
        let what = if deleted.is_ok() { "a version of the object may be left" } else { "the object is left" };
        Finding::Fails(format!("{what}: {}", error.chain()))
    }
}

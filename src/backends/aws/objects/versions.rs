//! Listing and deleting the versions of objects. In a store without `ListObjectVersions` the current object is the only
//! version.

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::super::clients::{READ_OBJECT, WRITE_OBJECT};
use super::super::errors;
use super::{S3Store, bytes, decoded, timestamp};
use crate::ports::objects::{Version, VersionCursor, VersionPage};
use crate::ports::{ErrorKind, ObjectStore as _, Operation, PortError};
use crate::record::SourceId;

/// Begins and ends an ETag, and no version id: the id of a store's only version of an object is its ETag with the
/// quotes.
const QUOTE: char = '"';

impl S3Store {
    /// One page of all versions and delete markers under a prefix, after `after`; `None` if the store has no versions.
    async fn versions(
        &self,
        operation: Operation,
        prefix: &str,
        after: Option<&VersionCursor>,
    ) -> Result<Option<ListObjectVersionsOutput>, PortError> {
        let call = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .set_key_marker(after.map(|after| after.key.clone()))
            .set_version_id_marker(after.and_then(|after| after.version.clone()));
        match call.customize().config_override(READ_OBJECT.for_caller(self.urgency).s3()).send().await {
            Ok(page) => Ok(Some(page)),
            Err(error) if errors::is_no_operation(&error) => Ok(None),
            Err(error) => Err(errors::port_error(operation, &error).on(&self.bucket)),
        }
    }

    pub(super) async fn version_page(
        &self,
        prefix: &str,
        after: Option<&VersionCursor>,
    ) -> Result<VersionPage, PortError> {
        let Some(page) = self.versions(Operation::ObjectsListVersions, prefix, after).await? else {
            let after = after.map(|after| &*after.key);
            return Ok(page_of_current(self.objects(Operation::ObjectsListVersions, prefix, after).await?));
        };
        let listed = page.versions().iter().filter_map(|version| {
            let id = version.version_id()?;
            Some(Version {
                key: decoded(version.key()?, page.encoding_type()),
                id: id.to_owned(),
                src: SourceId::new(Some(id), version.e_tag()?),
                is_current: version.is_latest() == Some(true),
                bytes: bytes(version.size()),
                modified_at: timestamp(version.last_modified().copied()),
            })
        });
        Ok(VersionPage { versions: listed.collect(), next: next_of(&page) })
    }

    /// Deletes one version; the only one of an object only if its ETag is still the same. Not every store compares the
    /// ETag in a deletion, so a read compares it first.
    pub(super) async fn remove_version(&self, key: &str, id: &str) -> Result<(), PortError> {
        if !id.starts_with(QUOTE) {
            return self.remove(Operation::ObjectsDeleteVersion, key, Some(id)).await;
        }
        match self.head(key).await {
            Ok(info) if info.src == SourceId::new(None, id) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let call = self.client.delete_object().bucket(&self.bucket).key(key).if_match(id);
        match call.customize().config_override(WRITE_OBJECT.for_caller(self.urgency).s3()).send().await {
            Err(error) if errors::is_not_implemented(&error) => {
                self.remove(Operation::ObjectsDeleteVersion, key, None).await
            }
            // Another object has replaced it, or none is there any more.
            Err(error) if matches!(errors::kind(&error), ErrorKind::Precondition | ErrorKind::NotFound) => Ok(()),
            deleted => deleted
                .map(drop)
                .map_err(|error| errors::port_error(Operation::ObjectsDeleteVersion, &error).on(&self.bucket)),
        }
    }

    /// Deletes an object with all its versions and delete markers.
    pub(super) async fn remove_all_versions(&self, key: &str) -> Result<(), PortError> {
        let (mut next, mut is_seen) = (None, false);
        loop {
            let Some(page) = self.versions(Operation::ObjectsDelete, key, next.as_ref()).await? else {
                return self.remove(Operation::ObjectsDelete, key, None).await;
            };
            let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
            let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            let mut is_past_the_key = false;
            for (name, version) in versions.chain(markers) {
                if name.map(|name| decoded(name, page.encoding_type())).as_deref() != Some(key) {
                    // A key that starts with this one. Listings are sorted, so no more versions of this key follow.
                    is_past_the_key = true;
                    continue;
                }
                self.remove(Operation::ObjectsDelete, key, version).await?;
                is_seen = true;
            }
            next = next_of(&page).filter(|_| !is_past_the_key);
            if next.is_none() {
                break;
            }
        }
        if is_seen { Ok(()) } else { self.remove_what_is_not_listed(key).await }
    }

    /// Deletes version by version until a read finds nothing, because not every store lists every version: SeaweedFS
    /// can leave out an object whose key is the folder of others. S3 lists all, so a role there need not be allowed to
    /// read.
    async fn remove_what_is_not_listed(&self, key: &str) -> Result<(), PortError> {
        let mut last = None;
        loop {
            let call = self.client.head_object().bucket(&self.bucket).key(key);
            match call.customize().config_override(READ_OBJECT.for_caller(self.urgency).s3()).send().await {
                Ok(found) if last == Some((found.version_id.clone(), found.e_tag.clone())) => {
                    let text = "the store has deleted the object and still finds it";
                    return Err(PortError::with_source(ErrorKind::Unavailable, Operation::ObjectsDelete, text));
                }
                Ok(found) => {
                    self.remove(Operation::ObjectsDelete, key, found.version_id()).await?;
                    last = Some((found.version_id, found.e_tag));
                }
                Err(error) if matches!(errors::kind(&error), ErrorKind::NotFound | ErrorKind::Denied) => return Ok(()),
                Err(error) => return Err(errors::port_error(Operation::ObjectsDelete, &error).on(&self.bucket)),
            }
        }
    }

    /// Deletes a version, otherwise the current object. `Ok` also when it does not exist.
    async fn remove(&self, operation: Operation, key: &str, version: Option<&str>) -> Result<(), PortError> {
        let call = self.client.delete_object().bucket(&self.bucket).key(key);
        let call = call.set_version_id(version.map(str::to_owned));
        let deleted = call.customize().config_override(WRITE_OBJECT.for_caller(self.urgency).s3()).send().await;
        match deleted.map_err(|error| errors::port_error(operation, &error).on(&self.bucket)) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}

/// The current objects of a store without versions, as the only version of each.
fn page_of_current(page: ListObjectsV2Output) -> VersionPage {
    let encoding = page.encoding_type;
    let mut versions = Vec::new();
    for object in page.contents.unwrap_or_default() {
        let (Some(key), Some(etag)) = (object.key, object.e_tag) else { continue };
        versions.push(Version {
            key: decoded(&key, encoding.as_ref()),
            id: format!("{QUOTE}{}{QUOTE}", etag.trim_matches(QUOTE)),
            src: SourceId::new(None, &etag),
            is_current: true,
            bytes: bytes(object.size),
            modified_at: timestamp(object.last_modified),
        });
    }
    let next = versions.last().filter(|_| page.is_truncated == Some(true));
    let next = next.map(|last| VersionCursor { key: last.key.clone(), version: None });
    VersionPage { versions, next }
}

/// The cursor of the next page of versions; `None` on the last page.
fn next_of(page: &ListObjectVersionsOutput) -> Option<VersionCursor> {
    let key = page.next_key_marker().filter(|_| page.is_truncated() == Some(true))?;
    Some(VersionCursor {
        key: decoded(key, page.encoding_type()),
        version: page.next_version_id_marker().map(str::to_owned),
    })
}

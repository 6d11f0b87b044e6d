//! The catalog of images: one record each, every write conditional.

use async_trait::async_trait;

use super::PortError;
use crate::record::{Applied, ImageId, ImageRecord, Transition};

/// One page of a scan.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Records in any order.
    pub records: Vec<ImageRecord>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// The images' records. Reads are strongly consistent, writes atomic per record.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Stores a new record. `AlreadyExists` when a record with that id exists.
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError>;

    /// Reads the current record. A record of a newer schema is returned as far as this build can read it: check
    /// [`ImageRecord::is_of_a_newer_schema`].
    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError>;

    /// Writes the change if the guard holds, in one step; [`Transition`] defines both.
    ///
    /// The call may be repeated: the attempt's token identifies a write that already happened.
    async fn update(&self, transition: &Transition) -> Result<Applied, PortError>;

    /// Records from `next` on (`None` for the first page), at most 1,000.
    async fn scan(&self, next: Option<&str>) -> Result<Page, PortError>;

    /// Deletes the record if its revision is still `rev`; with `None`, at any revision. `Ok` also when no record
    /// exists; `Precondition` when its revision differs.
    async fn delete(&self, id: &ImageId, rev: Option<u64>) -> Result<(), PortError>;
}

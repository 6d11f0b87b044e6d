//! The image records, one row each. A row holds the record as JSON, so that fields of other builds are kept.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::commits::Durability::{Kill, PowerLoss};
use super::database::Database;
use super::failure::Failure;
use super::outcome_log::OutcomeLog;
use crate::ports::catalog::Page;
use crate::ports::{Catalog, ErrorKind, Operation, PortError};
use crate::record::{Applied, Change, ImageId, ImageRecord, SCHEMA, Transition};

/// Records on one page of a scan.
const PAGE: usize = 1000;

pub(super) struct LocalCatalog {
    pub(super) database: Database,
    /// Where verdicts are reported, if they are.
    pub(super) outcomes: Option<Arc<OutcomeLog>>,
}

#[async_trait]
impl Catalog for LocalCatalog {
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError> {
        let record = record.clone();
        self.database
            .write(Operation::CatalogCreate, move |connection| match stored(connection, &record.id)? {
                Some(_) => Err(Failure::Refused(ErrorKind::AlreadyExists)),
                None => store(connection, &record),
            })
            .await
    }

    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError> {
        let id = id.clone();
        self.database.read(Operation::CatalogLook, move |connection| find(connection, &id)).await
    }

    async fn update(&self, transition: &Transition) -> Result<Applied, PortError> {
        let transition = transition.clone();
        let is_told = self.outcomes.is_some();
        // A lost claim is repeated, since its message is still in the queue.
        let outlives = if matches!(transition.change, Change::Claim { .. }) { Kill } else { PowerLoss };
        let (applied, is_noted) = self
            .database
            .write_to_outlive(outlives, Operation::CatalogApply, move |connection| {
                let before = find(connection, &transition.id)?;
                if !transition.is_admitted_by(before.as_ref()) {
                    return Ok((Applied::Refused { current: before }, false));
                }
                let after = transition.apply_to(before.clone());
                store(connection, &after)?;
                let is_noted = is_told && OutcomeLog::note(connection, &after)?;
                Ok((Applied::Written { before }, is_noted))
            })
            .await?;
        if let Some(outcomes) = self.outcomes.as_ref().filter(|_| is_noted) {
            outcomes.flush_soon();
        }
        Ok(applied)
    }

    async fn scan(&self, next: Option<&str>) -> Result<Page, PortError> {
        let after = next.unwrap_or_default().to_owned();
        self.database.read(Operation::CatalogScan, move |connection| page(connection, &after)).await
    }

    async fn delete(&self, id: &ImageId, rev: Option<u64>) -> Result<(), PortError> {
        let id = id.clone();
        self.database
            .write(Operation::CatalogDelete, move |connection| {
                if let (Some(rev), Some(record)) = (rev, find(connection, &id)?)
                    && record.rev != rev
                {
                    return Err(Failure::Refused(ErrorKind::Precondition));
                }
                connection.prepare_cached("DELETE FROM images WHERE id = ?1")?.execute([id.as_str()])?;
                Ok(())
            })
            .await
    }
}

fn stored(connection: &Connection, id: &ImageId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT record FROM images WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

fn find(connection: &Connection, id: &ImageId) -> Result<Option<ImageRecord>, Failure> {
    stored(connection, id)?.map(|text| parse(&text)).transpose()
}

fn parse(text: &str) -> Result<ImageRecord, Failure> {
    serde_json::from_str(text)
        .map_err(|error| if is_newer(text) { Failure::Refused(ErrorKind::NewerSchema) } else { error.into() })
}

/// Whether an unreadable record has a newer schema.
fn is_newer(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    serde_json::from_str(text).is_ok_and(|Version { v }| v > SCHEMA)
}

fn store(connection: &Connection, record: &ImageRecord) -> Result<(), Failure> {
    let text = serde_json::to_string(record)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO images (id, key, status, updated_at, record) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((record.id.as_str(), &record.key, record.status.as_str(), record.updated_at.as_millis(), text))?;
    Ok(())
}

/// The records after the id `after`, without those of a newer schema that this build cannot read.
fn page(connection: &Connection, after: &str) -> Result<Page, Failure> {
    let mut select = connection.prepare_cached("SELECT id, record FROM images WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = select
        .query_map((after, PAGE as i64), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    let next = (rows.len() == PAGE).then(|| rows.last().map(|(id, _)| id.clone())).flatten();
    let records = rows
        .iter()
        .map(|(_, text)| parse(text))
        .filter(|record| !matches!(record, Err(Failure::Refused(ErrorKind::NewerSchema))))
        .collect::<Result<_, _>>()?;
    Ok(Page { records, next })
}

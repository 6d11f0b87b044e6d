//! The queue and the dead-letter queue, which share one table.
//!
//! Sends and receives survive a power loss, since receives are counted. Other writes need not: if one is lost, the
//! message is received again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use tokio::time::Instant;

use super::commits::Durability::Kill;
use super::database::Database;
use super::directory::random_name;
use super::failure::Failure;
use super::space::Space;
use super::threads::on_a_thread;
use crate::clock::{SharedClock, Timestamp};
use crate::ports::queue::{MAX_BATCH, MAX_WAIT, Message, QueueAttributes, Receipt, TraceHeaders};
use crate::ports::{ErrorKind, Operation, PortError, Queue};

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueKind {
    /// Upload events.
    Uploads = 0,
    /// Messages that reached the receive limit.
    DeadLetters = 1,
}

/// One of the two queues.
pub(super) struct LocalQueue {
    pub(super) database: Database,
    pub(super) clock: SharedClock,
    pub(super) kind: QueueKind,
    /// `None`: messages are never moved to the dead-letter queue.
    pub(super) max_receives: Option<u32>,
    /// The space that processing a message needs: receives wait until it is available. `None`: it needs no space.
    pub(super) space: Option<Arc<Space>>,
}

/// When the next message can be received, if that is known.
enum NextDelivery {
    Now,
    At(Timestamp),
    Unknown,
}

/// Inserts a message in the caller's transaction.
pub(super) fn insert(connection: &Connection, kind: QueueKind, body: &str, now: Timestamp) -> Result<String, Failure> {
    let id = random_name();
    connection
        .prepare_cached("INSERT INTO messages (id, queue, body, sent_at, visible_at) VALUES (?1, ?2, ?3, ?4, ?4)")?
        .execute((&id, kind as i64, body, now.as_millis()))?;
    Ok(id)
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, body: &str) -> Result<String, PortError> {
        let (kind, body, clock) = (self.kind, body.to_owned(), self.clock.clone());
        self.database.write(Operation::QueueSend, move |connection| insert(connection, kind, &body, clock.now())).await
    }

    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError> {
        if let Some(space) = self.space.clone() {
            on_a_thread(Operation::QueueReceive, move || space.probe(Operation::QueueReceive)).await?;
        }
        let deadline = Instant::now() + wait.min(MAX_WAIT);
        loop {
            let mut observer = self.database.observe();
            let due = self.due().await?;
            if matches!(due, NextDelivery::Now) {
                let messages = self.take(max.clamp(1, MAX_BATCH), visibility).await?;
                if !messages.is_empty() {
                    return Ok(messages);
                }
                // All of them were moved to the dead-letter queue, or another receiver took them: try again.
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = self.database.changed(&mut observer) => {}
                () = self.until(&due) => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Result<(), PortError>> {
        let releases: Vec<_> = receipts.iter().map(|receipt| (receipt.clone(), visibility)).collect();
        self.set_visibility(Operation::QueueExtend, releases).await
    }

    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Result<(), PortError>> {
        self.set_visibility(Operation::QueueRelease, releases.to_vec()).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), PortError>> {
        let (kind, asked) = (self.kind, receipts.to_vec());
        let deleted = self.database.write_to_outlive(Kill, Operation::QueueDelete, move |connection| {
            let mut delete =
                connection.prepare_cached("DELETE FROM messages WHERE receipt = ?1 AND queue = ?2 AND id = ?3")?;
            for Receipt(receipt) in &asked {
                delete.execute((receipt, kind as i64, message_of(receipt)))?;
            }
            Ok(vec![Ok(()); asked.len()])
        });
        answers(Operation::QueueDelete, receipts.len(), deleted.await)
    }

    async fn attributes(&self) -> Result<QueueAttributes, PortError> {
        let (kind, now, max_receives) = (self.kind, self.clock.now(), self.max_receives);
        self.database
            .read(Operation::QueueAttributes, move |connection| {
                let count =
                    |sql| connection.prepare_cached(sql)?.query_row((kind as i64, now.as_millis()), |row| row.get(0));
                let oldest = oldest_sent_at(connection, kind)?;
                Ok(QueueAttributes {
                    visible: count("SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at <= ?2")?,
                    in_flight: count("SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2")?,
                    delayed: 0,
                    oldest_age: Some(oldest.map_or(Duration::ZERO, |sent_at| now.since(sent_at))),
                    max_receives,
                })
            })
            .await
    }
}

impl LocalQueue {
    /// When the next stored message becomes visible.
    async fn due(&self) -> Result<NextDelivery, PortError> {
        let (kind, clock) = (self.kind, self.clock.clone());
        self.database
            .read(Operation::QueueReceive, move |connection| {
                let next: Option<i64> = connection
                    .prepare_cached("SELECT min(visible_at) FROM messages WHERE queue = ?1")?
                    .query_row([kind as i64], |row| row.get(0))?;
                Ok(match next.map(Timestamp::from_millis) {
                    Some(at) if at <= clock.now() => NextDelivery::Now,
                    Some(at) => NextDelivery::At(at),
                    None => NextDelivery::Unknown,
                })
            })
            .await
    }

    async fn until(&self, due: &NextDelivery) {
        match due {
            NextDelivery::Now => {}
            NextDelivery::At(at) => tokio::time::sleep(at.since(self.clock.now())).await,
            NextDelivery::Unknown => std::future::pending().await,
        }
    }

    async fn take(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, PortError> {
        let (kind, clock, max_receives) = (self.kind, self.clock.clone(), self.max_receives);
        self.database
            .write(Operation::QueueReceive, move |connection| {
                let now = clock.now();
                let mut taken = Vec::new();
                while taken.len() < max {
                    let Some((id, receives)) = next_visible(connection, kind, now)? else { break };
                    if max_receives.is_some_and(|limit| receives >= limit) {
                        move_to_dead_letters(connection, &id, now)?;
                    } else {
                        taken.push(lease(connection, &id, now, now.plus(visibility))?);
                    }
                }
                Ok(taken)
            })
            .await
    }

    /// Sets the visibility timeouts of messages whose receipts are still valid.
    async fn set_visibility(
        &self,
        operation: Operation,
        asked: Vec<(Receipt, Duration)>,
    ) -> Vec<Result<(), PortError>> {
        let (kind, clock, count) = (self.kind, self.clock.clone(), asked.len());
        let changed = self.database.write_to_outlive(Kill, operation, move |connection| {
            let now = clock.now();
            let mut change = connection.prepare_cached(
                "UPDATE messages SET visible_at = :until
                 WHERE id = :id AND queue = :queue AND receipt = :receipt AND visible_at > :now",
            )?;
            let mut one = |(Receipt(receipt), delay): &(Receipt, Duration)| {
                let changed = change.execute(named_params! {
                    ":until": now.plus(*delay).as_millis(), ":now": now.as_millis(),
                    ":id": message_of(receipt), ":queue": kind as i64, ":receipt": receipt,
                })?;
                Ok(if changed == 1 { Ok(()) } else { Err(ErrorKind::LeaseLost) })
            };
            asked.iter().map(&mut one).collect()
        });
        answers(operation, count, changed.await)
    }
}

fn next_visible(connection: &Connection, kind: QueueKind, now: Timestamp) -> rusqlite::Result<Option<(String, u32)>> {
    connection
        .prepare_cached(
            "SELECT id, receive_count FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at LIMIT 1",
        )?
        .query_row((kind as i64, now.as_millis()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// When the oldest message was sent. Row ids grow in the order of sending, and each index entry contains one. So this
/// reads the visibility index, as counting does, and a single row.
fn oldest_sent_at(connection: &Connection, kind: QueueKind) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT sent_at FROM messages WHERE rowid =
                 (SELECT min(rowid) FROM messages WHERE queue = ?1)",
        )?
        .query_row([kind as i64], |row| row.get(0).map(Timestamp::from_millis))
        .optional()
}

/// Moves a message to the dead-letter queue. It keeps its id and receive count, so old receipts stay invalid.
fn move_to_dead_letters(connection: &Connection, id: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET queue = ?1, visible_at = ?2, receipt = NULL WHERE id = ?3")?
        .execute((QueueKind::DeadLetters as i64, now.as_millis(), id))
        .map(|_| ())
}

fn lease(connection: &Connection, id: &str, now: Timestamp, until: Timestamp) -> rusqlite::Result<Message> {
    connection
        .prepare_cached(
            "UPDATE messages SET
                 receive_count = receive_count + 1, receipt = id || '.' || (receive_count + 1),
                 visible_at = :until, first_received_at = coalesce(first_received_at, :now)
             WHERE id = :id
             RETURNING id, receipt, body, receive_count, sent_at, first_received_at",
        )?
        .query_row(named_params! { ":until": until.as_millis(), ":now": now.as_millis(), ":id": id }, message)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        receipt: Receipt(row.get("receipt")?),
        body: row.get("body")?,
        receive_count: row.get("receive_count")?,
        sent_at: Timestamp::from_millis(row.get("sent_at")?),
        first_received_at: Timestamp::from_millis(row.get("first_received_at")?),
        trace: TraceHeaders::default(),
    })
}

/// The message id in a receipt, which is the primary key of the row.
fn message_of(receipt: &str) -> &str {
    receipt.split_once('.').map_or("", |(id, _)| id)
}

/// One answer for each of `count` receipts. If the whole write failed, each answer is that error.
fn answers(
    operation: Operation,
    count: usize,
    outcome: Result<Vec<Result<(), ErrorKind>>, PortError>,
) -> Vec<Result<(), PortError>> {
    match outcome {
        Ok(each) => each.into_iter().map(|one| one.map_err(|kind| PortError::new(kind, operation))).collect(),
        Err(error) => {
            let (kind, error) = (error.kind, Arc::new(error));
            (0..count).map(|_| Err(PortError::with_source(kind, operation, error.clone()))).collect()
        }
    }
}

//! Deletes an image: first closes its record to workers, then deletes its objects.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::ApiState;
use super::images::{parse_id, text_of_path};
use crate::http::{Problem, ProblemKind};
use crate::ports::{ObjectStore, PortError};
use crate::recipe::ThumbnailKey;
use crate::record::{Applied, Attempt, Change, Guard, ImageId, ImageRecord, Status, Transition};

/// How long a deleted image's record rejects late events. A queue keeps a message for at most 14 days.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(15 * 24);

/// The number of attempts to update a record that workers keep changing.
const TRIES: usize = 5;

/// `DELETE /images/{id}`: deletes the original with all its versions, the thumbnails and the record's data.
///
/// The order matters. Once the record is `deleted`, a worker that holds the image can no longer publish it, and a later
/// event has no effect. An upload newer than the one that the record knew is kept: it came after the deletion. The
/// client can repeat a deletion that failed half-way.
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let id = parse_id(&text_of_path(id)?)?;
    let Some(record) = close(&api, &id).await? else { return Ok(StatusCode::NO_CONTENT) };
    api.uploads.delete(&record.key).await?;
    delete_all(&*api.thumbnails, &ThumbnailKey::prefix_of(&id)).await?;
    tracing::info!(image.id = %id, "deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Writes `deleted` into the record and returns the previous record; `None` if the image does not exist.
async fn close(api: &ApiState, id: &ImageId) -> Result<Option<ImageRecord>, Problem> {
    for _ in 0..TRIES {
        let Some(record) = api.catalog.get(id).await? else { return Ok(None) };
        if record.status == Status::Deleted {
            return Ok(Some(record));
        }
        let attempt = Attempt::begin("").map_err(|error| {
            tracing::error!(%error, "no randomness for a token");
            Problem::new(ProblemKind::Internal, "the server's log says more")
        })?;
        let at = api.clock.now();
        let transition = Transition {
            id: id.clone(),
            key: record.key.clone(),
            attempt,
            guard: Guard::Unchanged { rev: record.rev },
            change: Change::Delete { forget_at: at.plus(FORGOTTEN_AFTER) },
            at,
        };
        if let Applied::Written { .. } = api.catalog.update(&transition).await? {
            return Ok(Some(record));
        }
    }
    Err(Problem::new(ProblemKind::Unavailable, "the image is being worked on, try again in a few seconds"))
}

async fn delete_all(bucket: &dyn ObjectStore, prefix: &str) -> Result<(), PortError> {
    loop {
        let listed = bucket.list(prefix, None).await?;
        if listed.is_empty() {
            return Ok(());
        }
        for object in listed {
            bucket.delete(&object.key).await?;
        }
    }
}

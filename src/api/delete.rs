//! Deleting an image: first the record is closed to workers, then the objects go.

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

/// How long a deleted image's record keeps late events out: longer than a queue keeps a message, which is 14 days.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(15 * 24);

/// How often a record that workers keep changing is looked at again.
const TRIES: usize = 5;

/// `DELETE /images/{id}`: the original with all its versions, its thumbnails, and what is known of it.
///
/// The order matters. Once the record says `deleted`, a worker that has the image in hand can no longer publish it, and
/// an event that comes later finds nothing to do. An upload that is newer than what the record knew is another matter:
/// it came after, and wins. A deletion that ends half-way is repeated by asking again.
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

/// Writes `deleted` into the record and returns what stood there; `None` when there is no such image.
async fn close(api: &ApiState, id: &ImageId) -> Result<Option<ImageRecord>, Problem> {
    for _ in 0..TRIES {
        let Some(record) = api.catalog.look(id).await? else { return Ok(None) };
        if record.status == Status::Deleted {
            return Ok(Some(record));
        }
        let token = ImageId::random().map_err(|error| {
            tracing::error!(%error, "no randomness for a token");
            Problem::new(ProblemKind::Internal, "the server's log says more")
        })?;
        let at = api.clock.now();
        let transition = Transition {
            id: id.clone(),
            key: record.key.clone(),
            attempt: Attempt { token: token.to_string(), message: String::new() },
            guard: Guard::Seen { rev: record.rev },
            change: Change::Delete { forget_at: at.plus(FORGOTTEN_AFTER) },
            at,
        };
        if let Applied::Written { .. } = api.catalog.apply(&transition).await? {
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

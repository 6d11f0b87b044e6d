//! The object's bytes: read under a limit and under reserved memory.

use darkroom_thumbnail::{Refusal, RefusalReason};

use super::attempt::{Attempted, Entry, Job, Source, Way};
use super::failure::{Failure, Halt};
use super::judge;
use super::{Fate, Pipeline};
use crate::metrics::{self, Outcome, Stage};
use crate::ports::ErrorKind;
use crate::ports::objects::{Fetched, ObjectInfo};
use crate::record::{Change, Reason, Status};

impl Pipeline {
    /// Reads the object: the event's version, else the current object, whose identity the answer tells.
    pub(super) async fn fetch(&self, job: &Job<'_>, way: &Way, entry: &mut Entry) -> Result<Source, Halt> {
        let version = match way {
            Way::Sequenced(_) => job.event.version_id.as_deref(),
            Way::Current => None,
        };
        // Where the event tells no size, or a wrong one, the answer does: reserve again and read again.
        let mut reserved = job.event.size.unwrap_or(self.limits.max_bytes).min(self.limits.max_bytes);
        loop {
            let memory = tokio::select! {
                biased;
                () = job.delivery.draining.cancelled() => return Err(Fate::GivenBack.into()),
                memory = self.admission.source(reserved) => memory,
            };
            let started = tokio::time::Instant::now();
            let fetched = self.uploads.get(&job.event.key, version, reserved).await;
            metrics::stage(Stage::Fetch, started.elapsed());
            match fetched {
                Ok(Fetched::Whole(info, bytes)) => {
                    self.have_read(job, way, entry, &info).await?;
                    return Ok(Source { info, bytes, memory });
                }
                Ok(Fetched::TooLarge(info)) if info.bytes > self.limits.max_bytes => {
                    self.have_read(job, way, entry, &info).await?;
                    let refusal = self.too_many_bytes(info.bytes);
                    return Err(Halt::Ended(self.reject(job, entry, refusal).await?));
                }
                Ok(Fetched::TooLarge(info)) => reserved = info.bytes,
                Err(error) if error.kind == ErrorKind::NotFound => {
                    return Err(Halt::Ended(self.gone(job, entry).await?));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Notes what was read; without a sequencer only now the record tells what it means.
    async fn have_read(&self, job: &Job<'_>, way: &Way, entry: &mut Entry, info: &ObjectInfo) -> Result<(), Halt> {
        entry.src = Some(info.src.clone());
        let (Way::Current, Some(seen)) = (way, &entry.seen) else { return Ok(()) };
        entry.past = judge::of_current(seen, &info.src, job, self.clock.now())?;
        self.give_up_on_a_killer(job, entry).await
    }

    fn too_many_bytes(&self, bytes: u64) -> Refusal {
        let limit = self.limits.max_bytes;
        Refusal { reason: RefusalReason::TooManyBytes, detail: format!("{bytes} bytes, the limit is {limit}") }
    }

    /// The object, or its version, is gone: nothing can be done any more, and nobody is to blame.
    async fn gone(&self, job: &Job<'_>, entry: &Entry) -> Result<Attempted, Halt> {
        let seen = match &entry.seen {
            Some(seen) => Some(seen.clone()),
            None => self.catalog.look(&job.id).await?,
        };
        let now = self.clock.now();
        let is_left_alone = seen.is_some_and(|seen| match seen.status {
            Status::Deleted => true,
            Status::Published | Status::InvalidContentType => job.event.sequencer.is_none(),
            _ => job.event.sequencer.is_none() && seen.has_live_lease(now),
        });
        if is_left_alone {
            return Ok(Attempted::Settled(Fate::Done(Outcome::SourceMissing)));
        }
        let error = "the object was gone before it could be read".to_owned();
        let failure = Failure { reason: Reason::SourceMissing, error, is_outage: false };
        let change = Change::Fail { reason: failure.reason, src: None, deaths: 0, error: failure.error };
        Ok(match self.write_entering(job, entry, change).await? {
            Ok(_before) => {
                tracing::info!("the object is gone");
                metrics::failed(Reason::SourceMissing);
                Attempted::Settled(Fate::Done(Outcome::SourceMissing))
            }
            Err(refused) => refused,
        })
    }
}

//! One attempt at one object: look, fetch, inspect, admit, claim, and what follows a claim.

use bytes::Bytes;
use darkroom_thumbnail::{Header, Inspected, Limits, Refusal, RenderError, Stop};

use super::admission::{Memory, Place};
use super::failure::{Failure, Halt};
use super::judge::{self, MAX_DEATHS, Past};
use super::{Delivery, Fate, LEASE, Pipeline};
use crate::event::ObjectCreated;
use crate::metrics::{self, Outcome, Stage};
use crate::ports::objects::ObjectInfo;
use crate::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Reason, Sequencer, SourceId, Status, Transition,
};

/// How an event enters the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By its sequencer: the newest upload wins.
    Sequenced(Sequencer),
    /// Without one: it stands for whatever object is there now.
    Current,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Attempted {
    /// The record of the message is done with, one way or the other.
    Settled(Fate),
    /// Somebody else wrote the record: look again.
    RecordChanged,
    /// The record is of another object under the same sequencer: go by the current object.
    SourceChanged,
}

/// One record of one message, with the token of this attempt.
pub(super) struct Job<'a> {
    pub(super) id: ImageId,
    pub(super) event: &'a ObjectCreated,
    pub(super) delivery: &'a Delivery,
    pub(super) attempt: Attempt,
}

impl<'a> Job<'a> {
    pub(super) fn new(id: ImageId, event: &'a ObjectCreated, delivery: &'a Delivery) -> Result<Self, getrandom::Error> {
        let token = format!("{:016x}", getrandom::u64()?);
        Ok(Self { id, event, delivery, attempt: Attempt { token, message: delivery.message.clone() } })
    }
}

/// Where an attempt stands before its claim: what it would write under, and what it knows.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// `None` until the record was looked at, where it has to be.
    pub(super) guard: Option<Guard>,
    /// The record as it was seen, when it was looked at.
    pub(super) seen: Option<ImageRecord>,
    /// What was read.
    pub(super) src: Option<SourceId>,
    pub(super) past: Past,
    /// A claim was asked for: should it fail, it may have been written and only the answer lost.
    pub(super) asked_for_claim: bool,
}

/// The object's bytes, and the memory reserved for them.
pub(super) struct Source {
    pub(super) info: ObjectInfo,
    pub(super) bytes: Bytes,
    pub(super) memory: Memory,
}

/// A claim that is ours: everything that rendering needs.
pub(super) struct Claim {
    pub(super) source: Source,
    pub(super) image: Inspected<Bytes>,
    pub(super) decode_memory: Memory,
    pub(super) place: Place,
    pub(super) past: Past,
}

impl Pipeline {
    /// Takes the object as far as it goes now.
    pub(super) async fn attempt(&self, job: &Job<'_>, way: &Way) -> Attempted {
        if job.delivery.draining.is_cancelled() {
            return Attempted::Settled(Fate::GivenBack);
        }
        let mut entry = Entry::default();
        match self.enter(job, way, &mut entry).await {
            Ok(claim) => Attempted::Settled(self.finish(job, claim).await),
            Err(Halt::Ended(attempted)) => attempted,
            Err(Halt::Failed(failure)) => self.failed_before_claim(job, &entry, &failure).await,
        }
    }

    /// Everything up to the claim.
    async fn enter(&self, job: &Job<'_>, way: &Way, entry: &mut Entry) -> Result<Claim, Halt> {
        self.look(job, way, entry).await?;
        let source = self.fetch(job, way, entry).await?;
        let image = self.inspect(job, entry, &source).await?;
        let (decode_memory, place) = self.admit(job, image.header()).await?;
        entry.asked_for_claim = true;
        let past = self.claim(job, entry, &source.info, image.header()).await?;
        Ok(Claim { source, image, decode_memory, place, past })
    }

    /// Reads the record where it may already say how this ends: on a repeated receive, or without a sequencer.
    async fn look(&self, job: &Job<'_>, way: &Way, entry: &mut Entry) -> Result<(), Halt> {
        if let Way::Sequenced(seq) = way {
            entry.guard = Some(Guard::Enter { seq: seq.clone(), src: None });
            if job.delivery.receive_count <= 1 {
                return Ok(());
            }
        }
        entry.seen = self.catalog.look(&job.id).await?;
        if *way == Way::Current {
            entry.guard = Some(entry.seen.as_ref().map_or(Guard::Absent, |seen| Guard::Seen { rev: seen.rev }));
        }
        let Some(seen) = &entry.seen else { return Ok(()) };
        if seen.is_of_a_newer_schema() {
            tracing::warn!(record.v = seen.v, "a newer build wrote the record");
            return Err(Fate::Again { is_outage: false }.into());
        }
        entry.past = judge::of_sequenced(seen, way, job, self.clock.now())?;
        self.give_up_on_a_killer(job, entry).await
    }

    /// Fails an image whose claims keep dying, or whose claim died and no receive is left.
    pub(super) async fn give_up_on_a_killer(&self, job: &Job<'_>, entry: &Entry) -> Result<(), Halt> {
        let deaths = entry.past.deaths;
        let was_ours = entry.past.is_dead_claim && deaths > 0;
        if deaths < MAX_DEATHS && !(was_ours && job.delivery.is_last) {
            return Ok(());
        }
        let error = format!("the process died {deaths} times while it held this image");
        let failure = Failure { reason: Reason::Killed, error, is_outage: false };
        Err(Halt::Ended(self.write_failure(job, entry, &failure).await?))
    }

    /// Reads the header and checks the limits; what is no image is rejected for good.
    async fn inspect(&self, job: &Job<'_>, entry: &Entry, source: &Source) -> Result<Inspected<Bytes>, Halt> {
        let started = tokio::time::Instant::now();
        let limits =
            Limits { max_bytes: self.limits.max_bytes, max_pixels: self.limits.max_pixels, stop: Stop::default() };
        let inspected = darkroom_thumbnail::inspect(source.bytes.clone(), &self.recipe, &limits);
        metrics::stage(Stage::Inspect, started.elapsed());
        match inspected {
            Ok(image) => Ok(image),
            Err(RenderError::Refused(refusal)) => Err(Halt::Ended(self.reject(job, entry, refusal).await?)),
            Err(error) => Err(Failure::internal(error.to_string()).into()),
        }
    }

    /// Rejects an upload that has no claim yet.
    pub(super) async fn reject(&self, job: &Job<'_>, entry: &Entry, refusal: Refusal) -> Result<Attempted, Halt> {
        let (reason, detail) = (Reason::from(refusal.reason), refusal.detail);
        tracing::info!(reason = reason.as_str(), detail, "rejected");
        let change = Change::Reject { reason, src: entry.src.clone(), detail };
        Ok(match self.write_entering(job, entry, change).await? {
            Ok(_before) => {
                metrics::rejected(reason);
                Attempted::Settled(Fate::Done(Outcome::Rejected))
            }
            Err(attempted) => attempted,
        })
    }

    /// Waits for memory and a place before the slots, unless the process drains: what waits has not begun.
    async fn admit(&self, job: &Job<'_>, header: &Header) -> Result<(Memory, Place), Halt> {
        let admitted = async {
            let started = tokio::time::Instant::now();
            let memory = self.admission.decode(header.decode_bytes).await;
            metrics::stage(Stage::WaitMemory, started.elapsed());
            let started = tokio::time::Instant::now();
            let place = self.admission.place().await;
            metrics::stage(Stage::WaitSlot, started.elapsed());
            (memory, place)
        };
        tokio::select! {
            biased;
            () = job.delivery.draining.cancelled() => Err(Fate::GivenBack.into()),
            admitted = admitted => Ok(admitted),
        }
    }

    /// Makes the image ours: `waiting_for_thumbnails`, fenced by this attempt's token.
    ///
    /// Two workers may both come this far with a duplicate. The catalog lets one in; the other learns here that the
    /// image is held, and its message is deleted, since the holder's own message is still queued. A worker whose claim
    /// is replaced later learns it when it publishes.
    async fn claim(&self, job: &Job<'_>, entry: &Entry, info: &ObjectInfo, header: &Header) -> Result<Past, Halt> {
        let started = tokio::time::Instant::now();
        let (width, height) = header.upright();
        let change = Change::Claim {
            src: info.src.clone(),
            original: Original {
                content_type: header.format.content_type().to_owned(),
                width,
                height,
                bytes: info.bytes,
            },
            lease_until: self.clock.now().plus(LEASE),
            deaths: entry.past.deaths,
        };
        let before = self.write_entering(job, entry, change).await?.map_err(Halt::Ended)?;
        metrics::stage(Stage::Claim, started.elapsed());
        let took_over = before.is_some_and(|before| {
            before.status == Status::WaitingForThumbnails
                && before.lease_until.is_some()
                && before.src.as_ref() == Some(&info.src)
                && before.claim.as_deref() != Some(&*job.attempt.token)
        });
        let past = Past { is_dead_claim: entry.past.is_dead_claim || took_over, ..entry.past };
        if past.is_dead_claim {
            tracing::warn!(deaths = past.deaths, "the last claim died without a word: rendering alone");
            metrics::dead_claim();
        }
        Ok(past)
    }

    /// Writes under the entry's guard; `Ok(Err(..))` is the catalog's refusal and what it means.
    pub(super) async fn write_entering(
        &self,
        job: &Job<'_>,
        entry: &Entry,
        change: Change,
    ) -> Result<Result<Option<ImageRecord>, Attempted>, Halt> {
        let Some(guard) = entry.guard.clone() else { return Ok(Err(Attempted::RecordChanged)) };
        let guard = match guard {
            Guard::Enter { seq, .. } => Guard::Enter { seq, src: entry.src.clone() },
            other => other,
        };
        let applied = self.write(job, guard.clone(), change).await?;
        Ok(match applied {
            Applied::Written { before } => Ok(before),
            Applied::Refused { current } => Err(judge::of_refusal(current.as_ref(), &guard, entry.src.as_ref(), job)),
        })
    }

    /// One conditional write of this attempt.
    pub(super) async fn write(&self, job: &Job<'_>, guard: Guard, change: Change) -> Result<Applied, Failure> {
        let transition = Transition {
            id: job.id.clone(),
            key: job.event.key.clone(),
            attempt: job.attempt.clone(),
            guard,
            change,
            at: self.clock.now(),
        };
        Ok(self.catalog.apply(&transition).await?)
    }
}

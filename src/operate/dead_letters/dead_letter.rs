//! One dead letter: its objects, its cause, and what to do about it.

use futures_util::future::try_join_all;

use crate::event::{self, Doubts, Event, ObjectCreated};
use crate::operate::OperatorContext;
use crate::ports::PortError;
use crate::ports::queue::Message;
use crate::record::{ImageId, ImageRecord, Reason, SourceId, Status};

/// Why a message is a dead letter, as far as the message and the records of its images show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The message, or a part of it, is not an upload event.
    Unreadable,
    /// The event is from a bucket that darkroom does not use.
    OtherBucket,
    /// The event is from another bucket than the configured one, and the image waits for exactly this upload.
    WrongBucket,
    /// The upload has no verdict.
    Unfinished,
    /// The image is `failed`.
    Failed(Reason),
    /// The upload has a verdict by now, or a newer upload of the same key replaced it.
    Settled,
}

impl Cause {
    /// The causes that are not a reason in an image's record.
    const OWN: [Self; 5] = [Self::Unfinished, Self::Settled, Self::Unreadable, Self::OtherBucket, Self::WrongBucket];

    /// All causes, in the order of the table in docs/OPERATIONS.md, which has the same names, meanings and advice.
    pub fn all() -> impl Iterator<Item = Self> {
        let failures = Reason::ALL.into_iter().filter(|reason| !reason.is_rejection());
        failures.map(Self::Failed).chain(Self::OWN)
    }

    /// The name in lists and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::OtherBucket => "other_bucket",
            Self::WrongBucket => "wrong_bucket",
            Self::Unfinished => "unfinished",
            Self::Failed(reason) => reason.as_str(),
            Self::Settled => "settled",
        }
    }

    /// The cause with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let own = Self::OWN.into_iter().find(|cause| cause.as_str() == name);
        own.or_else(|| Reason::from_name(name).map(Self::Failed))
    }

    /// Whether further receives cannot help while the settings stay the same.
    pub const fn is_hopeless(self) -> bool {
        matches!(self, Self::Unreadable | Self::OtherBucket | Self::WrongBucket)
    }

    /// The meaning, for operators.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unreadable => "the message, or a part of it, is no upload event",
            Self::OtherBucket => "the event is of another bucket than DARKROOM_UPLOAD_BUCKET",
            Self::WrongBucket => {
                "the event is of another bucket than DARKROOM_UPLOAD_BUCKET, and an image waits for this upload: the \
                 setting is wrong"
            }
            Self::Unfinished => {
                "there is no verdict: its last worker died, could not reach the catalog, or had another \
                 DARKROOM_UPLOAD_BUCKET"
            }
            Self::Settled => "the upload was decided meanwhile, or a newer one of the same key came after it",
            Self::Failed(Reason::Unavailable) => "a service did not answer, or refused, until the last receive",
            Self::Failed(Reason::RenderTimeout) => "rendering takes longer than DARKROOM_RENDER_TIMEOUT",
            Self::Failed(Reason::Killed) => "workers died while they held it",
            Self::Failed(Reason::Archived) => "the object is in an archive and cannot be read",
            Self::Failed(Reason::SourceMissing) => "the object was gone before it could be read",
            Self::Failed(_) => "a fault of darkroom's own",
        }
    }

    /// The advice for operators.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Unreadable => "find out who sends such messages to the queue, then drop it",
            Self::OtherBucket => {
                "if uploads land in that bucket, set DARKROOM_UPLOAD_BUCKET to it, then redrive it; else lead that \
                 bucket's notification elsewhere, then drop it"
            }
            Self::WrongBucket => "set DARKROOM_UPLOAD_BUCKET to the event's bucket, for workers too, then redrive it",
            Self::Unfinished => "redrive it",
            Self::Settled => "drop it; a redrive changes nothing and ends the same",
            Self::Failed(Reason::Unavailable) => "see that queue, store and catalog answer, then redrive it",
            Self::Failed(Reason::RenderTimeout) => {
                "give workers more CPU or raise DARKROOM_RENDER_TIMEOUT, then redrive it"
            }
            Self::Failed(Reason::Killed) => {
                "look at the workers' memory at that time, then redrive it; if it happens again, keep the image for a \
                 report and drop the message"
            }
            Self::Failed(Reason::Archived) => "restore the object (aws s3api restore-object), then redrive it",
            Self::Failed(Reason::SourceMissing) => "drop it, unless the object can be put back: then redrive it",
            Self::Failed(_) => "report it with the last error; redrive it with a version that has the fault mended",
        }
    }
}

/// One object of a dead letter.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The event.
    pub event: ObjectCreated,
    /// The object's image; `None` if it is not one of darkroom's.
    pub image: Option<ImageId>,
    /// The current record of the image.
    pub record: Option<ImageRecord>,
    /// The cause for this object.
    pub cause: Cause,
}

/// A parsed dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The message as it was received.
    pub message: Message,
    /// The objects of the message, in its order.
    pub subjects: Vec<Subject>,
    /// Its cause. For several objects, the cause that needs the most attention.
    pub cause: Cause,
}

impl DeadLetter {
    /// The last error, as text.
    pub fn last_error(&self) -> Option<String> {
        match event::parse(&self.message.body) {
            Err(error) => Some(error.to_string()),
            Ok(_) => self.subject().and_then(|subject| match subject.cause {
                Cause::OtherBucket | Cause::WrongBucket => {
                    Some(format!("an event of bucket {:?}", subject.event.bucket))
                }
                _ => subject.record.as_ref()?.last_error.clone(),
            }),
        }
    }

    /// The object that determines the cause.
    pub fn subject(&self) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.cause == self.cause).or(self.subjects.first())
    }
}

impl OperatorContext {
    /// Parses dead letters and reads the records of their images.
    pub(in crate::operate) async fn read(&self, messages: Vec<Message>) -> Result<Vec<DeadLetter>, PortError> {
        try_join_all(messages.into_iter().map(|message| self.read_one(message))).await
    }

    async fn read_one(&self, message: Message) -> Result<DeadLetter, PortError> {
        let Ok(events) = event::parse(&message.body) else {
            return Ok(DeadLetter { message, subjects: Vec::new(), cause: Cause::Unreadable });
        };
        let mut causes = Vec::new();
        let mut subjects = Vec::new();
        for event in events {
            match event {
                Event::Created(created) => subjects.push(self.subject_of(created, &message).await?),
                Event::Unreadable(_) => causes.push(Cause::Unreadable),
                Event::Ignored(_) => {}
            }
        }
        causes.extend(subjects.iter().map(|subject| subject.cause));
        causes.sort_by_key(|cause| match cause {
            Cause::Unreadable => 0,
            Cause::WrongBucket => 1,
            Cause::OtherBucket => 2,
            Cause::Unfinished => 3,
            Cause::Failed(_) => 4,
            Cause::Settled => 5,
        });
        Ok(DeadLetter { message, subjects, cause: causes.first().copied().unwrap_or(Cause::Settled) })
    }

    async fn subject_of(&self, event: ObjectCreated, message: &Message) -> Result<Subject, PortError> {
        let event = self.as_found(event).await?;
        let is_foreign = event.bucket != self.bucket;
        let Some(image) = ImageId::of_key(&self.prefix, &event.key) else {
            let cause = if is_foreign { Cause::OtherBucket } else { Cause::Settled };
            return Ok(Subject { event, image: None, record: None, cause });
        };
        let record = self.ports.catalog.get(&image).await?;
        if is_foreign && !record.as_ref().is_some_and(|record| waits_for(record, &event)) {
            return Ok(Subject { event, image: None, record: None, cause: Cause::OtherBucket });
        }
        let cause = if is_foreign { Cause::WrongBucket } else { cause_of(&event, record.as_ref(), message) };
        Ok(Subject { event, image: Some(image), record, cause })
    }

    /// The event with its key as it is written, if a worker found the object under it. Such an event has no order.
    async fn as_found(&self, event: ObjectCreated) -> Result<ObjectCreated, PortError> {
        let Some(raw_key) = event.doubts.raw_key.clone() else { return Ok(event) };
        let decoded = ImageId::of_key(&self.prefix, &event.key);
        let Some(raw) = ImageId::of_key(&self.prefix, &raw_key) else { return Ok(event) };
        if let Some(image) = decoded
            && (self.ports.catalog.get(&image).await?.is_some() || self.ports.catalog.get(&raw).await?.is_none())
        {
            return Ok(event);
        }
        let doubts = Doubts::default();
        Ok(ObjectCreated { key: raw_key, version_id: None, sequencer: None, doubts, ..event })
    }
}

/// Whether the API issued an upload URL for the event's key and no worker has seen the upload.
fn waits_for(record: &ImageRecord, event: &ObjectCreated) -> bool {
    record.status == Status::WaitingForUpload && record.key == event.key
}

/// The cause, from the event and the image's record.
fn cause_of(event: &ObjectCreated, record: Option<&ImageRecord>, message: &Message) -> Cause {
    let Some(record) = record else { return Cause::Unfinished };
    if record.status == Status::Deleted {
        return Cause::Settled;
    }
    let is_this_message = record.message.as_deref() == Some(&*message.id);
    match (&event.sequencer, &record.seq) {
        (Some(seq), Some(known)) if seq < known => return Cause::Settled,
        (Some(seq), Some(known)) if seq > known => return Cause::Unfinished,
        _ => {}
    }
    // The event is of another object than the record, and their order is unknown.
    let src = event.version_id.as_deref().map(SourceId::of_version);
    if src.is_some() && record.src.is_some() && src != record.src && !is_this_message {
        return Cause::Unfinished;
    }
    match record.status {
        Status::Published | Status::InvalidContentType => Cause::Settled,
        Status::Failed => Cause::Failed(record.reason.unwrap_or(Reason::Internal)),
        _ => Cause::Unfinished,
    }
}

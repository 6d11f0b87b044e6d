//! The names of what stands in the data directory; `directory` says what each is for.

/// The database.
pub(super) const DATABASE: &str = "darkroom.db";

/// What SQLite appends to the database's name: nothing for itself, its log, the index of its log, and a journal of a
/// build that kept one.
pub(super) const DATABASE_SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The key that signs addresses, and the file that it is written to first.
pub(super) const SIGNING_KEY: &str = "signing.key";
pub(super) const SIGNING_DRAFT: &str = "signing.draft";

/// What became of each image, and the lock of those who append to it.
pub(super) const OUTCOMES: &str = "outcomes.jsonl";
pub(super) const OUTCOMES_LOCK: &str = "outcomes.lock";

/// Held while a process starts.
pub(super) const START_LOCK: &str = "start.lock";

/// The folder of stored files.
pub(super) const OBJECTS: &str = "objects";

/// The folder of files that are being written, one folder for each process, and in that the lock of the process.
pub(super) const INCOMING: &str = "incoming";
pub(super) const PROCESS_LOCK: &str = "lock";

//! The names of the files in the data directory; `directory` describes each of them.

pub(super) const DATABASE: &str = "darkroom.db";

/// The suffixes that SQLite appends to the database's name: none for the database, then the write-ahead log, its index,
/// and the rollback journal of an older build.
pub(super) const DATABASE_SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The key that signs URLs, and the file that it is first written to.
pub(super) const SIGNING_KEY: &str = "signing.key";
pub(super) const SIGNING_DRAFT: &str = "signing.draft";

/// The outcome of each image, and the lock that is held while appending to it.
pub(super) const OUTCOMES: &str = "outcomes.jsonl";
pub(super) const OUTCOMES_LOCK: &str = "outcomes.lock";

/// Held while a process starts.
pub(super) const START_LOCK: &str = "start.lock";

/// The folder of stored files.
pub(super) const OBJECTS: &str = "objects";

/// The folder of files that are being written, one folder for each process, and in that the lock of the process.
pub(super) const INCOMING: &str = "incoming";
pub(super) const PROCESS_LOCK: &str = "lock";

//! Why the local backend cannot be opened, each with what to do about it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::failure::has_no_space;
use super::file_names::DATABASE;

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No right to read or write.
    #[error("no right to use {}: let this user read and write it, or choose another directory with DARKROOM_DIR", path.display())]
    Denied {
        /// What was refused.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another user owns a directory or file of darkroom's.
    #[error(
        "{} belongs to user {owner}, and darkroom runs as user {user}: run darkroom as user {owner}, or hand it over with \
         `{command}`, or choose another directory with DARKROOM_DIR", path.display()
    )]
    Foreign {
        /// What belongs to another user, its links followed.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
        /// What hands it over.
        command: String,
    },
    /// Others can use a directory or file of darkroom's, or the group of `DARKROOM_DIR_GROUP` cannot.
    #[error(
        "{} has mode {mode:o}, which does not close it to others: run `{command}`, or choose a directory of its own with \
         DARKROOM_DIR", path.display()
    )]
    Exposed {
        /// What others can use, its links followed.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What closes it.
        command: String,
    },
    /// A directory that all users of the machine share, such as `/tmp`.
    #[error(
        "{} is shared by all users of this machine: choose a directory of its own with DARKROOM_DIR, such as {}",
        path.display(), path.join("darkroom").display()
    )]
    SharedDirectory {
        /// The directory, its links followed.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space left for {}: free some, then start again; nothing was lost", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "the database {} is damaged ({what}): stop every darkroom on this directory and put a copy of darkroom.db back, or move \
         the directory aside to begin anew; the pictures in its folder objects are not affected", path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// A newer build made the database.
    #[error(
        "the database {} has schema {found}, this darkroom knows schemas up to {known}: start the newer darkroom, or choose \
         another directory with DARKROOM_DIR", path.display()
    )]
    NewerDatabase {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this build knows.
        known: i64,
    },
    /// The database is not darkroom's.
    #[error("{} is a database of another program: choose another directory with DARKROOM_DIR", path.display())]
    ForeignDatabase {
        /// The database.
        path: PathBuf,
    },
    /// The directory was used under another bucket name.
    #[error(
        "{} holds {what} of bucket {found} and none of bucket {set}: set {variable} to {found}, or choose another directory \
         with DARKROOM_DIR", path.display()
    )]
    OtherBucket {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        what: &'static str,
        /// The setting.
        variable: &'static str,
        /// The name that is set, or the default.
        set: String,
        /// The name, or the names, in the directory.
        found: String,
    },
    /// The signing key has been cut short or replaced.
    #[error("the signing key {} is damaged: delete it to get a new one; addresses signed before stop working", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
    },
    /// The database does not answer.
    #[error("the database {} cannot be used: {what}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// The path leads to no directory, and none can be made there.
    #[error("{} cannot be a data directory, choose another one with DARKROOM_DIR", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file or directory cannot be used for another reason.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// There is no data directory for a command that needs an existing one.
#[derive(Debug, thiserror::Error)]
#[error(
    "DARKROOM_DIR: {} {what}, and this command makes no data directory: set the directory that `darkroom local`, `worker` or \
     `api` uses", path.display()
)]
pub struct MissingDirectory {
    path: PathBuf,
    what: &'static str,
}

impl MissingDirectory {
    /// Checks that the directory is one of darkroom's. A path that this user may not read is left to the start.
    ///
    /// # Errors
    /// When it does not exist, or has no database or no signing key.
    pub fn check(path: &Path) -> Result<(), Self> {
        let is_missing = |path: &Path| {
            let kind = fs::metadata(path).err().map(|error| error.kind());
            matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
        };
        let missing = |what| Err(Self { path: path.to_owned(), what });
        if is_missing(path) {
            missing("does not exist")
        } else if is_missing(&path.join(DATABASE)) {
            missing(if path.is_dir() { "has no darkroom.db" } else { "is not a directory" })
        } else if is_missing(&path.join("signing.key")) {
            missing("has no signing.key")
        } else {
            Ok(())
        }
    }
}

impl OpenError {
    /// Whether `DARKROOM_DIR` is at fault, or what the operator made of the directory, and not the directory's state.
    pub const fn is_misuse(&self) -> bool {
        match self {
            Self::Denied { .. }
            | Self::Foreign { .. }
            | Self::Exposed { .. }
            | Self::SharedDirectory { .. }
            | Self::NewerDatabase { .. }
            | Self::ForeignDatabase { .. }
            | Self::NoDirectory { .. }
            | Self::OtherBucket { .. } => true,
            Self::Full { .. } | Self::Damaged { .. } | Self::Key { .. } | Self::Database { .. } | Self::File { .. } => {
                false
            }
        }
    }

    /// What the failure of a file at start means.
    pub(super) fn of_file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, source },
        }
    }

    /// What the failure to make or open the data directory itself means.
    pub(super) fn of_directory(path: &Path, source: io::Error) -> Self {
        let is_loop = source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidFilename => Self::NoDirectory { path: path.to_owned(), source },
            _ if is_loop => Self::NoDirectory { path: path.to_owned(), source },
            _ => Self::of_file(path, source),
        }
    }

    /// What the failure of the database at start means.
    pub(super) fn of_database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, what: source.to_string() }
            }
            _ if has_no_space(&source) => Self::Full { path },
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Denied { path, source: io::Error::other(source.to_string()) }
            }
            _ => Self::Database { path, what: source.to_string() },
        }
    }
}

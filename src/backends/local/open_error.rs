//! Why the local backend cannot be opened, and how the operator can fix it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::failure::has_no_space;
use super::file_names::{DATABASE, SIGNING_KEY};

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The user may not read or write it.
    #[error(
        "no right to use {}: let this user read and write it, or choose another directory with DARKROOM_DIR",
        path.display()
    )]
    Denied {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another user owns one of darkroom's files or directories.
    #[error(
        "{} belongs to user {owner}, and darkroom runs as user {user}: run darkroom as user {owner}, or hand it over \
         with `{command}`, or choose another directory with DARKROOM_DIR", path.display()
    )]
    Foreign {
        /// The file or directory, with links resolved.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
        /// The shell command that changes the owner.
        command: String,
    },
    /// Others can use one of darkroom's files or directories, or the group of `DARKROOM_DIR_GROUP` cannot.
    #[error(
        "{} has mode {mode:o}, which does not close it to others: run `{command}`, or choose a directory of its own \
         with DARKROOM_DIR", path.display()
    )]
    Exposed {
        /// The file or directory, with links resolved.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The shell command that closes it to others.
        command: String,
    },
    /// A directory that all users of the machine share, such as `/tmp`.
    #[error(
        "{} is shared by all users of this machine: choose a directory of its own with DARKROOM_DIR, such as {}",
        path.display(), path.join("darkroom").display()
    )]
    SharedDirectory {
        /// The directory, with links resolved.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space left for {}: free some, then start again; nothing was lost", path.display())]
    Full {
        /// The file that could not be written.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "the database {} is damaged ({what}): stop every darkroom on this directory and put a copy of darkroom.db \
         back, or move the directory aside to begin anew; the pictures in its folder objects are not affected",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        what: String,
    },
    /// A newer build wrote the database.
    #[error(
        "the database {} has schema {found}, this darkroom knows schemas up to {known}: start the newer darkroom, or \
         choose another directory with DARKROOM_DIR", path.display()
    )]
    NewerDatabase {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this build knows.
        known: i64,
    },
    /// The database belongs to another program.
    #[error("{} is a database of another program: choose another directory with DARKROOM_DIR", path.display())]
    ForeignDatabase {
        /// The database.
        path: PathBuf,
    },
    /// The directory was used under another bucket name.
    #[error(
        "{} holds {what} of bucket {found} and none of bucket {set}: set {variable} to {found}, or choose another \
         directory with DARKROOM_DIR", path.display()
    )]
    OtherBucket {
        /// The directory.
        path: PathBuf,
        /// What it holds: uploads or thumbnails.
        what: &'static str,
        /// The environment variable of the bucket name.
        variable: &'static str,
        /// The name that is set, or the default.
        set: String,
        /// The name, or the names, in the directory.
        found: String,
    },
    /// The signing key is truncated or was replaced.
    #[error(
        "the signing key {} is damaged: delete it to get a new one; addresses signed before stop working",
        path.display()
    )]
    Key {
        /// The file of the key.
        path: PathBuf,
    },
    /// The database cannot be used for another reason.
    #[error("the database {} cannot be used: {what}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        what: String,
    },
    /// The path is not a directory, and none can be created there.
    #[error("{} cannot be a data directory, choose another one with DARKROOM_DIR", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file or directory cannot be used for another reason.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// A command that needs an existing data directory found none.
#[derive(Debug, thiserror::Error)]
#[error(
    "DARKROOM_DIR: {} {what}, and this command makes no data directory: set the directory that `darkroom local`, \
     `worker` or `api` uses", path.display()
)]
pub struct MissingDirectory {
    path: PathBuf,
    what: &'static str,
}

impl MissingDirectory {
    /// Checks that the path is a data directory of darkroom. Skips a path that this user may not read: opening it
    /// reports the error.
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
        } else if is_missing(&path.join(SIGNING_KEY)) {
            missing("has no signing.key")
        } else {
            Ok(())
        }
    }
}

impl OpenError {
    /// Whether the cause is `DARKROOM_DIR` or the directory's setup, not the state of its files.
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

    /// Converts a file's error at start.
    pub(super) fn of_file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, source },
        }
    }

    /// Converts an error of creating or opening the data directory.
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

    /// Converts a database error at start.
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

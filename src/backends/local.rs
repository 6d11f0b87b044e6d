//! Everything on one machine: objects as files, queue and catalog in one SQLite database.

//! Writes files atomically: a file appears under its name complete or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file under a temporary name. Dropping it removes the file.
pub(in crate::cli) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Writes a file under a temporary name into a directory.
    ///
    /// # Errors
    /// When it cannot be written. In that case no file remains.
    pub(in crate::cli) fn write(directory: &Path, bytes: &[u8]) -> io::Result<Self> {
        let name = format!(".darkroom-{:016x}.tmp", getrandom::u64()?);
        let path = directory.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let temporary = Self { path };
        file.write_all(bytes)?;
        Ok(temporary)
    }

    /// Gives the file its final name. Replaces a symbolic link of that name, not the file that the link points to.
    ///
    /// # Errors
    /// When the name exists and `may_replace` is false, or the system call fails.
    pub(in crate::cli) fn publish(self, target: &Path, may_replace: bool) -> io::Result<()> {
        if may_replace {
            return fs::rename(&self.path, target);
        }
        // Unlike a rename, a hard link never replaces a file that another process has created in the meantime.
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => rename_if_free(&self.path, target),
            linked => linked,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename, the temporary name no longer exists.
        drop(fs::remove_file(&self.path));
    }
}

/// For file systems without hard links. Another process can still create the file between the check and the rename.
fn rename_if_free(from: &Path, target: &Path) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, target),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file names in a directory.
    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_once_it_is_whole() {
        for may_replace in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let temporary = Temporary::write(dir.path(), b"whole").unwrap();
            let [name] = &*names(dir.path()) else { panic!("{:?}", names(dir.path())) };
            assert!(name.starts_with(".darkroom-") && name.ends_with(".tmp"), "{name}");
            temporary.publish(&dir.path().join("a.jpg"), may_replace).unwrap();
            assert_eq!(names(dir.path()), ["a.jpg"]);
            assert_eq!(fs::read(dir.path().join("a.jpg")).unwrap(), b"whole");
        }
    }

    #[test]
    fn a_file_that_another_process_has_made_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.jpg");
        let temporary = Temporary::write(dir.path(), b"new").unwrap();
        fs::write(&target, "theirs").unwrap();
        assert_eq!(rename_if_free(&temporary.path, &target).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(temporary.publish(&target, false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(dir.path()), ["a.jpg"]);
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        Temporary::write(dir.path(), b"new").unwrap().publish(&target, true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn without_hard_links_a_free_name_is_taken_by_a_rename() {
        let dir = tempfile::tempdir().unwrap();
        let temporary = Temporary::write(dir.path(), b"new").unwrap();
        rename_if_free(&temporary.path, &dir.path().join("a.jpg")).unwrap();
        assert_eq!(names(dir.path()), ["a.jpg"]);
    }

    #[test]
    fn a_file_that_is_not_published_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        drop(Temporary::write(dir.path(), b"bytes").unwrap());
        assert_eq!(names(dir.path()), [""; 0]);
        assert!(Temporary::write(&dir.path().join("gone"), b"bytes").is_err());
    }
}

//! Access to the data directory: the modes of new files, the modes that a start corrects, and the owners and modes that
//! it refuses.
//!
//! Without a group, only the user of the process may use the directory. With one (`DARKROOM_DIR_GROUP`), the members of
//! that group share it, and each may own files in it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::file_names::DATABASE;
use crate::shell;

/// Read, write and execute for users other than the owner and the group.
const OTHERS: u32 = 0o007;
/// Read, write and execute for the group and for others.
const GROUP_AND_OTHERS: u32 = 0o077;
/// In a directory with this bit, new files belong to the directory's group.
const SETGID: u32 = 0o2000;
/// In a directory with this bit, users can remove and rename only their own files.
const STICKY: u32 = 0o1000;

/// The user and, with `DARKROOM_DIR_GROUP`, the group that may use the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    user: u32,
    group: Option<u32>,
}

impl Access {
    /// Access for the user of this process, and for the members of `group`.
    pub(super) fn new(group: Option<u32>) -> Self {
        Self { user: rustix::process::geteuid().as_raw(), group }
    }

    const fn directory_mode(self) -> u32 {
        if self.group.is_some() { 0o770 | SETGID } else { 0o700 }
    }

    const fn file_mode(self) -> u32 {
        if self.group.is_some() { 0o660 } else { 0o600 }
    }

    const fn mode_of(self, is_dir: bool) -> u32 {
        if is_dir { self.directory_mode() } else { self.file_mode() }
    }

    /// Creates a directory and its missing parents, independent of the umask.
    pub(super) fn make_directory(self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !is_there(path)).collect();
        for path in missing.into_iter().rev() {
            match fs::DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            self.set(path, self.directory_mode())?;
        }
        Ok(())
    }

    /// Opens a file with the mode and group that it must have.
    pub(super) fn open(self, options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        let file = options.mode(0o600).open(path)?;
        self.restrict(&file)?;
        Ok(file)
    }

    /// Sets the required mode and group on a file that this process owns, independent of the umask.
    fn restrict(self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        if found.uid() != self.user {
            return Ok(());
        }
        if self.group.is_some_and(|group| found.gid() != group) {
            fchown(file, None, self.group)?;
        }
        if found.mode() & 0o7777 != self.file_mode() {
            file.set_permissions(Permissions::from_mode(self.file_mode()))?;
        }
        Ok(())
    }

    fn set(self, path: &Path, mode: u32) -> io::Result<()> {
        if let Some(group) = self.group {
            chown(path, None, Some(group))?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Closes the data directory to others, if this user owns it and it contains only darkroom's files.
    ///
    /// # Errors
    /// When another user owns the directory, or when others can enter it and it is sticky or contains other files.
    pub(super) fn secure_root(self, root: &Path) -> Result<bool, OpenError> {
        let found = fs::metadata(root).map_err(|error| OpenError::of_directory(root, error))?;
        if !found.is_dir() {
            return Err(OpenError::of_directory(root, io::ErrorKind::NotADirectory.into()));
        }
        let is_for_darkroom =
            found.mode() & STICKY == 0 && is_for_darkroom(root).map_err(|error| OpenError::of_file(root, error))?;
        self.secure_found(root, &found, is_for_darkroom)
    }

    /// Closes a file or directory in the data directory to others, if this user owns it; follows links. Returns whether
    /// anything was changed; `false` also when the file does not exist.
    ///
    /// # Errors
    /// When another user owns it, or others can still use it.
    pub(super) fn secure(self, path: &Path) -> Result<bool, OpenError> {
        match fs::metadata(path) {
            Ok(found) => self.secure_found(path, &found, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(OpenError::of_file(path, error)),
        }
    }

    fn secure_found(self, path: &Path, found: &Metadata, may_change: bool) -> Result<bool, OpenError> {
        if self.is_secure(found) {
            return Ok(false);
        }
        let mode = self.mode_of(found.is_dir());
        if found.uid() != self.user || !may_change {
            return Err(self.refusal(path, found));
        }
        match self.set(path, mode).and_then(|()| fs::metadata(path)) {
            // The file system does not store modes.
            Ok(now) if !self.is_secure(&now) => Err(self.refusal(path, &now)),
            Ok(_) => {
                let was = found.mode() & 0o7777;
                tracing::warn!("others could use {}: changed its mode from {was:o} to {mode:o}", path.display());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(self.refusal(path, found)),
            Err(error) => Err(OpenError::of_file(path, error)),
        }
    }

    /// Whether only the user or the group can use it and, with a group, every member can.
    fn is_secure(self, found: &Metadata) -> bool {
        let mode = found.mode();
        let Some(group) = self.group else {
            return found.uid() == self.user && mode & GROUP_AND_OTHERS == 0;
        };
        let is_open_to_group = if found.is_dir() {
            mode & (SETGID | 0o070) == SETGID | 0o070
        } else {
            // Another member's file may be read-only, such as a key that Kubernetes mounts.
            found.uid() != self.user || mode & 0o060 == 0o060
        };
        found.gid() == group && mode & OTHERS == 0 && is_open_to_group
    }

    fn refusal(self, path: &Path, found: &Metadata) -> OpenError {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (name, mode) = (shell::quoted(&path), self.mode_of(found.is_dir()));
        let recursively = if found.is_dir() { "-R " } else { "" };
        if found.is_dir() && found.mode() & STICKY != 0 {
            return OpenError::SharedDirectory { path };
        }
        match self.group {
            None if found.uid() != self.user => OpenError::Foreign {
                command: format!("chown {recursively}{} {name}", self.user),
                owner: found.uid(),
                user: self.user,
                path,
            },
            None => OpenError::Exposed { command: format!("chmod {mode:o} {name}"), mode: found.mode() & 0o7777, path },
            Some(group) => OpenError::Exposed {
                command: format!("chgrp {recursively}{group} {name} && chmod {mode:o} {name}"),
                mode: found.mode() & 0o7777,
                path,
            },
        }
    }

    /// Like [`Self::secure`], for a directory and the files in it. The files are checked only if the directory was
    /// open: files in a closed directory get their mode when they are created, and there may be millions.
    ///
    /// # Errors
    /// Those of [`Self::secure`].
    pub(super) fn secure_with_files(self, path: &Path) -> Result<(), OpenError> {
        let in_path = |error| OpenError::of_file(path, error);
        let found = fs::metadata(path).map_err(in_path)?;
        if !self.is_secure(&found) && found.uid() == self.user {
            // Closes the directory first and opens it to the group last: after a kill in between, the next start
            // repeats this.
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(in_path)?;
            self.restrict_files_in(path).map_err(in_path)?;
        }
        self.secure_found(path, &found, true).map(drop)
    }

    /// Restricts access to every file in the directory that this user owns. Skips files that are deleted meanwhile.
    pub(super) fn restrict_files_in(self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Does not follow links: darkroom creates none here.
            let restricted = entry.metadata().and_then(|found| {
                let is_ours = found.is_file() && found.uid() == self.user;
                if is_ours && !self.is_secure(&found) { self.set(&entry.path(), self.file_mode()) } else { Ok(()) }
            });
            match restricted {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                restricted => restricted?,
            }
        }
        Ok(())
    }

    /// Directories above the data directory in which another user can rename it and put another one in its place. The
    /// next start would refuse that directory, but a running process would not notice.
    pub(super) fn exposed_parents(self, root: &Path) -> Vec<PathBuf> {
        let own_groups = [Some(0), Some(rustix::process::getegid().as_raw()), self.group];
        let is_exposed = |parent: &&Path| {
            let Ok(found) = fs::metadata(parent) else { return false };
            let is_foreign = found.uid() != 0 && found.uid() != self.user;
            let by_others = if own_groups.contains(&Some(found.gid())) { 0o002 } else { 0o022 };
            is_foreign || (found.mode() & STICKY == 0 && found.mode() & by_others != 0)
        };
        root.ancestors().skip(1).filter(is_exposed).map(Path::to_owned).collect()
    }
}

/// Whether the name exists, even as a dangling link.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || fs::symlink_metadata(path).is_ok()
}

/// Whether the directory is empty or is a data directory of darkroom. `lost+found` belongs to the file system.
fn is_for_darkroom(root: &Path) -> io::Result<bool> {
    if root.join(DATABASE).exists() {
        return Ok(true);
    }
    let names = fs::read_dir(root)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    Ok(names.iter().all(|name| name == "lost+found"))
}

/// The device and inode of a file or directory, to notice when it is replaced.
pub(super) struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// # Errors
    /// When the file is gone or was replaced.
    pub(super) fn check(&self) -> io::Result<()> {
        let now = fs::metadata(&self.path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))?;
        if (now.dev(), now.ino()) == (self.device, self.inode) {
            return Ok(());
        }
        Err(io::Error::other(format!("another one took the place of {} while darkroom ran", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_in_which_others_can_replace_the_directory_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("parent");
        let root = parent.join("data");
        fs::create_dir_all(&root).unwrap();
        for (mode, is_exposed) in [(0o755, false), (0o777, true), (0o1777, false), (0o757, true)] {
            fs::set_permissions(&parent, Permissions::from_mode(mode)).unwrap();
            let exposed = Access::new(None).exposed_parents(&root);
            assert_eq!(exposed.contains(&parent), is_exposed, "{mode:o}: {exposed:?}");
        }
    }

    #[test]
    fn a_directory_that_took_the_place_of_another_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        fs::create_dir(&root).unwrap();
        let identity = Identity::of(&root).unwrap();
        identity.check().unwrap();
        fs::rename(&root, dir.path().join("moved")).unwrap();
        assert_eq!(identity.check().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&root).unwrap();
        assert!(identity.check().unwrap_err().to_string().contains("another one took the place"));
    }
}

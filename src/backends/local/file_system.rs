//! Recognises file systems on which SQLite's locks and memory map may not work.

use std::io;
use std::path::Path;

/// The types that `statfs` returns, from `linux/magic.h` and the sources of Linux.
const NOT_LOCAL: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
];

/// The kind of the directory's file system, unless it is a local one.
pub(super) fn not_local(directory: &Path) -> io::Result<Option<&'static str>> {
    let found = rustix::fs::statfs(directory)?;
    Ok(name(found.f_type as u64))
}

fn name(file_system: u64) -> Option<&'static str> {
    // Architectures with 32 bits sign-extend the type.
    let file_system = file_system & 0xFFFF_FFFF;
    NOT_LOCAL.iter().find(|(known, _)| *known == file_system).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_have_names() {
        const EXT4: u64 = 0xEF53;
        const TMPFS: u64 = 0x0102_1994;
        const OVERLAY: u64 = 0x794C_7630;
        for (file_system, expected) in [
            (0x6969, Some("NFS")),
            (0xFE53_4D42, Some("SMB")),
            (0xFFFF_FFFF_FE53_4D42, Some("SMB")),
            (0x6573_5546, Some("FUSE")),
            (EXT4, None),
            (TMPFS, None),
            (OVERLAY, None),
        ] {
            assert_eq!(name(file_system), expected, "{file_system:#x}");
        }
    }

    #[test]
    fn the_directory_of_temporary_files_is_local() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(not_local(directory.path()).unwrap(), None);
    }
}

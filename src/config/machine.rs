//! What this machine gives the process: cores, memory and file descriptors.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// What the defaults are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores that the process may use.
    pub cores: usize,
    /// Memory that the process may use: the smallest limit of its control groups, else what the machine has.
    pub memory_bytes: u64,
    /// File descriptors that the process may open at most: the hard limit.
    pub descriptors: u64,
}

/// Assumed where the system does not tell.
const FALLBACK_MEMORY_BYTES: u64 = 1 << 30;

/// Linux' own default for the hard limit, assumed where there is no limit.
const FALLBACK_DESCRIPTORS: u64 = 1 << 20;

impl Machine {
    /// The machine that this process runs on.
    pub fn detect() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory_bytes = memory_bytes(Path::new("/")).unwrap_or(FALLBACK_MEMORY_BYTES);
        let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(FALLBACK_DESCRIPTORS);
        Self { cores, memory_bytes, descriptors }
    }
}

/// The groups of this machine, a line each: empty where there is no such file, as in a container.
pub(super) fn groups() -> String {
    fs::read_to_string("/etc/group").unwrap_or_default()
}

/// The memory that the process may use, with the system's files under `root`.
fn memory_bytes(root: &Path) -> Option<u64> {
    let total = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| mem_total(&text));
    cgroup_limits(root).into_iter().chain(total).min()
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of the process' own control group and of all above it. Version 1 has its own file; `max`, and its huge
/// number for "none", are never the smallest.
fn cgroup_limits(root: &Path) -> Vec<u64> {
    let mount = root.join("sys/fs/cgroup");
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let mut files: Vec<PathBuf> =
        Path::new(own).ancestors().map(|group| mount.join(group).join("memory.max")).collect();
    files.push(mount.join("memory/memory.limit_in_bytes"));
    files.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system's files, as far as they are read.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");

    #[test]
    fn without_a_limit_it_is_the_machines_memory() {
        let root = system(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")]);
        assert_eq!(memory_bytes(root.path()), Some(8_000_000 * 1024));
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = system(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "536870912\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ]);
        assert_eq!(memory_bytes(root.path()), Some(512 << 20));
    }

    #[test]
    fn version_one_groups_count_too() {
        let root = system(&[MEMINFO, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n")]);
        assert_eq!(memory_bytes(root.path()), Some(1 << 30));
    }

    #[test]
    fn a_system_that_tells_nothing_has_no_known_memory() {
        assert_eq!(memory_bytes(system(&[]).path()), None);
        let machine = Machine::detect();
        assert!(machine.cores >= 1 && machine.descriptors >= 8, "{machine:?}");
    }
}

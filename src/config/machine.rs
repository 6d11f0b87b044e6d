//! The resources of this machine: cores, memory and file descriptors.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// The resources that the defaults depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The cores available to the process.
    pub cores: usize,
    /// The memory available to the process: the smallest limit of its control groups, or the machine's memory.
    pub memory_bytes: u64,
    /// The hard limit of open file descriptors.
    pub descriptors: u64,
}

/// The memory to assume if the system does not report it.
const FALLBACK_MEMORY_BYTES: u64 = 1 << 30;

/// Linux's default hard limit, assumed if there is no limit.
const FALLBACK_DESCRIPTORS: u64 = 1 << 20;

impl Machine {
    /// Detects the machine that this process runs on.
    pub fn detect() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory_bytes = memory_bytes(Path::new("/")).unwrap_or(FALLBACK_MEMORY_BYTES);
        let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(FALLBACK_DESCRIPTORS);
        Self { cores, memory_bytes, descriptors }
    }
}

/// The contents of the machine's group file. Empty if the file is missing, as in a container.
pub(super) fn groups() -> String {
    fs::read_to_string("/etc/group").unwrap_or_default()
}

/// The memory available to the process, from the system files below `root`.
fn memory_bytes(root: &Path) -> Option<u64> {
    let total = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| mem_total(&text));
    cgroup_limits(root).into_iter().chain(total).min()
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The memory limits of the process' control group and of all its parents, for versions 1 and 2. "No limit" is `max` in
/// version 2 and a huge number in version 1, and never the smallest limit.
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

    /// The system files that the code reads.
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
    fn a_system_that_reports_nothing_has_no_known_memory() {
        assert_eq!(memory_bytes(system(&[]).path()), None);
        let machine = Machine::detect();
        assert!(machine.cores >= 1 && machine.descriptors >= 8, "{machine:?}");
    }
}

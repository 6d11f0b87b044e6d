//! The memory that the command takes.

use std::process::Command;

use png::{BitDepth, ColorType};

use crate::images;

#[test]
fn the_command_does_not_hold_a_png_whole() {
    let dir = tempfile::tempdir().unwrap();
    // A file of noise, which is larger than the memory that rendering takes.
    let bytes = images::png_of(ColorType::Rgb, BitDepth::Eight, 3600, 2700, &images::noise(3600 * 2700 * 3));
    std::fs::write(dir.path().join("large.png"), &bytes).unwrap();
    // The limit of the process' own memory, in kilobytes.
    let is_rendered = |limit: usize, file: &str| {
        let script = format!("ulimit -d {limit} && \"$0\" render --force --out out {file}");
        let darkroom = env!("CARGO_BIN_EXE_darkroom");
        Command::new("bash").args(["-c", &script, darkroom]).current_dir(dir.path()).status().unwrap().success()
    };
    let length = bytes.len() / 1024;
    assert!(is_rendered(length - 2000, "large.png"));
    // The command reads a pipe to its end first.
    let pipe = "/dev/stdin < <(cat large.png)";
    assert!(is_rendered(4 * length, pipe));
    assert!(!is_rendered(length - 2000, pipe), "the limit limits nothing");
}

//! `darkroom render` as a user types it: the files that it writes, those that it must not overwrite, and its output.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::images;

struct Photographs {
    dir: TempDir,
}

impl Photographs {
    /// Files of these names; no two have the same bytes.
    fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (width, name) in (40..).zip(names) {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if name.ends_with(".png") { images::png_rgb(width, 30) } else { images::jpeg(width, 30) })
                .unwrap();
        }
        Self { dir }
    }

    /// Runs `darkroom render {arguments}` in the directory.
    fn render(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command.arg("render").args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        command.output().unwrap()
    }

    /// Every file in the directory, with its bytes. Links to files are followed.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.dir.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    directories.push(path);
                } else if path.is_file() {
                    let name = path.strip_prefix(self.dir.path()).unwrap().display().to_string();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// Expects that a run ends with 1, prints this on standard error, and leaves every file unchanged.
    fn expect_kept(&self, arguments: &[&str], says: &[&str]) {
        let before = self.files();
        let output = self.render(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        for words in says {
            assert!(errors.contains(words), "{arguments:?}: {words:?} is not in {errors:?}");
        }
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        assert!(self.files() == before, "{arguments:?}: {:?}", self.files().keys());
    }
}

const SIZES: [&str; 3] = ["small", "medium", "large"];

#[test]
fn a_file_as_the_directory_is_a_misuse_that_is_named() {
    let photographs = Photographs::new(&["a.jpg", "b.png"]);
    symlink(photographs.dir.path().join("b.png"), photographs.dir.path().join("link")).unwrap();
    let before = photographs.files();
    for out in ["b.png", "link", "a.jpg"] {
        let output = photographs.render(&["a.jpg", "--out", out, "--force"]);
        assert_eq!(output.status.code(), Some(2), "{out}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(error, format!("darkroom: --out {out}: exists and is not a directory\n"));
    }
    assert_eq!(photographs.files(), before);
    assert_eq!(photographs.render(&["a.jpg", "--out", "."]).status.code(), Some(0));
}

#[test]
fn an_input_is_never_written_to() {
    let photographs = Photographs::new(&["a.jpg", "a_small.jpg", "other/a_small.jpg"]);
    let kept = |arguments: &[&str], path: &str| {
        let says = format!("a.jpg: {path} is the input");
        for force in [&[][..], &["--force"]] {
            // The command renders the other input, so its thumbnails go to a folder without the compared files.
            let before = photographs.files();
            let output = photographs.render(&[arguments, force].concat());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(errors.contains(&says), "{says:?} is not in {errors:?}");
            let after = photographs.files();
            for (name, bytes) in &before {
                assert!(after[name] == *bytes, "{arguments:?} {force:?}: {name} was written to");
            }
            for name in after.keys().filter(|name| !before.contains_key(*name)) {
                assert!(name.contains("a_small_"), "{name} was written");
                fs::remove_file(photographs.dir.path().join(name)).unwrap();
            }
        }
    };
    let root = photographs.dir.path();
    kept(&["a.jpg", "a_small.jpg", "--out", "."], "./a_small.jpg");
    kept(
        &["a.jpg", "other/../a_small.jpg", "--out", root.to_str().unwrap()],
        root.join("a_small.jpg").to_str().unwrap(),
    );

    symlink(".", root.join("linked-directory")).unwrap();
    kept(&["a.jpg", "a_small.jpg", "--out", "linked-directory"], "linked-directory/a_small.jpg");
    for (directory, is_hard) in [("symbolic", false), ("hard", true)] {
        let directory = root.join(directory);
        fs::create_dir(&directory).unwrap();
        let link = directory.join("a_medium.jpg");
        if is_hard { fs::hard_link(root.join("a_small.jpg"), &link) } else { symlink("../a_small.jpg", &link) }
            .unwrap();
        let out = directory.file_name().unwrap().to_str().unwrap();
        kept(&["a.jpg", "a_small.jpg", "--out", out], &format!("{out}/a_medium.jpg"));
    }
    // The input itself is a link that has the name of a thumbnail.
    symlink("other/a_small.jpg", root.join("a_large.jpg")).unwrap();
    fs::rename(root.join("a_small.jpg"), root.join("b.jpg")).unwrap();
    let before = photographs.files();
    let output = photographs.render(&["a.jpg", "a_large.jpg", "--out", ".", "--force"]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("a.jpg: ./a_large.jpg is the input a_large.jpg"),
        "{output:?}"
    );
    assert!(root.join("a_large.jpg").is_symlink());
    assert!(before.iter().all(|(name, bytes)| photographs.files()[name] == *bytes));
    // The command must not replace an unreadable input either.
    symlink("unmounted/a.jpg", root.join("b_small.jpg")).unwrap();
    let says = ["b.jpg: ./b_small.jpg is the input b_small.jpg", "b_small.jpg: cannot be read"];
    photographs.expect_kept(&["b.jpg", "b_small.jpg", "--out", ".", "--force"], &says);
    assert!(root.join("b_small.jpg").is_symlink());
}

#[test]
fn a_file_that_exists_is_kept_unless_force_replaces_it() {
    let photographs = Photographs::new(&["a.jpg", "b.jpg"]);
    let path = |name: &str| photographs.dir.path().join(name);
    fs::create_dir(path("out")).unwrap();
    for size in SIZES {
        let name = format!("out/a_{size}.jpg");
        fs::write(path(&name), "precious").unwrap();
        let says = format!("a.jpg: {name} exists");
        photographs.expect_kept(&["a.jpg", "--out", "out"], &[&says, "--force"]);
        fs::remove_file(path(&name)).unwrap();
    }
    // A dangling link counts as an existing file. `--force` replaces it and doesn't follow it.
    symlink("nowhere", path("out/a_small.jpg")).unwrap();
    photographs.expect_kept(&["a.jpg", "--out", "out"], &["a.jpg: out/a_small.jpg exists"]);
    assert!(path("out/a_small.jpg").is_symlink());
    symlink("../precious", path("out/a_medium.jpg")).unwrap();
    fs::write(path("precious"), "precious").unwrap();

    let both = photographs.render(&["a.jpg", "b.jpg", "--out", "out"]);
    assert_eq!(both.status.code(), Some(1), "{both:?}");
    assert!(SIZES.iter().all(|size| path(&format!("out/b_{size}.jpg")).is_file()), "a failure stopped the others");
    assert!(!path("out/a_large.jpg").exists(), "a part of the thumbnails was written");

    let forced = photographs.render(&["a.jpg", "b.jpg", "--out", "out", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    for size in SIZES {
        let written = path(&format!("out/a_{size}.jpg"));
        assert!(!written.is_symlink() && fs::read(&written).unwrap().starts_with(b"\xff\xd8"), "{size}");
    }
    assert_eq!(fs::read(path("precious")).unwrap(), b"precious");
    assert!(!path("out/nowhere").exists());
    let names: Vec<_> = fs::read_dir(path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");

    fs::remove_file(path("out/a_large.jpg")).unwrap();
    fs::create_dir(path("out/a_large.jpg")).unwrap();
    photographs.expect_kept(&["a.jpg", "--out", "out", "--force"], &["a.jpg: out/a_large.jpg is a directory"]);
}

#[test]
fn inputs_whose_thumbnails_would_have_one_name_are_refused_before_anything_is_written() {
    let photographs = Photographs::new(&["one/cat.jpg", "two/cat.jpg", "dog.jpg", "cat.png", "a.jpg", "a_b.jpg"]);
    for force in [&[][..], &["--force"]] {
        let says = [
            "one/cat.jpg: out/cat_small.jpg would also be the thumbnail of two/cat.jpg",
            "two/cat.jpg: out/cat_small.jpg would also be the thumbnail of one/cat.jpg",
        ];
        photographs.expect_kept(&[&["one/cat.jpg", "two/cat.jpg", "--out", "out"], force].concat(), &says);
        photographs.expect_kept(&[&["dog.jpg", "./dog.jpg", "--out", "out"], force].concat(), &["of ./dog.jpg"]);
    }
    let others = photographs.render(&["dog.jpg", "one/cat.jpg", "two/cat.jpg", "cat.png", "--out", "out"]);
    assert_eq!(others.status.code(), Some(1), "{others:?}");
    let written: Vec<String> = photographs.files().into_keys().filter(|name| name.starts_with("out/")).collect();
    let expected =
        ["cat_large.png", "cat_medium.png", "cat_small.png", "dog_large.jpg", "dog_medium.jpg", "dog_small.jpg"];
    assert_eq!(written, expected.map(|name| format!("out/{name}")));
}

#[test]
fn failures_are_on_standard_error_and_in_json_on_both() {
    let photographs = Photographs::new(&["good.png"]);
    fs::write(photographs.dir.path().join("bad.jpg"), "no image").unwrap();
    let files = ["bad.jpg", "good.png", "gone.jpg"];
    let says = "bad.jpg: unsupported_type: ";

    let text = photographs.render(&[&files[..], &["--out", "text"]].concat());
    let (report, errors) = (String::from_utf8_lossy(&text.stdout), String::from_utf8_lossy(&text.stderr));
    assert_eq!(text.status.code(), Some(1), "{text:?}");
    assert!(report.starts_with("good.png: image/png, ") && report.lines().count() == 5, "{report}");
    assert!(errors.contains(says) && errors.contains("gone.jpg: cannot be read: "), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");

    let json = photographs.render(&[&files[..], &["--out", "json", "--json"]].concat());
    let report = String::from_utf8(json.stdout).unwrap();
    let lines: Vec<serde_json::Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["file"].as_str().unwrap()).collect::<Vec<_>>(), files);
    assert_eq!(lines[0]["reason"], "unsupported_type");
    assert!(lines[1]["thumbnails"].is_array() && lines[2]["error"].as_str().unwrap().starts_with("cannot be read"));
    assert!(String::from_utf8_lossy(&json.stderr).contains(says));
}

/// A file system accepts names that are not UTF-8; JSON does not.
#[test]
fn a_name_that_is_not_utf8_is_reported_in_json_like_any_other() {
    use std::os::unix::ffi::OsStrExt;
    let photographs = Photographs::new(&["a.jpg"]);
    let name = std::ffi::OsStr::from_bytes(b"\xffb.jpg");
    fs::copy(photographs.dir.path().join("a.jpg"), photographs.dir.path().join(name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.arg("render").arg(name).args(["a.jpg", "--out", "out", "--json"]).current_dir(photographs.dir.path());
    let output = command.env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["file"]), (2, &"\u{fffd}b.jpg".into()));
}

#[test]
fn a_thumbnail_that_cannot_be_written_leaves_nothing_behind() {
    let photographs = Photographs::new(&[]);
    fs::write(photographs.dir.path().join("a.jpg"), images::jpeg(640, 480)).unwrap();
    let render = |limit: &str| {
        // With the signal ignored, a write beyond the limit in KiB returns an error.
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" render a.jpg --out out");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_darkroom")]).current_dir(photographs.dir.path()).env_clear();
        command.env("DARKROOM_SIZES", "dot:8,large:640").output().unwrap()
    };
    let failed = render("1");
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let says = "a.jpg: cannot write out/a_large.jpg: File too large";
    assert!(String::from_utf8_lossy(&failed.stderr).contains(says), "{failed:?}");
    assert_eq!(photographs.files().into_keys().collect::<Vec<_>>(), ["a.jpg"]);
    assert_eq!(render("unlimited").status.code(), Some(0));
    let names: Vec<String> = photographs.files().into_keys().collect();
    assert_eq!(names, ["a.jpg", "out/a_dot.jpg", "out/a_large.jpg"]);
}

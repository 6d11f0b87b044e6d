//! `darkroom render`: renders files without queue or catalog.

mod names;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytesize::ByteSize;
use clap::Args;
use darkroom_thumbnail::{Limits, RenderError, Rendered, Stop, Thumbnail, Tolerated, render_from};
use serde::{Serialize, Serializer};

use super::file;
use super::publish::Temporary;
use crate::config::Config;
use crate::record::Reason;
use names::{Input, Names};

/// `darkroom render`
#[derive(Debug, Args)]
pub struct Render {
    /// Images to make thumbnails of: JPEG or PNG
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Directory for the thumbnails; created if it is missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace existing files, but never an input
    #[arg(long)]
    pub force: bool,
    /// Report one JSON object a line
    #[arg(long)]
    pub json: bool,
}

impl Render {
    /// Checks the arguments, before any file is read.
    ///
    /// # Errors
    /// When `--out` exists and is not a directory.
    pub fn check(&self) -> Result<(), String> {
        if std::fs::metadata(&self.out).is_ok_and(|out| !out.is_dir()) {
            return Err(format!("--out {}: exists and is not a directory", self.out.display()));
        }
        Ok(())
    }
}

/// The result of one file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(serialize_with = "lossy")]
    file: PathBuf,
    #[serde(flatten)]
    end: End,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum End {
    Rendered {
        original: Original,
        thumbnails: Vec<Written>,
        /// The names of the file's oddities.
        tolerated: Vec<&'static str>,
        milliseconds: Milliseconds,
    },
    Failed {
        reason: Option<Reason>,
        /// Why the file was refused, as the API reports it.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'static str>,
        error: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Original {
    content_type: &'static str,
    width: u32,
    height: u32,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Written {
    size: String,
    #[serde(serialize_with = "lossy")]
    file: PathBuf,
    width: u32,
    height: u32,
    bytes: u64,
}

/// Serializes a path as text. JSON supports only text, so bytes that are not UTF-8 become U+FFFD.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[derive(Debug, Serialize)]
struct Milliseconds {
    decode: f64,
    resize: f64,
    encode: f64,
    /// From the opened file to the thumbnails, without the time to write them.
    total: f64,
}

/// Renders every file and reports on each. Returns whether all succeeded. Failures go to `failures`, with `--json` also
/// to `report`.
///
/// # Errors
/// When the directory cannot be created, or the report cannot be written.
pub fn run(args: &Render, config: &Config, report: &mut impl Write, failures: &mut impl Write) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make the directory {}", args.out.display()))?;
    let (names, inputs) = names::plan(args, config);
    let inputs: Vec<Result<Input, End>> = inputs.into_iter().map(|input| input.map_err(End::from)).collect();
    // Invalid names are reported before any file is written.
    for (path, input) in args.files.iter().zip(&inputs) {
        if let Err(failed) = input {
            failed.write_failure(path, failures).context("cannot report")?;
        }
    }
    let mut are_all_rendered = true;
    for (path, input) in args.files.iter().zip(inputs) {
        let end = match input {
            Ok(input) => {
                let end = one(path, input, &names, config).unwrap_or_else(End::from);
                end.write_failure(path, failures).context("cannot report")?;
                end
            }
            Err(failed) => failed,
        };
        are_all_rendered &= matches!(end, End::Rendered { .. });
        let outcome = Report { file: path.clone(), end };
        if args.json { outcome.write_json(report) } else { outcome.write_text(report) }.context("cannot report")?;
    }
    Ok(are_all_rendered)
}

/// Renders one file.
fn one(path: &Path, input: Input, names: &Names<'_>, config: &Config) -> anyhow::Result<End> {
    let Input { source, extension, targets } = input;
    let mut source = match source {
        Some(source) => source,
        None => file::open(path, config.max_bytes).context("cannot be read")?,
    };
    let stop = Stop::at(Instant::now() + config.render_timeout);
    let limits = Limits { max_bytes: config.max_bytes, max_pixels: config.max_pixels, stop };
    let begun = Instant::now();
    let rendered = render_from(&mut *source, &config.recipe, &limits)?;
    let total = begun.elapsed();
    ensure!(extension == Some(rendered.header.format.extension()), "the file has changed during the run");
    write(&rendered.thumbnails, &targets, names)?;
    Ok(End::rendered(&rendered, source.length(), targets, total))
}

/// Writes the thumbnails of one file. All are written under temporary names before any gets its final name.
fn write(thumbnails: &[Thumbnail], targets: &[PathBuf], names: &Names<'_>) -> anyhow::Result<()> {
    // Another process may have created files in the meantime.
    names.check_all(targets)?;
    let cannot_write = |target: &Path| format!("cannot write {}", target.display());
    let mut temporaries = Vec::new();
    for (thumbnail, target) in thumbnails.iter().zip(targets) {
        let directory = target.parent().unwrap_or(Path::new(""));
        let temporary = Temporary::write(directory, &thumbnail.bytes).with_context(|| cannot_write(target))?;
        temporaries.push((temporary, target));
    }
    for (temporary, target) in temporaries {
        temporary.publish(target, names.is_forced()).with_context(|| cannot_write(target))?;
    }
    Ok(())
}

impl End {
    fn rendered(rendered: &Rendered, bytes: u64, targets: Vec<PathBuf>, total: Duration) -> Self {
        let header = &rendered.header;
        let (width, height) = header.upright();
        let written = rendered.thumbnails.iter().zip(targets).map(|(thumbnail, file)| Written {
            size: thumbnail.size.clone(),
            file,
            width: thumbnail.width,
            height: thumbnail.height,
            bytes: thumbnail.bytes.len() as u64,
        });
        let [decode, resize, encode, total] =
            [rendered.timings.decode, rendered.timings.resize, rendered.timings.encode, total]
                .map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
        Self::Rendered {
            original: Original { content_type: header.format.content_type(), width, height, bytes },
            thumbnails: written.collect(),
            tolerated: rendered.tolerated.iter().copied().map(Tolerated::as_str).collect(),
            milliseconds: Milliseconds { decode, resize, encode, total },
        }
    }

    /// Writes the reason if the file failed.
    fn write_failure(&self, file: &Path, out: &mut impl Write) -> io::Result<()> {
        let file = file.display();
        match self {
            Self::Rendered { .. } => Ok(()),
            Self::Failed { reason: Some(reason), error, .. } => writeln!(out, "{file}: {reason}: {error}"),
            Self::Failed { reason: None, error, .. } => writeln!(out, "{file}: {error}"),
        }
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        let (reason, kind) = match error.downcast_ref::<RenderError>() {
            Some(RenderError::Refused(refusal)) => (Some(Reason::from(refusal.reason)), refusal.kind),
            Some(RenderError::Stopped(_)) => (Some(Reason::RenderTimeout), None),
            Some(RenderError::Internal(_)) => (Some(Reason::Internal), None),
            Some(RenderError::Unreadable(_)) | None => (None, None),
        };
        let detail = reason.and_then(|reason| reason.detail(kind));
        Self::Failed { reason, detail, error: format!("{error:#}") }
    }
}

impl Report {
    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let file = self.file.display();
        match &self.end {
            End::Rendered { original, thumbnails, milliseconds, .. } => {
                let Original { content_type, width, height, bytes } = original;
                writeln!(out, "{file}: {content_type}, {width} x {height}, {}", ByteSize(*bytes))?;
                for Written { size, file, width, height, bytes } in thumbnails {
                    let (box_, bytes) = (format!("{width} x {height}"), ByteSize(*bytes).to_string());
                    writeln!(out, "  {size:<8} {box_:>11} {bytes:>10}  {}", file.display())?;
                }
                let Milliseconds { decode, resize, encode, total } = milliseconds;
                writeln!(out, "  {total:.1} ms: decode {decode:.1}, resize {resize:.1}, encode {encode:.1}")
            }
            End::Failed { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Machine, Role};

    /// Renders files with these contents. Returns whether all succeeded, and the lines of the report.
    fn render(files: &[(&str, &[u8])], json: bool) -> (bool, Vec<String>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let files = files.iter().map(|(name, bytes)| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            path
        });
        let args = Render { files: files.collect(), out: dir.path().join("out"), force: false, json };
        let config = Config::read(Role::Local, &Environment::default(), Machine::detect()).unwrap().config;
        let mut report = Vec::new();
        let all = run(&args, &config, &mut report, &mut io::sink()).unwrap();
        (all, String::from_utf8(report).unwrap().lines().map(str::to_owned).collect(), dir)
    }

    /// A PNG of 40 x 20 pixels.
    fn png() -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        image::RgbImage::from_pixel(40, 20, image::Rgb([9, 99, 199]))
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn files_are_named_after_stem_and_size() {
        let (all, report, dir) = render(&[("cat.tail.png", &png())], true);
        assert!(all, "{report:?}");
        let line: serde_json::Value = serde_json::from_str(&report[0]).unwrap();
        assert_eq!(line["original"]["width"], 40);
        for size in ["small", "medium", "large"] {
            assert!(dir.path().join(format!("out/cat.tail_{size}.png")).is_file(), "{size}");
        }
        assert_eq!(line["thumbnails"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_bad_file_does_not_stop_the_others() {
        let files: [(&str, &[u8]); 3] = [("a.jpg", b"not an image"), ("b.png", &png()), ("c.jpg", b"GIF89a")];
        let (all, report, _dir) = render(&files, true);
        assert!(!all);
        let lines: Vec<serde_json::Value> = report.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["reason"], "unsupported_type");
        assert!(lines[0]["error"].is_string());
        assert!(lines[1]["thumbnails"].is_array() && lines[1].get("detail").is_none());
        assert_eq!(lines[2]["detail"], "the file is a GIF image: send it as a JPEG or PNG");
    }

    #[test]
    fn oddities_that_cost_no_pixel_are_listed_in_json() {
        let whole = png();
        let (all, report, _dir) = render(&[("whole.png", &whole), ("cut.png", &whole[..whole.len() - 12])], true);
        assert!(all, "{report:?}");
        let lines: Vec<serde_json::Value> = report.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["tolerated"], serde_json::json!([]));
        assert_eq!(lines[1]["tolerated"], serde_json::json!(["missing_end"]));
    }

    #[test]
    fn what_cannot_be_read_has_no_reason_of_a_refusal() {
        let error = anyhow::Error::from(RenderError::from(io::Error::other("the disk is broken")));
        let End::Failed { reason: None, detail: None, error } = End::from(error) else {
            panic!("it is not the image's fault")
        };
        assert_eq!(error, "cannot be read: the disk is broken");
    }

    #[test]
    fn what_changes_after_the_names_are_checked_is_noticed_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let [cat, out] = ["cat.png", "out"].map(|name| dir.path().join(name));
        std::fs::write(&cat, png()).unwrap();
        std::fs::create_dir(&out).unwrap();
        let args = Render { files: vec![cat.clone()], out: out.clone(), force: true, json: false };
        let config = Config::read(Role::Local, &Environment::default(), Machine::detect()).unwrap().config;
        let error_after = |change: &dyn Fn(&mut Input)| {
            let (names, mut inputs) = names::plan(&args, &config);
            let mut input = inputs.remove(0).unwrap();
            change(&mut input);
            one(&cat, input, &names, &config).unwrap_err().to_string()
        };
        // Simulates that the file was a JPEG when its names were checked.
        let error = error_after(&|input| input.extension = Some("jpg"));
        assert!(error.contains("has changed"), "{error}");
        let error = error_after(&|_| std::fs::hard_link(&cat, out.join("cat_large.png")).unwrap());
        assert!(error.contains("cat_large.png is the input"), "{error}");
        assert_eq!(std::fs::read(&cat).unwrap(), png());
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    }
}

//! Rendering: from the bytes of an upload to its thumbnails. Pure: no tokio, no ports, and no I/O but what a [`Source`] does.

mod coarse;
mod colour;
mod components;
mod exif;
mod geometry;
mod jpeg;
mod lanczos;
mod orient;
mod pixels;
mod planes;
mod png;
mod probe;
mod slot;
mod stages;
mod strips;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::recipe::{Format, Recipe};
use crate::record::Reason;

pub use darkroom_codec::{Source, Stop, Stopped};
pub use probe::format_of;

use darkroom_codec::png::SIGNATURE as PNG_SIGNATURE;
use probe::Probe;
use slot::Slot;
use stages::Job;

/// What rendering takes beside the picture itself: codec tables, rows, the encoded thumbnails.
const FIXED_BYTES: u64 = 8 << 20;

/// What an upload may be at most, and when to stop working on it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width times height.
    pub max_pixels: u64,
    /// When to give up.
    pub stop: Stop,
}

/// What the header of an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// JPEG or PNG.
    pub format: Format,
    /// Pixels as stored, before the orientation.
    pub width: u32,
    /// Pixels as stored, before the orientation.
    pub height: u32,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// Upper bound of the memory that rendering it takes, in bytes, the source's own bytes left out.
    pub decode_bytes: u64,
}

impl Header {
    /// Width and height as a viewer shows the image: after the orientation.
    pub const fn upright(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// An upload that is not an image darkroom takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Which of the rejections it is.
    pub reason: Reason,
    /// What is wrong and with which value.
    pub detail: String,
}

/// Why there are no thumbnails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The upload is at fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Time ran out, or nobody waits any more.
    #[error("rendering {0}")]
    Stopped(#[from] Stopped),
    /// The upload could not be read to its end.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// darkroom or a codec is at fault.
    #[error("rendering failed: {0}")]
    Internal(String),
}

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// One thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The size's name.
    pub size: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The encoded file.
    pub bytes: Vec<u8>,
}

/// How long the stages took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From compressed bytes to pixels.
    pub decode: Duration,
    /// All sizes.
    pub resize: Duration,
    /// All sizes.
    pub encode: Duration,
}

/// What became of an image.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// What its header says.
    pub header: Header,
    /// One for each size of the recipe, in its order.
    pub thumbnails: Vec<Thumbnail>,
    /// How long it took.
    pub timings: Timings,
    /// Whether the file lacks its end marker and nothing else, which is forgiven.
    pub lacks_end: bool,
}

/// Reads the header of a whole file and checks it against the limits, before anything is decoded.
///
/// # Errors
/// A refusal: [`Reason::Empty`], [`Reason::TooManyBytes`], [`Reason::UnsupportedType`], [`Reason::TooManyPixels`],
/// [`Reason::TooMuchWork`], or [`Reason::Corrupt`] where the header itself is damaged.
pub fn inspect(bytes: &[u8], recipe: &Recipe, limits: &Limits) -> Result<Header, RenderError> {
    Probe::read(bytes, recipe, limits).map(|(_, header)| header)
}

/// Upper bound of [`Header::decode_bytes`] for every image of at most `max_pixels`: what admission must be able to give.
pub fn dearest_bytes(recipe: &Recipe, max_pixels: u64) -> u64 {
    let side = recipe.largest_side().into();
    let picture = jpeg::dearest_bytes(max_pixels, side).max(png::dearest_bytes(max_pixels, side));
    FIXED_BYTES + colour::memory(colour::MAX_PROFILE_BYTES as u64) + picture
}

/// Makes the recipe's thumbnails: upright, inside their boxes, without metadata, in the format of the source.
///
/// # Errors
/// When the bytes are refused, when [`Limits::stop`] says so, or when a codec fails in a way that is not the file's fault.
pub fn render(mut bytes: &[u8], recipe: &Recipe, limits: &Limits) -> Result<Rendered, RenderError> {
    let (probe, header) = Probe::read(bytes, recipe, limits)?;
    rendered(header, recipe, limits, |job| match &probe {
        Probe::Jpeg(probe) => jpeg::render(job, bytes, probe),
        Probe::Png(probe) => png::render(job, &mut bytes, probe),
    })
}

/// [`render`] of bytes that are elsewhere. A plain PNG is read piece by piece: no memory is taken for its picture's bytes.
/// Anything else is held whole.
///
/// # Errors
/// As above, and [`RenderError::Unreadable`].
pub fn render_from(source: &mut dyn Source, recipe: &Recipe, limits: &Limits) -> Result<Rendered, RenderError> {
    let mut signature = [0; PNG_SIGNATURE.len()];
    source.look(0, &mut signature)?;
    if &signature != PNG_SIGNATURE {
        probe::check_bytes(source.length(), limits.max_bytes)?;
        return render(&darkroom_codec::first(source, u64::MAX)?, recipe, limits);
    }
    let (probe, header) = Probe::read_png(source, recipe, limits)?;
    rendered(header, recipe, limits, |job| png::render(job, source, &probe))
}

fn rendered(
    header: Header,
    recipe: &Recipe,
    limits: &Limits,
    render: impl FnOnce(&mut Job<'_>) -> Result<Vec<Thumbnail>, RenderError>,
) -> Result<Rendered, RenderError> {
    // A codec that panics fails this image and no other: what it left behind is dropped with its slot.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let mut slot = Slot::take();
        let stop = &limits.stop;
        let mut job = Job { recipe, stop, slot: &mut slot, timings: Timings::default(), lacks_end: false };
        let thumbnails = render(&mut job)?;
        let Job { timings, lacks_end, .. } = job;
        slot.give_back();
        Ok(Rendered { header, thumbnails, timings, lacks_end })
    }));
    made.map_err(|panic| RenderError::Internal(panic_text(&*panic)))?
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a codec panicked: {}", text.unwrap_or("no message"))
}

//! The way in: the header is read and held against the limits, then the format's own path makes the thumbnails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_codec::png::SIGNATURE;
use darkroom_codec::read_prefix;

use crate::context::Context;
use crate::probe::{self, Probe};
use crate::scratch::Scratch;
use crate::{Header, Limits, Recipe, RenderError, Rendered, Source, Stop, Thumbnail, Timings, colour, jpeg, png};

/// What rendering takes beside the picture itself: codec tables, rows, the encoded thumbnails.
pub(crate) const FIXED_BYTES: u64 = 8 << 20;

/// A file whose header was read and is within the limits.
#[derive(Debug)]
pub struct Inspected<B> {
    bytes: B,
    probe: Probe,
    header: Header,
}

/// Reads the header of a whole file and checks it against the limits, before anything is decoded.
///
/// ```
/// use darkroom_thumbnail::{Limits, Recipe, RefusalReason, RenderError, inspect};
///
/// let refused = inspect(b"GIF89a", &Recipe::default(), &Limits::default());
/// let Err(RenderError::Refused(refusal)) = refused else { panic!("not refused") };
/// assert_eq!(refusal.reason, RefusalReason::UnsupportedType);
/// ```
///
/// # Errors
/// A [`Refusal`](crate::Refusal): any [`RefusalReason`](crate::RefusalReason), `Corrupt` where the header itself is damaged.
pub fn inspect<B: AsRef<[u8]>>(bytes: B, recipe: &Recipe, limits: &Limits) -> Result<Inspected<B>, RenderError> {
    let (probe, header) = Probe::read(bytes.as_ref(), recipe, limits)?;
    Ok(Inspected { bytes, probe, header })
}

impl<B: AsRef<[u8]>> Inspected<B> {
    /// What the header says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Makes the thumbnails of the recipe that the file was inspected for.
    ///
    /// # Errors
    /// When the file turns out to be damaged, when `stop` says so, or when a codec fails in a way that is not the file's
    /// fault.
    pub fn render(&self, recipe: &Recipe, stop: &Stop) -> Result<Rendered, RenderError> {
        let mut bytes = self.bytes.as_ref();
        rendered(self.header.clone(), recipe, stop, |context| match &self.probe {
            Probe::Jpeg(probe) => jpeg::render(context, bytes, probe),
            Probe::Png(probe) => png::render(context, &mut bytes, probe),
        })
    }
}

/// Makes the recipe's thumbnails: upright, inside their boxes, without metadata, in the format of the source.
///
/// # Errors
/// When the file is refused, when [`Limits::stop`] says so, or when a codec fails in a way that is not the file's fault.
pub fn render(bytes: &[u8], recipe: &Recipe, limits: &Limits) -> Result<Rendered, RenderError> {
    inspect(bytes, recipe, limits)?.render(recipe, &limits.stop)
}

/// [`render`] of bytes that are elsewhere. A plain PNG is read piece by piece: no memory is taken for its picture's bytes.
/// Anything else is held whole.
///
/// # Errors
/// As above, and [`RenderError::Unreadable`].
pub fn render_from(source: &mut dyn Source, recipe: &Recipe, limits: &Limits) -> Result<Rendered, RenderError> {
    let mut signature = [0; SIGNATURE.len()];
    source.read_at(0, &mut signature)?;
    if &signature != SIGNATURE {
        probe::check_bytes(source.length(), limits.max_bytes)?;
        return render(&read_prefix(source, u64::MAX)?, recipe, limits);
    }
    let (probe, header) = Probe::read_png(source, recipe, limits)?;
    rendered(header, recipe, &limits.stop, |context| png::render(context, source, &probe))
}

/// The most memory that rendering any image of at most `max_pixels` takes, in bytes: no [`Header::decode_bytes`] is more.
pub fn max_render_memory(recipe: &Recipe, max_pixels: u64) -> u64 {
    let side = recipe.largest_side().into();
    let picture = jpeg::max_decode_bytes(max_pixels, side).max(png::max_decode_bytes(max_pixels, side));
    FIXED_BYTES + colour::memory(colour::MAX_PROFILE_BYTES as u64) + picture
}

fn rendered(
    header: Header,
    recipe: &Recipe,
    stop: &Stop,
    render: impl FnOnce(&mut Context<'_>) -> Result<Vec<Thumbnail>, RenderError>,
) -> Result<Rendered, RenderError> {
    // A codec that panics fails this image and no other: what it left behind is dropped with its scratch.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let mut scratch = Scratch::take();
        let mut context =
            Context { recipe, stop, scratch: &mut scratch, timings: Timings::default(), lacks_end: false };
        let thumbnails = render(&mut context)?;
        let Context { timings, lacks_end, .. } = context;
        scratch.give_back();
        Ok(Rendered { header, thumbnails, timings, lacks_end })
    }));
    made.map_err(|panic| RenderError::Internal(panic_text(&*panic)))?
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a codec panicked: {}", text.unwrap_or("no message"))
}

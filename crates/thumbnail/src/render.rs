//! The entry points: read the header, check it against the limits, then run the renderer of the format.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_codec::png::SIGNATURE;
use darkroom_codec::read_prefix;

use crate::context::Context;
use crate::probe::{self, Probe};
use crate::scratch::Scratch;
use crate::{Header, Limits, Recipe, RenderError, Rendered, Source, Stop, Thumbnail, Timings, colour, jpeg, png};

/// The memory that rendering takes in addition to the picture: codec tables, rows, the encoded thumbnails.
pub(crate) const FIXED_BYTES: u64 = 8 << 20;

/// A file with a valid header that is within the limits.
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
/// A [`Refusal`](crate::Refusal) with any [`RefusalReason`](crate::RefusalReason); `Corrupt` if the header is damaged.
pub fn inspect<B: AsRef<[u8]>>(bytes: B, recipe: &Recipe, limits: &Limits) -> Result<Inspected<B>, RenderError> {
    let (probe, header) = Probe::read(bytes.as_ref(), recipe, limits)?;
    Ok(Inspected { bytes, probe, header })
}

impl<B: AsRef<[u8]>> Inspected<B> {
    /// The file's header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Makes the thumbnails of the recipe that the file was inspected for.
    ///
    /// # Errors
    /// When the file is damaged, when `stop` says so, or when a codec fails for a reason other than the file.
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
/// When the file is refused, when [`Limits::stop`] says so, or when a codec fails for a reason other than the file.
pub fn render(bytes: &[u8], recipe: &Recipe, limits: &Limits) -> Result<Rendered, RenderError> {
    inspect(bytes, recipe, limits)?.render(recipe, &limits.stop)
}

/// [`render`] for a [`Source`]. A PNG is read piece by piece, without holding its data in memory; a JPEG is held as a
/// whole.
///
/// # Errors
/// As for [`render`], and [`RenderError::Unreadable`].
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

/// The most memory that rendering any image of at most `max_pixels` takes, in bytes: the upper bound of
/// [`Header::decode_bytes`].
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
    // A panic in a codec fails only this image: its scratch memory is dropped.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let mut scratch = Scratch::take();
        let (timings, tolerated) = (Timings::default(), BTreeSet::new());
        let mut context = Context { recipe, stop, scratch: &mut scratch, timings, tolerated };
        let thumbnails = render(&mut context)?;
        let Context { timings, tolerated, .. } = context;
        scratch.give_back();
        Ok(Rendered { header, thumbnails, timings, tolerated })
    }));
    made.map_err(|panic| RenderError::Internal(panic_text(&*panic)))?
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a codec panicked: {}", text.unwrap_or("no message"))
}

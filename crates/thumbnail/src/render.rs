//! The entry points: read the header, check it against the limits, then run the renderer of the format.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_codec::png::SIGNATURE;
use darkroom_codec::read_prefix;

use crate::context::Context;
use crate::geometry::Dimensions;
use crate::probe::jpeg::JpegProbe;
use crate::probe::png::PngProbe;
use crate::probe::{self, Probe};
use crate::scratch::Scratch;
use crate::{
    Format, Header, Limits, Recipe, RenderError, Rendered, Source, Stop, Thumbnail, Timings, colour, jpeg, png,
};

/// The memory that rendering takes in addition to the picture: codec tables, rows, the encoded thumbnails.
const FIXED_BYTES: u64 = 8 << 20;

/// A file with a valid header that is within the limits, and the recipe that it was inspected for.
#[derive(Debug)]
pub struct Inspected<B> {
    bytes: B,
    recipe: Recipe,
    probe: Probe,
    header: Header,
}

/// Checks the header of a whole file against the limits, and returns the file ready to [`Inspected::render`]. The
/// result keeps a copy of the recipe, because [`Header::decode_bytes`] depends on it.
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
    let probe = Probe::read(bytes.as_ref(), limits)?;
    let header = match &probe {
        Probe::Jpeg(probe) => jpeg_header(probe, recipe),
        Probe::Png(probe) => png_header(probe, recipe),
    };
    Ok(Inspected { bytes, recipe: recipe.clone(), probe, header })
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
    pub fn render(&self, stop: &Stop) -> Result<Rendered, RenderError> {
        let mut bytes = self.bytes.as_ref();
        rendered(self.header.clone(), &self.recipe, stop, |context| match &self.probe {
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
    inspect(bytes, recipe, limits)?.render(&limits.stop)
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
    let probe = Probe::read_png(source, limits)?;
    rendered(png_header(&probe, recipe), recipe, &limits.stop, |context| png::render(context, source, &probe))
}

/// The most memory that rendering any image of at most `max_pixels` takes, in bytes: the upper bound of
/// [`Header::decode_bytes`]. The bytes of the file come on top. It stops growing at 10^12 pixels, the most that a PNG
/// can have.
pub fn max_render_memory(recipe: &Recipe, max_pixels: u64) -> u64 {
    let side = recipe.largest_side().into();
    let picture = jpeg::max_decode_bytes(max_pixels, side).max(png::max_decode_bytes(max_pixels, side));
    FIXED_BYTES + colour::memory(colour::MAX_PROFILE_BYTES as u64) + picture
}

fn jpeg_header(probe: &JpegProbe, recipe: &Recipe) -> Header {
    let (width, height) = (probe.width, probe.height);
    let large = Dimensions::new(width, height).inside(recipe.largest_side());
    let profile = colour::memory(probe.profile_bytes() as u64);
    let decode_bytes = FIXED_BYTES + profile + jpeg::decode_bytes(probe, large);
    Header { format: Format::Jpeg, width, height, orientation: probe.orientation, decode_bytes }
}

fn png_header(probe: &PngProbe, recipe: &Recipe) -> Header {
    let large = probe.size().inside(recipe.largest_side());
    let decode_bytes = FIXED_BYTES + probe.profile_memory() + png::decode_bytes(probe, large);
    let (width, height, orientation) = (probe.width, probe.height, probe.orientation);
    Header { format: Format::Png, width, height, orientation, decode_bytes }
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

//! Thumbnails of JPEG and PNG files.
//!
//! [`render`] takes the bytes of a file and a [`Recipe`], and returns one thumbnail for each of the recipe's sizes:
//! upright whatever the EXIF orientation, inside its box, never enlarged, in the format of the source, without
//! metadata. Transparency and colours are displayed as in the source. The picture is decoded once, and a JPEG at the
//! smallest scale that is enough for the largest thumbnail.
//!
//! # Example
//!
//! ```
//! use darkroom_thumbnail::{Limits, Recipe, Size, render};
//!
//! # fn photo() -> Vec<u8> {
//! #     let mut file = Vec::new();
//! #     let mut encoder = png::Encoder::new(&mut file, 64, 32);
//! #     encoder.set_color(png::ColorType::Rgb);
//! #     encoder.write_header().unwrap().write_image_data(&[200; 64 * 32 * 3]).unwrap();
//! #     file
//! # }
//! let photo: Vec<u8> = photo(); // a PNG of 64 x 32 pixels
//! let sizes = vec![Size { name: "icon".to_owned(), side: 16 }, Size { name: "page".to_owned(), side: 500 }];
//! let recipe = Recipe { sizes, ..Recipe::default() };
//! let rendered = render(&photo, &recipe, &Limits::default())?;
//!
//! let [icon, page] = rendered.thumbnails.as_slice() else { unreachable!("one for each size") };
//! assert_eq!((icon.width, icon.height), (16, 8));
//! assert_eq!((page.width, page.height), (64, 32));
//! assert!(icon.bytes.starts_with(b"\x89PNG"));
//! # Ok::<(), darkroom_thumbnail::RenderError>(())
//! ```
//!
//! # Untrusted files
//!
//! [`Limits`] bound a file's size. They are checked against its header before anything is decoded. [`inspect`] reads
//! the header before rendering: [`Header`] contains the most memory that rendering needs, and [`Inspected::render`]
//! continues from there. [`max_render_memory`] is the bound for every image within the limits.
//!
//! A file that is not an image, is damaged or exceeds a limit is an [`RenderError::Refused`] with its
//! [`RefusalReason`], and with its [`FileKind`] if it is recognised as something else, such as HEIC. A JPEG or PNG is
//! damaged if pixels are lost. Other faults are listed in [`Rendered::tolerated`].
//!
//! Rendering takes milliseconds to seconds of CPU time on the calling thread. A [`Stop`] sets a deadline and cancels it
//! from another thread.
//!
//! Only safe Rust decodes uploads. libjpeg-turbo encodes thumbnails.
#![forbid(unsafe_code)]

mod box_filter;
mod colour;
mod components;
mod context;
mod error;
mod exif;
mod file_kind;
mod format;
mod geometry;
mod jpeg;
mod lanczos;
mod limits;
mod orient;
mod pixels;
mod planes;
mod png;
mod probe;
mod recipe;
mod render;
mod rendered;
mod scratch;
mod strips;
mod tolerated;

pub use darkroom_codec::{Source, Stop, Stopped};
pub use error::{Refusal, RefusalReason, RenderError};
pub use file_kind::FileKind;
pub use format::Format;
pub use limits::Limits;
pub use recipe::{RENDER_REVISION, Recipe, Size};
pub use render::{Inspected, inspect, max_render_memory, render, render_from};
pub use rendered::{Header, Rendered, Thumbnail, Timings};
pub use tolerated::Tolerated;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

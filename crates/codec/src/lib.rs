//! Codecs for making small pictures of large ones, in safe Rust:
//!
//! - [`jpeg::decode`] decodes a JPEG at 1/8 to 8/8 of its size, into planes. It reads what T.81 calls baseline,
//!   extended sequential and progressive, with Huffman or arithmetic coding, eight bits a sample.
//! - [`png::Rows`] reads the rows of a PNG, [`png::Filters`] filters rows for a new one.
//! - [`inflate`] and [`deflate`] read and write zlib streams (RFC 1950, RFC 1951) as a PNG holds them.
//!
//! They are strict: a JPEG or PNG with lost pixels is an error ([`jpeg::Damage`], [`png::Error`]); no pixels are made
//! up.
//!
//! # Example
//!
//! A gray JPEG of 8 x 8 pixels becomes one pixel:
//!
//! ```
//! use darkroom_codec::Stop;
//! use darkroom_codec::jpeg::{self, PlaneMut};
//!
//! let mut file = b"\xff\xd8\xff\xdb\0\x43\0".to_vec(); // start of image; quantisation table 0:
//! file.extend([16; 64]);
//! file.extend(b"\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0"); // baseline frame: 8 x 8 pixels, one component
//! file.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"); // scan, by the typical Huffman tables
//! file.extend([0b011_10_101, 0b0_1111111]); // a DC coefficient of 2, and the end of the block
//! file.extend(b"\xff\xd9");
//!
//! let mut samples = [0];
//! let mut planes = [PlaneMut { width: 1, samples: &mut samples }];
//! let decoded = jpeg::decode(&file, 1, &mut planes, &Stop::default())?;
//! assert!(decoded.oddities.is_empty());
//! assert_eq!(samples, [128 + 2 * 16 / 8]);
//! # Ok::<(), jpeg::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod deflate;
pub mod dispatch;
pub mod inflate;
pub mod jpeg;
pub mod png;
mod source;
mod stop;

pub use source::{Source, read_prefix};
pub use stop::{Stop, Stopped};

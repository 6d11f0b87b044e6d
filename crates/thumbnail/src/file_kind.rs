//! Kinds of files that are recognised and not supported, so that a refusal can say what the file is.
//!
//! The signatures are those of the published specifications. Nothing is decoded: at most the first 64 KiB are read.

mod iso_media;
mod markup;
mod signatures;
mod tiff;
mod transfer;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $sentence:literal;)*) => {
        /// What a refused file is, such as HEIC, or an image that was broken on its way. The refusal says it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FileKind {
            $($(#[$doc])* $kind,)*
        }

        impl FileKind {
            /// Every kind.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// The name, such as `heic`. It never changes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What the file is and what to send instead, as a sentence without a full stop. It contains nothing of
            /// the file.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$kind => $sentence,)*
                }
            }
        }
    };
}

kinds! {
    /// HEIC, and HEIF with other codecs than AV1.
    Heic = "heic", "the file is a HEIC photograph: send it as a JPEG";
    /// AVIF.
    Avif = "avif", "the file is an AVIF image: send it as a JPEG or PNG";
    /// WebP.
    WebP = "webp", "the file is a WebP image: send it as a JPEG or PNG";
    /// GIF.
    Gif = "gif", "the file is a GIF image: send it as a JPEG or PNG";
    /// TIFF and `BigTIFF`.
    Tiff = "tiff", "the file is a TIFF image: send it as a JPEG or PNG";
    /// A camera's raw image.
    Raw = "raw", "the file is a RAW image of a camera: send it as a JPEG";
    /// JPEG 2000.
    Jpeg2000 = "jpeg_2000", "the file is a JPEG 2000 image: send it as a JPEG";
    /// JPEG XL.
    JpegXl = "jpeg_xl", "the file is a JPEG XL image: send it as a JPEG";
    /// JPEG XR.
    JpegXr = "jpeg_xr", "the file is a JPEG XR image: send it as a JPEG";
    /// A JPEG with a process that is not supported.
    RareJpeg = "rare_jpeg", "the file is a JPEG of a rare kind (lossless, hierarchical, 12 bits, or 2 components): \
        send it as a usual JPEG";
    /// A PNG that Xcode has converted.
    CgBi = "cgbi", "the file is a PNG that Xcode has converted for iOS (CgBI): send the original PNG";
    /// BMP.
    Bmp = "bmp", "the file is a BMP image: send it as a JPEG or PNG";
    /// Icons and cursors of Windows.
    Icon = "icon", "the file is a Windows icon: send it as a PNG";
    /// Photoshop.
    Photoshop = "photoshop", "the file is a Photoshop document: send it as a JPEG or PNG";
    /// SVG.
    Svg = "svg", "the file is an SVG drawing: send it as a PNG";
    /// XML other than SVG and XHTML.
    Xml = "xml", "the file is XML, not an image";
    /// HTML.
    Html = "html", "the file is an HTML page, not an image";
    /// PDF.
    Pdf = "pdf", "the file is a PDF document: send its pages as JPEG or PNG";
    /// A video, or a sound recording in the same container.
    Video = "video", "the file is a video or a sound recording, not an image";
    /// gzip.
    Gzip = "gzip", "the file is compressed with gzip: send the image without it";
    /// ZIP, and documents that are ZIP archives.
    Zip = "zip", "the file is a ZIP archive: send each image in it by itself";
    /// Other archives and compressed files.
    Archive = "archive", "the file is an archive or is compressed: send each image in it by itself";
    /// macOS's metadata of another file, named `._NAME`.
    AppleDouble = "apple_double", "the file has only the macOS metadata of another file (._NAME): send that file";
    /// A form with the file in it.
    Multipart = "multipart",
        "the file begins with the boundary of a multipart form: send the bytes of the image, not a form";
    /// The framing of `aws-chunked` or of HTTP's chunked transfer coding.
    AwsChunked = "aws_chunked",
        "the file begins with the framing of aws-chunked: send the bytes of the image without it";
    /// Base64 or a data URL.
    Base64 = "base64", "the file is Base64 text: send the bytes of the image, decoded";
    /// An image that was decoded or transferred as text.
    DecodedAsText = "decoded_as_text",
        "the file was read or sent as text, which destroys an image: send its bytes unchanged";
}

/// How much of a file is read.
const HEAD_BYTES: usize = 64 << 10;

impl FileKind {
    /// The kind with that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of a file that is neither JPEG nor PNG; `None` when it is not recognised.
    ///
    /// ```
    /// use darkroom_thumbnail::FileKind;
    ///
    /// assert_eq!(FileKind::of(b"GIF89a"), Some(FileKind::Gif));
    /// assert_eq!(FileKind::of(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"), Some(FileKind::Heic));
    /// assert_eq!(FileKind::of(b"a text"), None);
    /// ```
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        iso_media::kind(head, bytes.len() as u64)
            .or_else(|| tiff::kind(head))
            .or_else(|| signatures::kind(head))
            .or_else(|| transfer::kind(bytes))
            .or_else(|| markup::kind(head))
            .or_else(|| signatures::has_pdf_header(head).then_some(Self::Pdf))
    }
}

#[cfg(test)]
mod tests;

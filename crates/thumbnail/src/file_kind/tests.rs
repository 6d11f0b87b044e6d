use std::collections::HashSet;

use super::*;

/// A box of type `ftyp` with a major brand and compatible ones, and a box behind it.
fn ftyp(major: &str, compatible: &[&str]) -> Vec<u8> {
    let brands: String = std::iter::once(major).chain(["\0\0\x02\0"]).chain(compatible.iter().copied()).collect();
    let size = u32::try_from(8 + brands.len()).unwrap();
    [&size.to_be_bytes()[..], b"ftyp", brands.as_bytes(), b"\0\0\0\x08mdatheic"].concat()
}

/// A little-endian or big-endian TIFF whose first directory has these entries of one LONG.
fn tiff(is_little_endian: bool, entries: &[(u16, u32)]) -> Vec<u8> {
    let u16s = |value: u16| if is_little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
    let u32s = |value: u32| if is_little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
    let mut file = if is_little_endian { b"II".to_vec() } else { b"MM".to_vec() };
    file.extend(u16s(42));
    file.extend(u32s(16));
    file.extend([0; 8]);
    file.extend(u16s(u16::try_from(entries.len()).unwrap()));
    for (tag, value) in entries {
        file.extend(u16s(*tag));
        file.extend(u16s(4));
        file.extend(u32s(1));
        file.extend(u32s(*value));
    }
    file
}

fn packets(first: usize, step: usize, count: usize) -> Vec<u8> {
    let mut file = vec![0; first + step * count];
    (0..count).for_each(|packet| file[first + packet * step] = 0x47);
    file
}

fn bmp(header_bytes: u32) -> Vec<u8> {
    [&b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"[..], &header_bytes.to_le_bytes(), &[0; 8]].concat()
}

/// Every kind with files of it.
fn examples() -> Vec<(FileKind, Vec<Vec<u8>>)> {
    use FileKind::*;
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let bytes = |files: &[&[u8]]| files.iter().map(|file| file.to_vec()).collect::<Vec<_>>();
    let majors = |brands: &[&str]| brands.iter().map(|brand| ftyp(brand, &["mif1"])).collect::<Vec<_>>();
    let utf16 = |text: &str, mark: [u8; 2], is_little: bool| {
        let units =
            text.encode_utf16().flat_map(|unit| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() });
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    let mut heic = majors(&["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "avci", "mif1", "msf1"]);
    heic.extend([
        ftyp("mif1", &["heic"]),
        ftyp("mp42", &["isom", "heic"]),
        ftyp("heic", &["mif1", "avif"]),
        ftyp("MiHE", &["miaf"]),
        ftyp("heic", &[]),
        // Sizes of 64 bits, and to the end of the file.
        b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x1cmif1\0\0\0\0heic".to_vec(),
        b"\0\0\0\0ftypmif1\0\0\0\0heic".to_vec(),
        // Cut off behind the major brand.
        b"\0\0\0\x18ftypheic".to_vec(),
    ]);
    let mut avif = majors(&["avif", "avis"]);
    avif.extend([ftyp("mif1", &["avif"]), ftyp("msf1", &["avis"]), ftyp("mif1", &["miaf", "MA1B", "avif"])]);
    let mut video: Vec<Vec<u8>> =
        ["isom", "iso2", "iso6", "mp41", "mp42", "avc1", "M4V ", "M4A ", "qt  ", "3gp4", "3gp5", "3g2a", "dash"]
            .iter()
            .map(|brand| ftyp(brand, &["isom"]))
            .collect();
    video.extend(bytes(&[
        b"\0\0\0\x08wide\0\0\0\x08mdat",
        b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x10",
        b"\0\0\0\x0cmoov\0\0\0\0",
        b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01",
        b"RIFF\0\0\0\0AVI LIST",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\x01\xba\x44",
        b"\0\0\x01\xb3\x14",
        b"OggS\0\x02",
        b"FLV\x01\x05",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
        b"ID3\x04",
        b"fLaC\0",
    ]));
    video.extend([packets(0, 188, 3), packets(4, 192, 3)]);
    let mut raw = vec![
        tiff(true, &[(0xc612, 0x0401)]),
        tiff(false, &[(0x00fe, 1), (0x010f, 0), (0x014a, 0)]),
        ftyp("crx ", &["isom"]),
    ];
    raw.extend(bytes(&[
        b"II\x2a\0\x10\0\0\0CR\x02\0",
        b"II\x1a\0\0\0HEAPCCDR",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FUJIFILMCCD-RAW 0201",
        b"FOVb\0\0\x02\0",
        b"\0MRM\0\0\0\0",
    ]));
    let mut tiffs = vec![tiff(true, &[(0x00fe, 0), (0x010f, 0)]), tiff(false, &[(0x00fe, 1), (0x010f, 0)])];
    tiffs.extend(bytes(&[b"II\x2a\0", b"MM\0\x2a\xff\xff\xff\xff", b"II\x2b\0\x08\0\0\0", b"MM\0\x2b\0\x08\0\0"]));
    let mut svg = texts(&[
        "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        " \n<svg>",
        "\u{feff}<?xml version=\"1.0\"?>\n<!-- a > b --><svg:svg xmlns:svg=\"x\">",
        "<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x\" [<!ENTITY a \"b\">]><svg>",
    ]);
    svg.extend([utf16("<svg >", [0xff, 0xfe], true), utf16("<svg >", [0xfe, 0xff], false)]);
    vec![
        (Heic, heic),
        (Avif, avif),
        (WebP, bytes(&[b"RIFF\x24\0\0\0WEBPVP8 ", b"RIFF\x24\0\0\0WEBPVP8X"])),
        (Gif, bytes(&[b"GIF87a", b"GIF89a\x01\0"])),
        (Tiff, tiffs),
        (Raw, raw),
        (Jpeg2000, bytes(&[b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", b"\xff\x4f\xff\x51\0\x2f"])),
        (JpegXl, bytes(&[b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", b"\xff\x0a\xfa\x1f"])),
        (JpegXr, bytes(&[b"II\xbc\x01\x20\0\0\0"])),
        (Bmp, [12, 40, 56, 108, 124].map(bmp).to_vec()),
        (Icon, bytes(&[&[b"\0\0\x01\0\x01\0\x20\x20\0\0".as_slice(), &[0; 12]].concat(), b"RIFF\0\0\0\0ACONanih"])),
        (Photoshop, bytes(&[b"8BPS\0\x01\0\0", b"8BPS\0\x02\0\0"])),
        (Svg, svg),
        (
            Xml,
            texts(&[
                "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
                "<?xml",
                "<Error><Code>",
                "<!DOCTYPE note><note>",
            ]),
        ),
        (
            Html,
            texts(&[
                "<!DOCTYPE html>\n<p>",
                "<!doctype HTML PUBLIC \"x\">",
                "<html lang=\"en\">",
                "\n\n<!-- a --> <HTML>",
                "<head><title>",
                "<?xml version=\"1.0\"?><html xmlns=\"x\">",
            ]),
        ),
        (Pdf, texts(&["%PDF-1.7\n", "\u{feff}%PDF-1.4", "junk\r\n%PDF-1.4"])),
        (Video, video),
        (Gzip, bytes(&[b"\x1f\x8b\x08\0"])),
        (Zip, bytes(&[b"PK\x03\x04\x14\0", b"PK\x05\x06\0\0", b"PK\x07\x08PK\x03\x04"])),
        (
            Archive,
            bytes(&[b"7z\xbc\xaf\x27\x1c\0\x04", b"Rar!\x1a\x07\0", b"\xfd7zXZ\0", b"BZh91AY", b"\x28\xb5\x2f\xfd"]),
        ),
        (AppleDouble, bytes(&[b"\0\x05\x16\x07\0\x02\0\0Mac OS X"])),
        (
            Multipart,
            texts(&[
                "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n",
                "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\ncontent-type: image/jpeg\r\n\r\n",
                "\r\n--a b'()+_,-./:=?\r\nCONTENT-DISPOSITION: form-data",
                "--boundary\nContent-Disposition: form-data",
                &format!("--{}\r\nContent-Type: x", "b".repeat(70)),
            ]),
        ),
        (
            AwsChunked,
            bytes(&[
                b"1a4;chunk-signature=0123\r\n\xff\xd8\xff",
                b"0;chunk-signature=0123\r\n\r\n",
                b"10000\r\n\xff\xd8\xff\xe0",
                b"2000\r\n\x89PNG\r\n\x1a\n",
                b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
                b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
                b"0\r\n\r\n",
            ]),
        ),
        (
            Base64,
            texts(&[
                "/9j/4AAQSkZJRgABAQAAAQ==",
                "iVBORw0KGgoAAAANSUhEUg",
                "data:image/jpeg;base64,/9j/",
                "\"/9j/4AAQ\"",
                "DATA:image/png;base64,",
            ]),
        ),
        (
            DecodedAsText,
            bytes(&[
                String::from_utf8_lossy(b"\xff\xd8\xff\xe0\0\x10JFIF\0").as_bytes(),
                String::from_utf8_lossy(png_signature()).as_bytes(),
                "\u{ff}\u{d8}\u{ff}\u{e0}\0".as_bytes(),
                "\u{89}PNG\r\n".as_bytes(),
                b"\x89PNG\n\x1a\n\0\0",
                b"\x09PNG\r\n\x1a\n\0\0",
            ]),
        ),
    ]
}

fn png_signature() -> &'static [u8] {
    darkroom_codec::png::SIGNATURE
}

#[test]
fn every_kind_is_recognised_in_its_variants() {
    let examples = examples();
    for (kind, files) in &examples {
        for file in files {
            assert_eq!(FileKind::of(file), Some(*kind), "{}", file.escape_ascii());
            assert_eq!(crate::Format::of(file), None, "{}", file.escape_ascii());
        }
    }
    // Both are found by the probe of their format.
    let mut kinds: HashSet<FileKind> = examples.into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.insert(FileKind::RareJpeg) && kinds.insert(FileKind::CgBi));
    assert_eq!(kinds.len(), FileKind::ALL.len());
}

#[test]
fn what_only_resembles_a_kind_is_not_recognised() {
    for file in [
        &b"This is a text, whatever its name says."[..],
        b"",
        b"\0",
        b"\0\0\0\x18ftyp",
        b"\0\0\0\x18ftypheix"[..11].into(),
        b"    freely",
        b"RIFF\0\0\0\0",
        b"RIFF\0\0\0\0RMID",
        b"PK\x01\x02",
        b"\x1f\x8b",
        b"BMW is not a BMP",
        b"\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"-- \r\nA signature",
        b"--boundary\r\nno header",
        b"--boundary",
        b"10\r\nten lines",
        b"cafe\r\nis open",
        b"11111111111111111\r\n\xff\xd8\xff",
        b"/9j/ is how Base64 of a JPEG begins",
        b"< 3 of 4",
        b"<3",
        b"<!-- never closed",
        b"a %PDF",
    ] {
        assert_eq!(FileKind::of(file), None, "{}", file.escape_ascii());
    }
    let long = format!("--{}\r\nContent-Type: x", "b".repeat(71));
    assert_eq!(FileKind::of(long.as_bytes()), None);
    assert_eq!(FileKind::of(&packets(0, 188, 2)), None);
    assert_eq!(FileKind::of(&bmp(41)), None);
    for (junk_bytes, expected) in [(1018, Some(FileKind::Pdf)), (1019, Some(FileKind::Pdf)), (1020, None)] {
        assert_eq!(FileKind::of(&[&vec![b' '; junk_bytes], &b"%PDF-1.4"[..]].concat()), expected, "{junk_bytes}");
    }
}

/// The detail of a refusal is stored in a catalog whose items are small, and is shown to people.
#[test]
fn each_kind_has_a_name_and_a_short_sentence_of_its_own() {
    let names: HashSet<&str> = FileKind::ALL.into_iter().map(FileKind::name).collect();
    let sentences: HashSet<&str> = FileKind::ALL.into_iter().map(FileKind::sentence).collect();
    assert_eq!((names.len(), sentences.len()), (FileKind::ALL.len(), FileKind::ALL.len()));
    for kind in FileKind::ALL {
        let (name, sentence) = (kind.name(), kind.sentence());
        assert_eq!(FileKind::from_name(name), Some(kind));
        assert!(name.len() <= 16 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        assert!(sentence.starts_with("the file ") && sentence.len() <= 160 && !sentence.ends_with('.'), "{sentence}");
        assert!(!sentence.contains("  ") && !sentence.chars().any(char::is_control), "{sentence}");
    }
    assert_eq!(FileKind::from_name("HEIC"), None);
}

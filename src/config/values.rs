//! Parses setting values. Each function parses one type and describes invalid input.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;

use crate::recipe::{Recipe, Size};

/// The value, or the mistake. Its text continues a sentence that starts with "it".
pub(super) type Parsed<T> = Result<T, String>;

/// The longest name of a size.
const MAX_SIZE_NAME_CHARS: usize = 32;

/// The valid sides of a thumbnail's box, in pixels.
const SIDES: RangeInclusive<u32> = 1..=10_000;

/// The most sizes of a recipe.
const MAX_SIZES: usize = 16;

/// Parses a duration with a unit, such as `60s` or `1m 30s`.
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Parsed<Duration> {
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let value = humantime::parse_duration(text)
        .ok()
        .filter(|_| has_unit)
        .ok_or("must be a duration with a unit, such as 60s or 5m")?;
    if range.contains(&value) {
        return Ok(value);
    }
    let [least, most] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
    Err(format!("must be from {least} to {most}"))
}

/// Parses a number of bytes with a unit, such as `64MiB`.
pub(super) fn size(text: &str, range: RangeInclusive<u64>) -> Parsed<u64> {
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let value = text
        .parse::<ByteSize>()
        .ok()
        .filter(|_| has_unit)
        .ok_or("must be a size with a unit, such as 64MiB or 2GB")?
        .as_u64();
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("must be from {} to {}", ByteSize(*range.start()), ByteSize(*range.end())))
}

/// Parses a number of pixels, such as `100MP` or `25000000`.
pub(super) fn pixels(text: &str, range: RangeInclusive<u64>) -> Parsed<u64> {
    const PER_MEGAPIXEL: u64 = 1_000_000;
    let value = match text.strip_suffix("MP") {
        Some(megapixels) => megapixels.trim_end().parse::<u64>().ok().and_then(|n| n.checked_mul(PER_MEGAPIXEL)),
        None => text.parse().ok(),
    };
    let value = value.ok_or("must be a number of pixels, such as 100MP or 25000000")?;
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("must be from {} to {} pixels", range.start(), range.end()))
}

/// Parses a whole number.
pub(super) fn count(text: &str, range: RangeInclusive<u32>) -> Parsed<u32> {
    let value: Option<u32> = text.parse().ok();
    value
        .filter(|value| range.contains(value))
        .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

/// Parses a group id: a number, or a name in `groups`, which has the format of `/etc/group`.
pub(super) fn group(text: &str, groups: &str) -> Parsed<u32> {
    let id_of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(text)).then(|| fields.nth(1)?.parse().ok()).flatten()
    };
    // The system interprets the largest number as "no change".
    let is_id = |id: &u32| *id != u32::MAX;
    let id = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { groups.lines().find_map(id_of) };
    id.filter(is_id).ok_or_else(|| "must be a group's id, or a name in /etc/group".to_owned())
}

/// The loopback address with this port.
pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Parses an address to listen on: `127.0.0.1:8080` or `[::]:8080`. `localhost:8080`, `:8080` and `8080` use the
/// loopback: other interfaces must be named explicitly.
pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    let port = text.strip_prefix("localhost").filter(|rest| rest.starts_with(':')).unwrap_or(text);
    let port = port.strip_prefix(':').unwrap_or(port);
    let port = Some(port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    match port.map(str::parse) {
        Some(port) => port.ok().map(loopback),
        None => text.parse().ok(),
    }
    .ok_or_else(|| {
        "must be an address and a port, such as 127.0.0.1:8080, [::]:8080 or localhost:8080, or a port of 127.0.0.1"
            .to_owned()
    })
}

/// Parses `on` or `off`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// Parses the thumbnail sizes, such as `small:100,large:1000`. Returns them in ascending order.
pub(super) fn recipe(text: &str) -> Parsed<Recipe> {
    let mut sizes = text.split(',').map(|part| one_size(part.trim())).collect::<Parsed<Vec<Size>>>()?;
    if sizes.len() > MAX_SIZES {
        return Err(format!("must have at most {MAX_SIZES} sizes"));
    }
    sizes.sort_by_key(|size| size.side);
    let mut names: Vec<&str> = sizes.iter().map(|size| &*size.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("has the name {:?} twice", twice[0]));
    }
    Ok(Recipe { sizes, ..Recipe::default() })
}

fn one_size(text: &str) -> Parsed<Size> {
    let (name, side) = text.split_once(':').ok_or("must be a list of name:pixels, such as small:100,large:1000")?;
    let is_name = (1..=MAX_SIZE_NAME_CHARS).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !is_name {
        return Err(format!("has the name {name:?}: names have 1 to {MAX_SIZE_NAME_CHARS} of a-z, 0-9, _ and -"));
    }
    let side = count(side, SIDES).map_err(|problem| format!("has the size {name:?} whose side {problem}"))?;
    Ok(Size { name: name.to_owned(), side })
}

/// Parses an absolute `http` or `https` URL without query or fragment. Returns it without a trailing slash.
pub(super) fn web_address(text: &str) -> Parsed<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_plain = !host.contains(['?', '#', '\\']) && !host.contains(|c: char| c.is_whitespace() || c.is_control());
    if host.is_empty() || host.starts_with('/') || !is_plain {
        return Err("must begin with https:// or http://, name a host, and have no query".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Parses allowed origins: `*`, or a list of `https://host[:port]`.
pub(super) fn origins(text: &str) -> Parsed<Vec<String>> {
    text.split(',').map(|part| one_origin(part.trim())).collect()
}

fn one_origin(text: &str) -> Parsed<String> {
    let is_origin = web_address(text).is_ok_and(|address| address.matches('/').count() == 2 && address == text);
    if text == "*" || is_origin {
        return Ok(text.to_owned());
    }
    Err(format!("has {text:?}: must be * or a list of origins such as https://example.org, without a path"))
}

/// Parses host names or addresses without scheme and port. Returns them in lower case.
pub(super) fn hosts(text: &str) -> Parsed<Vec<String>> {
    text.split(',').map(|part| one_host(part.trim())).collect()
}

fn one_host(text: &str) -> Parsed<String> {
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_name = host.len() <= 253 && host.split('.').all(is_label);
    if is_name || host.parse::<IpAddr>().is_ok() {
        return Ok(host);
    }
    Err(format!("has {text:?}: must be a list of host names or addresses such as images.example, without a port"))
}

/// Parses addresses and networks of proxies, such as `10.0.0.0/8`.
pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    text.split(',').map(|part| one_network(part.trim())).collect()
}

fn one_network(text: &str) -> Parsed<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let wrong = || format!("has {text:?}: must be a list of addresses or networks such as 10.0.0.7 or 10.0.0.0/8");
    text.parse::<IpNet>().ok().or_else(address).ok_or_else(wrong)
}

/// Parses a bucket name.
pub(super) fn bucket(text: &str) -> Parsed<String> {
    let is_name = (3..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
    if is_name { Ok(text.to_owned()) } else { Err("must be a bucket: 3 to 63 of a-z, 0-9, - and .".to_owned()) }
}

/// Parses the prefix of the uploads' keys.
pub(super) fn prefix(text: &str) -> Parsed<String> {
    /// S3's longest key minus the longest image id.
    const MAX_BYTES: usize = 1024 - crate::record::ImageId::MAX_CHARS;
    let has_form = (text.is_empty() || text.ends_with('/')) && !text.starts_with('/');
    if has_form && text.len() <= MAX_BYTES && !text.contains(|c: char| c.is_control()) {
        return Ok(text.to_owned());
    }
    Err("must be empty, or end in / and not begin with one".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that `parse` accepts.
    fn accepted<'a, T>(texts: &[&'a str], parse: impl Fn(&str) -> Parsed<T>) -> Vec<&'a str> {
        texts.iter().copied().filter(|text| parse(text).is_ok()).collect()
    }

    #[test]
    fn durations_and_sizes_need_a_unit() {
        let any = Duration::ZERO..=Duration::MAX;
        assert_eq!(duration("90s", any.clone()), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m 30s", any.clone()), Ok(Duration::from_secs(90)));
        assert!(accepted(&["90", "0", "", "s", "-1s", "1 parsec"], |text| duration(text, any.clone())).is_empty());
        assert_eq!(size("64MiB", 0..=u64::MAX), Ok(64 << 20));
        assert_eq!(size("1.5GiB", 0..=u64::MAX), Ok(3 << 29));
        assert!(accepted(&["64", "0", "", "MiB", "-1MiB", "1 stone"], |text| size(text, 0..=u64::MAX)).is_empty());
    }

    #[test]
    fn bounds_belong_to_the_range() {
        let seconds = |n| Duration::from_secs(n);
        let texts = ["1s", "2s", "3s", "3599s", "1h", "3601s"];
        assert_eq!(accepted(&texts, |text| duration(text, seconds(2)..=seconds(3600))), texts[1..5]);
        let texts = ["9B", "10B", "11B", "19B", "20B", "21B"];
        assert_eq!(accepted(&texts, |text| size(text, 10..=20)), texts[1..5]);
        let texts = ["0", "1", "2", "9", "10", "11"];
        assert_eq!(accepted(&texts, |text| count(text, 1..=10)), texts[1..5]);
        let texts = ["999999", "1MP", "1000001", "99999999", "100MP", "100000001"];
        assert_eq!(accepted(&texts, |text| pixels(text, 1_000_000..=100_000_000)), texts[1..5]);
    }

    #[test]
    fn a_recipe_is_sorted_and_its_names_are_unique() {
        let recipe_of = |text| recipe(text).unwrap().sizes.into_iter().map(|size| (size.name, size.side)).collect();
        let sizes: Vec<(String, u32)> = recipe_of("large:1000, small:100");
        assert_eq!(sizes, [("small".to_owned(), 100), ("large".to_owned(), 1000)]);
        let bad =
            ["", "small", "small:", ":100", "small:0", "small:10001", "Small:1", "a:1,a:2", "a/b:1", "a:1,", "a:x"];
        assert!(accepted(&bad, recipe).is_empty(), "{:?}", accepted(&bad, recipe));
        assert!(recipe(&format!("{}:1", "n".repeat(32))).is_ok());
        assert!(recipe(&format!("{}:1", "n".repeat(33))).is_err());
        let many = |n: usize| (0..n).map(|i| format!("s{i}:{}", i + 1)).collect::<Vec<_>>().join(",");
        assert!(recipe(&many(16)).is_ok());
        assert!(recipe(&many(17)).is_err());
    }

    #[test]
    fn an_address_is_absolute_and_loses_its_last_slash() {
        assert_eq!(web_address("https://cdn.example.org/"), Ok("https://cdn.example.org".to_owned()));
        let bad =
            ["", "cdn.example.org", "ftp://x", "https://", "https:///x", "https://x?y", "https://x#y", "https://a b"];
        assert!(accepted(&bad, web_address).is_empty());
    }

    #[test]
    fn an_origin_has_no_path() {
        let good = ["*", "https://example.org", "http://localhost:3000", "https://a.org, https://b.org"];
        assert_eq!(accepted(&good, origins), good);
        assert!(
            accepted(&["", "example.org", "https://a.org/", "https://a.org/x", "https://a.org,"], origins).is_empty()
        );
    }

    #[test]
    fn a_host_has_neither_scheme_nor_port() {
        let good = ["images.example", "a", "10.0.0.1", "::1", "Images.Example., b_c.d-e"];
        assert_eq!(accepted(&good, hosts), good);
        assert_eq!(hosts(good[4]), Ok(vec!["images.example".to_owned(), "b_c.d-e".to_owned()]));
        let long = format!("{}.example", "l".repeat(64));
        let bad = ["", ".", "a,", "a b", "http://a", "a:80", "[::1]", "*", "*.example", "a/b", "a@b", "ä", &long];
        assert!(accepted(&bad, hosts).is_empty(), "{:?}", accepted(&bad, hosts));
    }

    #[test]
    fn a_network_is_an_address_or_has_its_length() {
        let good = ["10.0.0.7", "10.0.0.0/8", "::1", "fd00::/8, 192.0.2.1/32"];
        assert_eq!(accepted(&good, networks), good);
        let bad = ["", "10.0.0.0/33", "10.0.0", "fd00::/129", "proxy.example", "10.0.0.1,", "*"];
        assert!(accepted(&bad, networks).is_empty(), "{:?}", accepted(&bad, networks));
        let [network, alone] = ["10.0.0.0/8", "10.0.0.7"].map(|text| networks(text).unwrap()[0]);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network.contains(&address("10.255.0.1")) && !network.contains(&address("11.0.0.0")));
        assert!(alone.contains(&address("10.0.0.7")) && !alone.contains(&address("10.0.0.8")));
    }

    #[test]
    fn names_of_buckets_and_prefixes_are_checked() {
        let (shortest, longest) = ("abc", "b".repeat(63));
        assert_eq!(
            accepted(&["", "ab", shortest, "Abc", "a/b", &longest, &"b".repeat(64)], bucket),
            [shortest, &longest]
        );
        let good = ["", "uploads/", "in/today/"];
        assert_eq!(accepted(&good, prefix), good);
        assert!(accepted(&["uploads", "/", "/uploads/", "a\n/"], prefix).is_empty());
    }

    #[test]
    fn a_group_is_an_id_or_a_name_that_the_machine_knows() {
        let groups = "root:x:0:\nusers:x:100:anna,bert\nbroken:x\nstaff:x:4294967295:\n";
        for (text, id) in [
            ("0", Some(0)),
            ("2000", Some(2000)),
            ("4294967294", Some(4_294_967_294)),
            ("4294967295", None),
            ("4294967296", None),
            ("root", Some(0)),
            ("users", Some(100)),
            ("user", None),
            ("anna", None),
            ("broken", None),
            ("staff", None),
            ("-1", None),
        ] {
            assert_eq!(group(text, groups).ok(), id, "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_one_of_the_loopback() {
        for (text, listens_on) in [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("0.0.0.0:8080", Some("0.0.0.0:8080")),
            ("[::]:8080", Some("[::]:8080")),
            ("localhost:8080", Some("127.0.0.1:8080")),
            (":8080", Some("127.0.0.1:8080")),
            ("8080", Some("127.0.0.1:8080")),
            ("0", Some("127.0.0.1:0")),
            ("65535", Some("127.0.0.1:65535")),
            ("65536", None),
            ("+80", None),
            ("-1", None),
            ("", None),
            (":", None),
            ("::8080", None),
            ("localhost", None),
            ("localhost8080", None),
            ("127.0.0.1", None),
            ("example.org:80", None),
            ("127.0.0.1:", None),
        ] {
            assert_eq!(address(text).ok(), listens_on.map(|address| address.parse().unwrap()), "{text:?}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off() {
        assert_eq!((switch("on"), switch("off")), (Ok(true), Ok(false)));
        assert!(accepted(&["", "true", "1", "ON"], switch).is_empty());
    }
}

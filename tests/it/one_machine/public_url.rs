//! Thumbnails at `DARKROOM_PUBLIC_URL`, which the local backend serves itself.

use reqwest::{Client, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Site;
use crate::images;
use crate::process::Process;

const TOKEN: &str = "0123456789abcdef";
const SETTING: &str = "DARKROOM_PUBLIC_URL";

async fn start(site: &Site, public_url: &str, token: Option<&str>) -> Process {
    let mut command = site.command("local");
    command.env(SETTING, public_url).envs(token.map(|token| ("DARKROOM_API_TOKEN", token)));
    site.run(command).await
}

/// The URLs of a new image's thumbnails, from small to large.
async fn thumbnails(site: &Site) -> Vec<String> {
    let id = site.upload(&images::jpeg(1600, 1200)).await;
    let image = site.expect_published(&id).await;
    ["small", "medium", "large"].map(|size| image["thumbnails"][size]["url"].as_str().unwrap().to_owned()).to_vec()
}

async fn get(url: &str) -> Response {
    reqwest::get(url).await.unwrap()
}

/// Sends a path as it is; clients resolve `..` and `%2e%2e` before they send it. Returns the whole answer.
async fn get_unchanged(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

/// The public URL may lead below the base path of the API.
#[tokio::test]
async fn with_a_base_path_everything_is_served_below_it() {
    for path in ["/photos", "/photos/public", "/elsewhere"] {
        let site = Site::new();
        let mut command = site.command("local");
        command.env(SETTING, format!("{}{path}", site.api)).env("DARKROOM_BASE_PATH", "/photos");
        let darkroom = site.run(command).await;
        let created: serde_json::Value =
            Client::new().post(format!("{}/photos/images", site.api)).send().await.unwrap().json().await.unwrap();
        let upload_url = created["uploadUrl"].as_str().unwrap();
        assert!(upload_url.starts_with(&format!("{}/photos/", site.api)), "{upload_url}");
        let sent =
            Client::new().put(upload_url).header("if-none-match", "*").body(images::jpeg(1600, 1200)).send().await;
        assert_eq!(sent.unwrap().status(), 200);
        let image = site.expect_published(created["id"].as_str().unwrap()).await;
        let url = image["thumbnails"]["small"]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}{path}/thumbnails/", site.api)), "{url}");
        assert_eq!(get(url).await.status(), 200, "{url}");
        darkroom.stop().await;
    }
}

#[tokio::test]
async fn every_thumbnail_is_served_where_the_public_url_says() {
    for path in ["", "/images", "/thumbnails", "/a-b._~/%7Ec"] {
        let site = Site::new();
        let public_url = format!("{}{path}", site.api);
        let darkroom = start(&site, &public_url, None).await;
        for (url, side) in thumbnails(&site).await.into_iter().zip([100, 500, 1000]) {
            assert!(url.starts_with(&format!("{public_url}/thumbnails/")), "{url}");
            let answer = get(&url).await;
            assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, "image/jpeg"), "{url}");
            let decoded = image::load_from_memory(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(decoded.width(), side);
        }
        darkroom.stop().await;
    }
}

#[tokio::test]
async fn public_thumbnails_may_be_cached_by_anyone_and_nothing_else_is_public() {
    let site = Site::new();
    let darkroom = start(&site, &site.api, None).await;
    let [small, ..] = &thumbnails(&site).await[..] else { panic!("no thumbnails") };
    let id = small.split('/').nth(4).unwrap();
    darkroom.stop().await;

    let darkroom = start(&site, &site.api, Some(TOKEN)).await;
    let answer = get(small).await;
    assert_eq!(answer.status(), 200, "no token is asked for");
    assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    let again = site.http.get(small).header("if-none-match", header(&answer, "etag")).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "cache-control")), (304, header(&answer, "cache-control")));
    assert_eq!(site.http.head(small).send().await.unwrap().status(), 200);
    assert_eq!(site.http.put(small).body("x").send().await.unwrap().status(), 405);
    for (path, status, problem) in [
        (format!("/thumbnails/..%2Fuploads/{id}"), 404, "no-such-object"),
        (format!("/thumbnails/%2e%2e/uploads/{id}"), 404, "no-such-object"),
        (format!("/thumbnails/../uploads/{id}"), 404, "no-such-object"),
        (format!("/thumbnails//{id}"), 404, "no-such-object"),
        (format!("/thumbnails/{id}"), 404, "no-such-object"),
        ("/thumbnails/..%2f..%2f..%2fetc%2fpasswd".to_owned(), 404, "no-such-object"),
        ("/thumbnails/../darkroom.db".to_owned(), 404, "no-such-object"),
        ("/thumbnails/%ff".to_owned(), 404, "no-such-object"),
        (format!("/uploads/{id}"), 404, "no-such-path"),
        (format!("/x/../thumbnails/../uploads/{id}"), 404, "no-such-path"),
        ("/thumbnails/".to_owned(), 404, "no-such-path"),
        (format!("/images/{id}"), 401, "unauthorized"),
    ] {
        let answer = get_unchanged(site.address(), &path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(&format!("urn:darkroom:problem:{problem}")), "{path}: {answer}");
    }
    darkroom.stop().await;

    let _signed = site.start("local").await;
    assert_eq!(get(small).await.status(), 404, "without the setting addresses are signed");
}

/// A reverse proxy on this machine forwards the client's `Host`.
#[tokio::test]
async fn the_host_of_the_public_url_is_answered_for_thumbnails_only() {
    let site = Site::new();
    let _darkroom = start(&site, "https://images.example/t", None).await;
    let [small, ..] = &thumbnails(&site).await[..] else { panic!("no thumbnails") };
    let path = small.strip_prefix("https://images.example").unwrap();
    let client = Client::new();
    let status = async |host: &str, path: &str| {
        client.get(format!("{}{path}", site.api)).header("host", host).send().await.unwrap().status().as_u16()
    };
    for path in [path, path.strip_prefix("/t").unwrap()] {
        assert_eq!(status("images.example", path).await, 200, "{path}");
        assert_eq!(status("evil.example", path).await, 421, "{path}");
    }
    let id = path.split('/').nth(3).unwrap();
    for path in ["/", "/livez", "/nothing", "/upload-url", &format!("/images/{id}"), &format!("/images/{id}/small")] {
        assert_eq!(status("images.example", path).await, 421, "{path}: the host is for thumbnails only");
    }
}

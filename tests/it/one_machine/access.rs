//! Access to the real binary: tokens, hosts, and the log's lines about them.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::process::Command;

use super::Site;
use crate::images;

const TOKEN: &str = "a-token-that-the-log-must-not-hold";

/// The line that says that the API requires no token.
const OPEN: &str = "anyone who reaches";

#[tokio::test]
async fn a_token_guards_the_api_and_signed_urls_need_none() {
    let site = Site::new();
    let file = site.dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let mut command = site.command("local");
    command.env("DARKROOM_API_TOKEN_FILE", &file).env("RUST_LOG", "debug");
    let darkroom = site.run(command).await;
    let ask = async |method: Method, path: &str, token: Option<&str>| {
        let request = site.http.request(method, format!("{}{path}", site.api));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
        .send()
        .await
        .unwrap()
    };
    let refused = ask(Method::POST, "/images", None).await;
    assert_eq!(
        (refused.status(), &refused.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    assert_eq!(ask(Method::POST, "/images", Some("another-token-altogether")).await.status(), StatusCode::UNAUTHORIZED);

    let invited: Value = ask(Method::POST, "/images", Some(TOKEN)).await.json().await.unwrap();
    let put = site.put(invited["uploadUrl"].as_str().unwrap(), &images::jpeg(64, 48)).await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let path = format!("/images/{}?wait=20s", invited["id"].as_str().unwrap());
    let mut image = Value::Null;
    crate::process::until("it is published", async || {
        image = ask(Method::GET, &path, Some(TOKEN)).await.json().await.unwrap();
        image["status"] == "published"
    })
    .await;
    let thumbnail = site.http.get(image["thumbnails"]["small"]["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(thumbnail.status(), StatusCode::OK);
    let log = darkroom.printed();
    assert!(!log.contains(TOKEN) && !log.contains(OPEN), "{log}");
    darkroom.stop().await;
}

#[tokio::test]
async fn a_rebound_name_reaches_neither_listener_and_a_health_check_does() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let (_, upload) = site.invite().await.unwrap();
    for url in [
        format!("{}/", site.api),
        format!("{}/images/x", site.api),
        upload,
        darkroom.url("/livez"),
        darkroom.url("/metrics"),
    ] {
        let answer = site.http.get(&url).header("host", "rebound.example").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{url}");
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    check.args(["check", "--health"]).env("DARKROOM_ADMIN_LISTEN", darkroom.url("").strip_prefix("http://").unwrap());
    assert!(check.status().await.unwrap().success());
    assert!(!darkroom.printed().contains(OPEN), "{}", darkroom.printed());
    darkroom.stop().await;
}

#[tokio::test]
async fn an_open_api_beyond_the_loopback_says_so_at_the_start() {
    for (variable, value, is_told) in
        [("NO_COLOR", "1", true), ("DARKROOM_API_TOKEN", TOKEN, false), ("DARKROOM_JWT_AUTHORIZER", "on", false)]
    {
        let site = Site::new();
        let mut command = site.command("local");
        let everywhere = site.api.replace("http://127.0.0.1", "0.0.0.0");
        command.env("DARKROOM_LISTEN", everywhere).env(variable, value);
        let darkroom = site.run(command).await;
        crate::process::until("it is ready for uploads", async || darkroom.printed().contains("ready for uploads"))
            .await;
        darkroom.signal("-TERM").await;
        let (_, log) = darkroom.ended().await;
        assert_eq!(log.contains(OPEN), is_told, "{variable}: {log}");
    }
}

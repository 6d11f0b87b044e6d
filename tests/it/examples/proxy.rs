//! The reverse proxy in docs/OPERATIONS.md: nginx with TLS in front of darkroom.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::{run, text_of};
use crate::images;
use crate::one_machine::Site;
use crate::process::free_port;
use crate::skip::skip;

/// The public name; it resolves to this machine.
const NAME: &str = "photos.localhost";

/// nginx with the document's block, for `NAME`.
async fn nginx(dir: &Path, api: &str, port: u16) -> Option<Child> {
    if !Command::new("nginx").arg("-v").stderr(Stdio::null()).status().await.is_ok_and(|status| status.success()) {
        skip("nginx is not installed");
        return None;
    }
    let certificate = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME} \
         -addext subjectAltName=DNS:{NAME} -keyout key.pem -out certificate.pem"
    );
    run(&certificate, dir, &[]).await;
    let here = dir.display();
    let server = text_of("docs/OPERATIONS.md", "Access control", "nginx")
        .replace("127.0.0.1:8080", api)
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("/etc/ssl/photos.example", &here.to_string())
        .replace("photos.example", NAME);
    for part in
        [format!("proxy_pass http://{api};"), format!("listen 127.0.0.1:{port} ssl;"), format!("{here}/key.pem;")]
    {
        assert!(server.contains(&part), "{part:?}: {server}");
    }
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/nginx_{kind};\n"))
        .collect();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let config = format!(
        "{user}daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}\
         {server}}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-p", &here.to_string(), "-e", "stderr", "-c", "nginx.conf"]).kill_on_drop(true);
    Some(command.spawn().unwrap())
}

/// Upload URLs and thumbnails have the public address, and uploads of up to the limit succeed.
#[tokio::test]
#[ignore = "needs nginx: make test-long"]
async fn behind_a_reverse_proxy_urls_have_the_public_address() {
    let site = Site::new();
    let port = free_port();
    let Some(_proxy) = nginx(site.dir.path(), site.address(), port).await else { return };
    let mut command = site.command("local");
    command.env("DARKROOM_ALLOWED_HOSTS", NAME);
    let darkroom = site.run(command).await;
    let public = format!("https://{NAME}:{port}");
    std::fs::write(site.dir.path().join("photo.jpg"), images::jpeg(1600, 1200)).unwrap();
    // curl resolves names that end in .localhost to this machine.
    let script = format!(
        "curl() {{ command curl -sSf --cacert certificate.pem \"$@\"; }}\n\
         until curl {public} >/dev/null 2>&1; do sleep 0.1; done\n\
         curl -X POST {public}/images -o upload.json\n\
         curl -T photo.jpg -H 'if-none-match: *' \"$(jq -r .uploadUrl upload.json)\"\n\
         for _ in $(seq 20); do\n\
         curl \"{public}/images/$(jq -r .id upload.json)?wait=10s\" -o image.json\n\
         jq -e '.status == \"published\"' image.json && break\n\
         done\n\
         curl \"$(jq -r .thumbnails.medium.url image.json)\" -o medium.jpg\n\
         command curl -s -o /dev/null -w 'strange host: %{{http_code}}\n' --cacert certificate.pem \
         -H 'host: a.example' {public}\n"
    );
    let printed = run(&script, site.dir.path(), &[]).await;
    assert!(printed.contains("strange host: 421"), "{printed}");
    let read =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(site.dir.path().join(name)).unwrap()).unwrap() };
    for url in [&read("upload.json")["uploadUrl"], &read("image.json")["thumbnails"]["medium"]["url"]] {
        assert!(url.as_str().unwrap().starts_with(&public), "{url}");
    }
    assert_eq!(image::open(site.dir.path().join("medium.jpg")).unwrap().width(), 500);
    darkroom.stop().await;
}

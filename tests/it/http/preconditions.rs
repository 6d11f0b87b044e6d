//! `If-None-Match`: the same header gets the same answer from every part of darkroom.

use darkroom::ports::objects::UploadOptions;

use super::{Server, THUMBNAIL};

/// URLs that answer with an entity tag, one from each part.
async fn tagged_urls(server: &Server) -> Vec<String> {
    let page = ["/".to_owned(), "/page/page.js".to_owned()];
    let objects = [server.sign_download(THUMBNAIL).await, format!("/{THUMBNAIL}")];
    [server.new_image().await].into_iter().chain(page).chain(objects).collect()
}

#[tokio::test(start_paused = true)]
async fn if_none_match_means_the_same_everywhere() {
    let server = Server::start().await;
    for url in tagged_urls(&server).await {
        let tag = server.call("GET", &url, &[], "").await.headers["etag"].to_str().unwrap().to_owned();
        let opaque = tag.trim_matches('"');
        let [weak, twice_weak, lower_case] = ["W/", "W/W/", "w/"].map(|prefix| format!("{prefix}{tag}"));
        let [first, last, close] = [format!("{tag}, \"z\""), format!("\"z\" , {weak}"), format!("\"z\",{tag}")];
        let (with_comma, gap) = (format!("\"z, {opaque}\""), format!(", ,{tag},"));
        for (lines, status) in [
            (&[][..], 200),
            (&[&*tag], 304),
            (&[&weak], 304),
            (&[&first], 304),
            (&[&last], 304),
            (&[&close], 304),
            (&["\"z\"", &tag], 304),
            (&[&tag, "\"z\""], 304),
            (&["*"], 304),
            (&[&gap], 304),
            (&["garbage", &tag], 304),
            (&["\"z\""], 200),
            (&["W/\"z\""], 200),
            (&[""], 200),
            (&["\""], 200),
            (&["\"\""], 200),
            (&["garbage"], 200),
            (&["**"], 200),
            (&[opaque], 200),
            (&[&twice_weak], 200),
            (&[&lower_case], 200),
            (&[&with_comma], 200),
        ] {
            let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("if-none-match", *line)).collect();
            let answer = server.call("GET", &url, &headers, "").await;
            assert_eq!(answer.status, status, "{url} {lines:?}");
            assert_eq!(answer.headers["etag"], tag.as_str(), "{url} {lines:?}");
            assert_eq!(answer.body.is_empty(), status == 304, "{url} {lines:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_only_if_absent_is_asked_for_with_a_star_alone() {
    for (lines, second) in
        [(&["*"][..], 412), (&["*", "\"z\""], 200), (&["\"z\""], 200), (&["garbage"], 200), (&[], 200)]
    {
        let server = Server::start().await;
        let url = server.sign_upload(UploadOptions::default()).await;
        let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("if-none-match", *line)).collect();
        assert_eq!(server.call("PUT", &url, &headers, "picture").await.status, 200, "{lines:?}");
        assert_eq!(server.call("PUT", &url, &headers, "picture").await.status, second, "{lines:?}");
    }
}

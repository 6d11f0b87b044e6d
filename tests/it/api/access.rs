//! Access to the API: hosts, cross-site requests, proxies, tokens.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::Request;
use darkroom::admin::{self, Readiness};
use darkroom::api::TrustedProxies;
use darkroom::config::ApiTokens;
use darkroom::http::{Arrival, HostRules};

use super::{Bench, call, get, request, with};

const TOKEN: &str = "0123456789abcdef";
const NEXT_TOKEN: &str = "fedcba9876543210";

fn on_loopback() -> Bench {
    Bench::with(|settings| settings.access.hosts = HostRules::new(Some("127.0.0.1".parse().unwrap()), &[]))
}

/// An API that requires one of two tokens.
fn guarded() -> Bench {
    let tokens = format!("{TOKEN},{NEXT_TOKEN}");
    Bench::with(|settings| settings.access.tokens = ApiTokens::parse(&tokens).unwrap())
}

fn for_host(host: &str) -> Request<Body> {
    let mut request = request("POST", "/images", "");
    request.headers_mut().insert("host", host.parse().unwrap());
    request
}

fn arriving(mut request: Request<Body>, peer: &str, local: &str) -> Request<Body> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    request.extensions_mut().insert(Arrival { peer: address(peer), local: address(local) });
    request
}

fn bearing(request: Request<Body>, token: &str) -> Request<Body> {
    with(request, "authorization", &format!("Bearer {token}"))
}

#[tokio::test(start_paused = true)]
async fn on_a_loopback_only_its_own_names_are_answered() {
    let bench = on_loopback();
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]", "photos.localhost"] {
        assert_eq!(bench.call(for_host(host)).await.status, 201, "{host}");
    }
    for host in ["evil.example", "evil.example:8080", "10.0.0.1:8080", "a b", "me@localhost"] {
        let status = bench.call(for_host(host)).await.status;
        assert!([400, 421].contains(&status), "{host}: {status}");
    }
    let detail = bench.call(for_host("evil.example")).await.expect_problem(421, "misdirected");
    assert!(detail.contains("\"evil.example\"") && detail.contains("DARKROOM_ALLOWED_HOSTS"), "{detail}");
    assert_eq!(bench.records.all().len(), 4, "what is refused leaves no record");
}

/// A rebound host name reaches neither the page, its files, other paths, preflights nor signed addresses.
#[tokio::test(start_paused = true)]
async fn no_path_is_answered_for_a_foreign_host() {
    let bench = Bench::with(|settings| {
        settings.access.hosts = HostRules::new(Some("127.0.0.1".parse().unwrap()), &[]);
        settings.cors_origins = vec!["*".to_owned()];
    });
    for (method, path) in
        [("GET", "/"), ("GET", "/page/page.js"), ("GET", "/openapi.json"), ("GET", "/nothing"), ("OPTIONS", "/images")]
    {
        bench.call(request(method, path, "")).await.expect_problem(421, "misdirected");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_target_nor_header_may_name_a_foreign_host() {
    let bench = on_loopback();
    for (target, hosts, status) in [
        ("http://localhost/images", &["localhost"][..], 201),
        ("http://localhost/images", &["evil.example"], 421),
        ("http://evil.example/images", &["localhost"], 421),
        ("http://evil.example/images", &[], 421),
        ("/images", &["localhost", "localhost"], 400),
        ("/images", &["localhost", "evil.example"], 400),
        ("/images", &["evil.example", "localhost"], 400),
        // The upload URL needs a host, so a request without one fails.
        ("/images", &[], 400),
    ] {
        let mut request = request("POST", target, "");
        request.headers_mut().remove("host");
        hosts.iter().for_each(|host| {
            request.headers_mut().append("host", host.parse().unwrap());
        });
        assert_eq!(bench.call(request).await.status, status, "{target} {hosts:?}");
    }
    let mut page = get("/");
    page.headers_mut().append("host", "localhost".parse().unwrap());
    bench.call(page).await.expect_problem(400, "bad-request");
    // The API offers no tunnels.
    let mut tunnel = request("CONNECT", "evil.example:443", "");
    tunnel.headers_mut().remove("host");
    assert_eq!(bench.call(tunnel).await.status, 421);
    let mut tunnel = request("CONNECT", "evil.example:443", "");
    tunnel.headers_mut().remove("host");
    assert_eq!(Bench::new().call(tunnel).await.status, 404);
    assert_eq!(Bench::new().call(request("OPTIONS", "*", "")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn probes_reach_the_admin_listener_by_address() {
    let admin = |listen: &str, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        admin::router(Readiness::default(), HostRules::new(Some(listen.parse().unwrap()), &names), String::new)
    };
    let ask = async |router: &axum::Router, host: Option<&str>| {
        let mut request = arriving(get("/livez"), "10.0.0.1:5", "10.0.0.7:9464");
        request.headers_mut().remove("host");
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        call(router, request).await.status
    };
    let loopback = admin("127.0.0.1", &[]);
    let named = admin("0.0.0.0", &["images.example"]);
    let open = admin("0.0.0.0", &[]);
    for (host, statuses) in [
        (None, [200, 200, 200]),
        (Some(""), [200, 200, 200]),
        (Some("127.0.0.1:9464"), [200, 200, 200]),
        (Some("localhost:9464"), [200, 200, 200]),
        (Some("10.0.0.7:9464"), [200, 200, 200]),
        (Some("10.0.0.8:9464"), [421, 421, 200]),
        (Some("images.example"), [421, 200, 200]),
        (Some("evil.example"), [421, 421, 200]),
    ] {
        let got = [ask(&loopback, host).await, ask(&named, host).await, ask(&open, host).await];
        assert_eq!(got, statuses, "{host:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_sites_cannot_write() {
    let bench = Bench::with(|settings| settings.may_delete = true);
    bench.waiting_for_upload("cat");
    let writes = || {
        [
            request("POST", "/images", ""),
            get("/upload-url"),
            request("HEAD", "/upload-url", ""),
            request("DELETE", "/images/cat", ""),
        ]
    };
    for write in writes() {
        let answer = bench.call(with(write, "sec-fetch-site", "cross-site")).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    for (origin, status) in
        [("https://evil.example", 403), ("null", 403), ("https://images.example", 201), ("http://images.example", 201)]
    {
        assert_eq!(bench.call(with(request("POST", "/images", ""), "origin", origin)).await.status, status, "{origin}");
    }
    let detail =
        bench.call(with(request("POST", "/images", ""), "origin", "null")).await.expect_problem(403, "cross-site");
    assert!(detail.contains("DARKROOM_CORS_ORIGINS"), "{detail}");
    // Reads are allowed: browsers themselves keep the answers from other sites.
    assert_eq!(bench.call(with(get("/images/cat"), "sec-fetch-site", "cross-site")).await.status, 200);
    assert_eq!(bench.records.all().len(), 3, "what is refused neither stores nor deletes");
}

#[tokio::test(start_paused = true)]
async fn pages_that_cors_names_can_write() {
    let bench = Bench::with(|settings| settings.cors_origins = vec!["https://shop.example".to_owned()]);
    let from =
        |origin: &str| with(with(request("POST", "/images", ""), "sec-fetch-site", "cross-site"), "origin", origin);
    assert_eq!(bench.call(from("https://shop.example")).await.status, 201);
    assert_eq!(bench.call(from("https://evil.example")).await.status, 403);
    let any = Bench::with(|settings| settings.cors_origins = vec!["*".to_owned()]);
    assert_eq!(any.call(from("https://evil.example")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn only_trusted_peers_say_what_was_in_front() {
    let networks = vec!["10.0.0.0/8".parse().unwrap()];
    let bench = Bench::with(|settings| settings.access.proxies = TrustedProxies { on_lambda: false, networks });
    for (peer, scheme) in [("127.0.0.1:5", "https"), ("10.9.9.9:5", "https"), ("192.0.2.1:5", "http")] {
        let request = arriving(with(get("/upload-url"), "x-forwarded-proto", "https"), peer, "10.0.0.7:8080");
        let upload = bench.call(request).await.json();
        let url = upload["uploadUrl"].as_str().unwrap();
        assert!(url.starts_with(&format!("{scheme}://images.example/")), "{peer}: {url}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_token_every_route_but_the_open_ones_asks_for_it() {
    let bench = guarded();
    bench.published("cat").await;
    for (method, path, status) in [
        ("POST", "/images", 201),
        ("GET", "/images?key=uploads%2Fcat", 200),
        ("GET", "/images/cat", 200),
        ("HEAD", "/images/cat", 200),
        ("GET", "/images/cat/small", 302),
        ("GET", "/upload-url", 200),
    ] {
        let ask = || request(method, path, "");
        let refused = bench.call(ask()).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{method} {path}");
        for token in [TOKEN, NEXT_TOKEN] {
            assert_eq!(bench.call(bearing(ask(), token)).await.status, status, "{method} {path}");
        }
        for wrong in ["", "0123456789abcdeF", &format!("{TOKEN},{NEXT_TOKEN}")] {
            assert_eq!(bench.call(bearing(ask(), wrong)).await.status, 401, "{method} {path} {wrong}");
        }
    }
    bench.get("/images/cat").await.expect_problem(401, "unauthorized");
    for path in ["/", "/page/page.js", "/page/style.css", "/openapi.json", "/livez"] {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
    }
    assert_eq!(bench.get("/nothing").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_new_route_asks_for_the_token_too() {
    let bench = Bench::with(|settings| {
        settings.may_delete = true;
        settings.access.tokens = ApiTokens::parse(TOKEN).unwrap();
    });
    for path in darkroom::api::described_paths(&super::settings()) {
        if !["/openapi.json", "/livez"].contains(&path) {
            assert_eq!(bench.get(&path.replace(['{', '}'], "")).await.status, 401, "{path}");
        }
    }
    assert_eq!(bench.call(request("DELETE", "/images/cat", "")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn cors_lets_named_pages_send_a_token() {
    let preflight = || {
        let request = with(request("OPTIONS", "/images", ""), "access-control-request-method", "POST");
        with(with(request, "origin", "https://shop.example"), "access-control-request-headers", "authorization")
    };
    for (tokens, allows) in [(ApiTokens::default(), false), (ApiTokens::parse(TOKEN).unwrap(), true)] {
        let bench = Bench::with(|settings| {
            settings.cors_origins = vec!["https://shop.example".to_owned()];
            settings.access.tokens = tokens;
        });
        let answer = bench.call(preflight()).await;
        assert_eq!(answer.status, 200, "a preflight carries no token");
        assert_eq!(answer.header("access-control-allow-headers").unwrap().contains("authorization"), allows);
        // A page can read the reason of a refusal.
        let refused = bench.call(with(request("POST", "/images", ""), "origin", "https://shop.example")).await;
        assert_eq!(refused.status, if allows { 401 } else { 201 });
        assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.example"));
    }
}

//! Tests which settings are valid, which are rejected, and their defaults.

use super::*;
use crate::config::SettingError;

/// A machine with 4 cores and 8 GiB.
const MACHINE: Machine = Machine { cores: 4, memory_bytes: 8 << 30, descriptors: 20_000 };

/// The minimal settings of a worker on AWS.
const AWS: [(&str, &str); 3] = [
    ("DARKROOM_UPLOAD_BUCKET", "photos"),
    ("DARKROOM_TABLE", "images"),
    ("DARKROOM_QUEUE_URL", "https://sqs.example.org/1/uploads"),
];

fn read_on(machine: Machine, role: Role, variables: &[(&str, &str)]) -> Result<Loaded, SettingErrors> {
    Config::read(role, &variables.iter().copied().collect(), machine)
}

fn local(variables: &[(&str, &str)]) -> Result<Loaded, SettingErrors> {
    read_on(MACHINE, Role::Local, variables)
}

/// The variables with mistakes.
fn complaints(read: Result<Loaded, SettingErrors>) -> Vec<&'static str> {
    read.err().map(|mistakes| mistakes.0.into_iter().map(|mistake| mistake.variable).collect()).unwrap_or_default()
}

#[test]
fn one_machine_needs_no_setting_at_all() {
    let Loaded { config, warnings } = local(&[]).unwrap();
    let expected = LocalConfig::new("darkroom-data".into());
    assert_eq!(config.backend, BackendConfig::Local(expected));
    assert_eq!(
        (&*config.upload_prefix, &*config.upload_bucket, &*config.thumbnail_bucket),
        ("uploads/", "darkroom", "darkroom")
    );
    assert_eq!(config.recipe, Recipe::default());
    assert_eq!((config.listen, config.admin_listen), (values::loopback(8080), values::loopback(9464)));
    assert_eq!((config.render_slots, config.max_bytes), (4, 64 * MIB));
    assert_eq!(config.max_pixels, 100_000_000);
    let seconds = [config.render_timeout, config.visibility_timeout, config.drain_timeout, config.upload_url_expiry];
    assert_eq!(seconds.map(|duration| duration.as_secs()), [60, 60, 90, 300]);
    assert_eq!((config.plain_uploads, config.public_url, config.log), (true, None, LogFormat::Text));
    assert!(config.cors_origins.is_empty() && config.allowed_hosts.is_empty() && config.trusted_proxies.is_empty());
    assert!(config.api_tokens.is_empty() && !config.has_jwt_authorizer);
    assert_eq!((config.max_connections, config.min_upload_rate), (1024, 10 << 10));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn the_budget_is_70_percent_of_the_memory() {
    let config = local(&[]).unwrap().config;
    assert_eq!(config.memory_budget, (8 << 30) / 100 * 70);
    assert_eq!(config.source_budget() + config.render_budget(), config.memory_budget);
}

#[test]
fn a_small_machine_takes_smaller_images() {
    let small = Machine { cores: 1, memory_bytes: 512 * MIB, descriptors: 20_000 };
    let config = read_on(small, Role::Local, &[]).unwrap().config;
    assert!(config.max_pixels < 100_000_000);
    assert!(max_render_memory(&config.recipe, config.max_pixels) <= config.render_budget());
    assert!(max_render_memory(&config.recipe, config.max_pixels + 1) > config.render_budget());
}

#[test]
fn roles_need_what_they_use() {
    let aws = |role, count: usize| complaints(read_on(MACHINE, role, &AWS[..count]));
    assert_eq!(aws(Role::Worker, 3), Vec::<&str>::new());
    assert_eq!(aws(Role::Worker, 2), ["DARKROOM_QUEUE_URL"]);
    assert_eq!(aws(Role::Operator, 3), ["DARKROOM_DLQ_URL"]);
    assert_eq!(aws(Role::Api, 2), Vec::<&str>::new());
    assert_eq!(aws(Role::Api, 0), ["DARKROOM_TABLE", "DARKROOM_UPLOAD_BUCKET"]);
    assert_eq!(aws(Role::Health, 0), Vec::<&str>::new());
    let shared = [("DARKROOM_BACKEND", "local")];
    assert_eq!(complaints(read_on(MACHINE, Role::Worker, &shared)), ["DARKROOM_DIR"]);
    assert_eq!(complaints(read_on(MACHINE, Role::Local, &[("DARKROOM_BACKEND", "aws")])), Vec::<&str>::new());
}

/// On Lambda, an API has 128 MiB and accepts uploads that are too large to render in that memory.
#[test]
fn an_api_needs_no_memory_to_render_with() {
    let small = Machine { cores: 1, memory_bytes: 128 * MIB, descriptors: 20_000 };
    let large_uploads = [&AWS[..], &[("DARKROOM_MAX_BYTES", "1GiB")]].concat();
    assert_eq!(complaints(read_on(small, Role::Api, &large_uploads)), Vec::<&str>::new());
    assert_eq!(complaints(read_on(small, Role::Worker, &large_uploads)), ["DARKROOM_MEMORY_BUDGET"]);
}

#[test]
fn lambda_is_known_by_its_variable() {
    assert!(!local(&[]).unwrap().config.on_lambda);
    assert!(local(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")]).unwrap().config.on_lambda);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = local(&[
        ("DARKROOM_BACKEND", "gcp"),
        ("DARKROOM_LISTEN", "host:8080"),
        ("DARKROOM_LOG", "xml"),
        ("DARKROOM_SIZES", "huge:0"),
        ("DARKROOM_VISIBILITY_TIMEOUT", "60"),
        ("DARKROOM_MAX_BYTES", "64"),
    ])
    .unwrap_err();
    assert_eq!(mistakes.0.len(), 6, "{mistakes}");
    let log = SettingError {
        variable: "DARKROOM_LOG",
        value: Some("xml".to_owned()),
        problem: "must be text or json".to_owned(),
    };
    assert!(mistakes.0.contains(&log), "{mistakes}");
    assert!(mistakes.to_string().contains("\n  DARKROOM_LOG=\"xml\" must be text or json"), "{mistakes}");
}

#[test]
fn ranges_hold_their_bounds_and_nothing_else() {
    for (variable, outside, inside) in [
        ("DARKROOM_RENDER_SLOTS", ["0", "1025"], ["1", "2", "1023", "1024"]),
        ("DARKROOM_MAX_RECEIVES", ["0", "1001"], ["1", "2", "999", "1000"]),
        ("DARKROOM_DELETE_ORIGINALS_AFTER", ["3599s", "315576001s"], ["1h", "3601s", "315575999s", "10years"]),
        ("DARKROOM_MIN_FREE_SPACE", ["-1B", "1025TiB"], ["0B", "1B", "1023TiB", "1024TiB"]),
        ("DARKROOM_MAX_STORED_BYTES", ["1048575B", "1025TiB"], ["1MiB", "1048577B", "1023TiB", "1024TiB"]),
        ("DARKROOM_RENDER_TIMEOUT", ["999ms", "90001ms"], ["1s", "1001ms", "89s", "90s"]),
        ("DARKROOM_VISIBILITY_TIMEOUT", ["1999ms", "3601s"], ["2s", "2001ms", "3599s", "1h"]),
        ("DARKROOM_DRAIN_TIMEOUT", ["999ms", "3601s"], ["1s", "1001ms", "3599s", "1h"]),
        ("DARKROOM_UPLOAD_URL_EXPIRY", ["999ms", "3601s"], ["1s", "1001ms", "3599s", "1h"]),
        ("DARKROOM_MAX_PIXELS", ["999999", "1000000001"], ["1MP", "1000001", "100MP", "200MP"]),
        ("DARKROOM_MIN_UPLOAD_RATE", ["0B", "16777217B"], ["1B", "2B", "16777215B", "16MiB"]),
        ("DARKROOM_MAX_BYTES", ["1023B", "5369MB"], ["1KiB", "1025B", "2GiB", "3GiB"]),
    ] {
        for value in outside {
            assert_eq!(complaints(local(&[(variable, value)])), [variable], "{variable}={value}");
        }
        for value in inside {
            assert_eq!(complaints(local(&[(variable, value)])), Vec::<&str>::new(), "{variable}={value}");
        }
    }
}

#[test]
fn thumbnails_never_land_among_the_uploads() {
    for (prefix, thumbnail_bucket, is_refused) in [
        ("", "darkroom", true),
        ("thumbnails/", "darkroom", true),
        ("thumbnails/in/", "darkroom", true),
        ("thumbnails-in/", "darkroom", false),
        ("uploads/", "darkroom", false),
        ("", "elsewhere", false),
        ("thumbnails/", "elsewhere", false),
    ] {
        let variables = [("DARKROOM_UPLOAD_PREFIX", prefix), ("DARKROOM_THUMBNAIL_BUCKET", thumbnail_bucket)];
        let refused = complaints(local(&variables)) == ["DARKROOM_UPLOAD_PREFIX"];
        assert_eq!(refused, is_refused, "{prefix:?} with {thumbnail_bucket}");
    }
}

#[test]
fn the_budget_holds_the_dearest_image_or_is_refused() {
    // A quarter of the budget is less than 64 MiB, so sources get 64 MiB.
    let enough = 64 * MIB + max_render_memory(&Recipe::default(), 10_000_000);
    for (budget, is_refused) in [(enough - 1, true), (enough, false), (enough + 1, false)] {
        let budget = format!("{budget}B");
        let variables = [("DARKROOM_MAX_PIXELS", "10MP"), ("DARKROOM_MEMORY_BUDGET", &budget)];
        let refused = complaints(local(&variables)) == ["DARKROOM_MEMORY_BUDGET"];
        assert_eq!(refused, is_refused, "{budget}");
    }
    let tiny = Machine { cores: 1, memory_bytes: 64 * MIB, descriptors: 20_000 };
    assert_eq!(complaints(read_on(tiny, Role::Local, &[])), ["DARKROOM_MEMORY_BUDGET"]);
    // Roles that do not render need no memory for it.
    let operator = [("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", "d")];
    assert_eq!(complaints(read_on(tiny, Role::Operator, &operator)), Vec::<&str>::new());
}

#[test]
fn both_listeners_cannot_have_one_port() {
    let same = [("DARKROOM_LISTEN", "127.0.0.1:80"), ("DARKROOM_ADMIN_LISTEN", "127.0.0.1:80")];
    assert_eq!(complaints(local(&same)), ["DARKROOM_ADMIN_LISTEN"]);
    let any_free = [("DARKROOM_LISTEN", "127.0.0.1:0"), ("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0")];
    assert_eq!(complaints(local(&any_free)), Vec::<&str>::new());
}

#[test]
fn uploads_of_a_stated_length_can_be_required() {
    let requires = |variables: &[(&str, &str)]| local(variables).unwrap().config.require_content_length;
    assert!(!requires(&[]));
    assert!(!requires(&[("DARKROOM_REQUIRE_CONTENT_LENGTH", "off")]));
    assert!(requires(&[("DARKROOM_REQUIRE_CONTENT_LENGTH", "on")]));
    let yes = [("DARKROOM_REQUIRE_CONTENT_LENGTH", "yes")];
    assert_eq!(complaints(local(&yes)), ["DARKROOM_REQUIRE_CONTENT_LENGTH"]);
}

#[test]
fn slips_of_the_pen_are_warned_about() {
    let loaded = local(&[("DARKROOM_SIZE", "a:1"), ("DARKROOM_TABLE", "t"), ("PATH", "/bin")]).unwrap();
    assert_eq!(loaded.warnings, ["DARKROOM_SIZE is set, but there is no such setting"]);
    let hasty = local(&[("DARKROOM_DRAIN_TIMEOUT", "30s")]).unwrap();
    assert_eq!(hasty.warnings.len(), 1);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let config = local(&[("DARKROOM_PUBLIC_URL", ""), ("DARKROOM_LISTEN", " ")]).unwrap().config;
    assert_eq!((config.public_url, config.listen), (None, values::loopback(8080)));
}

#[test]
fn the_local_backend_serves_a_public_url_with_a_plain_path() {
    for (url, is_refused) in [
        ("https://images.example", false),
        ("https://images.example:8443/", false),
        ("https://images.example/a-b._~/%7Ec", false),
        ("https://images.example/{id}", true),
        ("https://images.example/:a", true),
        ("https://images.example/a*", true),
        ("images.example", true),
    ] {
        let expected: &[&str] = if is_refused { &["DARKROOM_PUBLIC_URL"] } else { &[] };
        assert_eq!(complaints(local(&[("DARKROOM_PUBLIC_URL", url)])), expected, "{url}");
    }
}

#[test]
fn connections_leave_descriptors_for_files_and_the_admin_listener() {
    let of =
        |descriptors, variables: &[(&str, &str)]| read_on(Machine { descriptors, ..MACHINE }, Role::Local, variables);
    let default = |descriptors| of(descriptors, &[]).unwrap().config.max_connections;
    // Of 1024, 192 are reserved, and 4 for each of the 4 slots. Each client may take two of the rest.
    assert_eq!(default(1024), 408);
    assert_eq!((default(64), default(1)), (8, 1));
    assert_eq!((default(20_000), default(1 << 30)), (1024, 1024));
    for (value, is_refused) in [("0", true), ("1", false), ("407", false), ("408", false), ("409", true), ("8.5", true)]
    {
        let refused = complaints(of(1024, &[("DARKROOM_MAX_CONNECTIONS", value)])) == ["DARKROOM_MAX_CONNECTIONS"];
        assert_eq!(refused, is_refused, "{value}");
    }
    let error = of(1024, &[("DARKROOM_MAX_CONNECTIONS", "409")]).unwrap_err().to_string();
    assert!(error.contains("\"409\"") && error.contains("1024 files") && error.contains("ulimit -Hn"), "{error}");
}

#[test]
fn a_fifo_queue_is_refused_with_the_reason() {
    const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/1/uploads";
    for variable in ["DARKROOM_QUEUE_URL", "DARKROOM_DLQ_URL"] {
        for (suffix, is_refused) in [("", false), ("-fifo", false), (".fifo", true), (".fifo/", true)] {
            let url = format!("{QUEUE}-{variable}{suffix}");
            let read = read_on(MACHINE, Role::Worker, &[&AWS[..], &[(variable, &url)]].concat());
            assert_eq!(read.is_err(), is_refused, "{url}");
            if let Err(mistakes) = read {
                let text = mistakes.to_string();
                assert!(text.contains("S3 cannot send events to it") && text.contains("message groups"), "{text}");
                assert_eq!(complaints(Err(mistakes)), [variable]);
            }
        }
    }
}

#[test]
fn tokens_come_from_one_place_and_are_never_shown() {
    const TOKEN: &str = "0123456789abcdef";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let (file, none) = (file.to_str().unwrap(), dir.path().join("none"));
    for variables in [[("DARKROOM_API_TOKEN", TOKEN)], [("DARKROOM_API_TOKEN_FILE", file)]] {
        let config = local(&variables).unwrap().config;
        assert!(config.api_tokens.accepts(TOKEN), "{variables:?}");
        assert!(!format!("{config:?}").contains(TOKEN));
    }
    for (variables, variable) in [
        (&[("DARKROOM_API_TOKEN", TOKEN), ("DARKROOM_API_TOKEN_FILE", file)][..], "DARKROOM_API_TOKEN"),
        (&[("DARKROOM_API_TOKEN", "")], "DARKROOM_API_TOKEN"),
        (&[("DARKROOM_API_TOKEN", " 0123456789abcdef")], "DARKROOM_API_TOKEN"),
        (&[("DARKROOM_API_TOKEN", "0123456789abcde")], "DARKROOM_API_TOKEN"),
        (&[("DARKROOM_API_TOKEN_FILE", "")], "DARKROOM_API_TOKEN_FILE"),
        (&[("DARKROOM_API_TOKEN_FILE", none.to_str().unwrap())], "DARKROOM_API_TOKEN_FILE"),
        (&[("DARKROOM_API_TOKEN", TOKEN), ("DARKROOM_JWT_AUTHORIZER", "on")], "DARKROOM_JWT_AUTHORIZER"),
        (&[("DARKROOM_API_TOKEN_FILE", file), ("DARKROOM_JWT_AUTHORIZER", "on")], "DARKROOM_JWT_AUTHORIZER"),
    ] {
        let mistakes = local(variables).unwrap_err();
        assert!(!mistakes.to_string().contains("0123456789"), "{mistakes}");
        assert_eq!(complaints(Err(mistakes)), [variable], "{variables:?}");
    }
    assert!(local(&[("DARKROOM_JWT_AUTHORIZER", "on")]).unwrap().config.has_jwt_authorizer);
    // Other roles have no API, and may have no permission to read the file.
    let elsewhere = [&AWS[..], &[("DARKROOM_API_TOKEN_FILE", "/nowhere")]].concat();
    let loaded = read_on(MACHINE, Role::Worker, &elsewhere).unwrap();
    assert!(loaded.config.api_tokens.is_empty() && loaded.warnings.is_empty());
}

#[test]
fn hosts_and_proxies_are_lists() {
    let lists = [("DARKROOM_ALLOWED_HOSTS", "Images.example, b"), ("DARKROOM_TRUSTED_PROXIES", "10.0.0.0/8,::1")];
    let config = local(&lists).unwrap().config;
    assert_eq!(
        (config.allowed_hosts, config.trusted_proxies.len()),
        (vec!["images.example".to_owned(), "b".to_owned()], 2)
    );
    let wrong = [("DARKROOM_ALLOWED_HOSTS", "https://a"), ("DARKROOM_TRUSTED_PROXIES", "proxy")];
    assert_eq!(complaints(local(&wrong)), ["DARKROOM_ALLOWED_HOSTS", "DARKROOM_TRUSTED_PROXIES"]);
}

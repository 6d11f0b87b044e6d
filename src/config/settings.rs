//! All variables, with their defaults and ranges.

use std::path::PathBuf;
use std::time::Duration;

use darkroom_thumbnail::max_render_memory;

use super::base_path::BasePath;
use super::machine;
use super::public_url::PublicUrl;
use super::reader::{Environment, Reader, SettingErrors};
use super::tokens::{self, ApiTokens};
use super::values::{self, Parsed};
use super::{AwsConfig, BackendConfig, Config, Loaded, LocalConfig, LogFormat, Machine, Role, source_budget, validate};
use crate::recipe::Recipe;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

const TEN_YEARS: Duration = Duration::from_secs(315_576_000);

/// The default directory of `darkroom local`.
const DEFAULT_DIR: &str = "darkroom-data";

/// The only bucket of the local backend. Its name appears only in events.
const LOCAL_BUCKET: &str = "darkroom";

/// The largest default pixel limit, independent of memory.
const MAX_PIXELS: u64 = 100_000_000;

/// The largest pixel limit that can be set. Larger images could overflow the codecs' counters.
const MOST_PIXELS: u64 = 1_000_000_000;

/// The longest render timeout. The claim's lease must cover it and the delivery after it; `app` checks this.
pub(crate) const LONGEST_RENDER: Duration = Duration::from_secs(90);

/// The longest validity of an upload URL.
pub(crate) const LONGEST_UPLOAD_EXPIRY: Duration = HOUR;

/// The percentage of the machine's memory in the budget. The rest is for the process itself.
const BUDGET_PERCENT: u64 = 70;

/// File descriptors reserved for other uses than clients' connections and files: the database, logs, calls to AWS, the
/// admin listener.
const RESERVED_DESCRIPTORS: u64 = 192;

/// File descriptors reserved for each render slot: its source, and the pipes to a decoder.
const DESCRIPTORS_PER_SLOT: u64 = 4;

/// The default connection limit. An idle connection takes about 20 KiB of memory, an upload up to 400 KiB.
const DEFAULT_MAX_CONNECTIONS: u32 = 1024;

/// The address of each listener. Some commands have arguments that replace them.
const LISTEN: &str = "DARKROOM_LISTEN";
const ADMIN_LISTEN: &str = "DARKROOM_ADMIN_LISTEN";

/// Settings only of the AWS backend.
const AWS_ONLY: [&str; 3] = ["DARKROOM_TABLE", "DARKROOM_QUEUE_URL", "DARKROOM_DLQ_URL"];

/// Settings only of the local backend.
const LOCAL_ONLY: [&str; 6] = [
    "DARKROOM_DIR",
    "DARKROOM_DIR_GROUP",
    "DARKROOM_MIN_FREE_SPACE",
    "DARKROOM_MAX_STORED_BYTES",
    "DARKROOM_MAX_RECEIVES",
    "DARKROOM_OUTCOMES",
];

pub(super) fn read(role: Role, environment: &Environment, machine: Machine) -> Result<Loaded, SettingErrors> {
    let mut reader = Reader::new(environment);
    let backend = backend(&mut reader, role);
    let api_tokens = api_tokens(&mut reader, role);
    let config = all(&mut reader, backend, machine, api_tokens);
    validate::validate(&mut reader, &config, role);
    reader.check()?;
    let unknown = reader.unknown().into_iter().map(|name| format!("{name} is set, but there is no such setting"));
    let token_file =
        reader.text(tokens::TOKEN_FILE).filter(|_| !config.api_tokens.is_empty()).and_then(tokens::exposed_file);
    let warnings = unknown.chain(validate::warnings(&config)).chain(token_file).collect();
    Ok(Loaded { config, warnings })
}

fn backend(reader: &mut Reader<'_>, role: Role) -> BackendConfig {
    let is_local = reader.or("DARKROOM_BACKEND", false, |text| match text {
        "aws" => Ok(false),
        "local" => Ok(true),
        _ => Err("must be aws or local".to_owned()),
    });
    if is_local || matches!(role, Role::Local | Role::Health) {
        reader.ignore(&AWS_ONLY);
        BackendConfig::Local(local(reader, role))
    } else {
        reader.ignore(&LOCAL_ONLY);
        BackendConfig::Aws(aws(reader, role))
    }
}

fn local(reader: &mut Reader<'_>, role: Role) -> LocalConfig {
    let path = |text: &str| Ok(PathBuf::from(text));
    let dir = match role {
        Role::Local | Role::Health => Some(reader.or("DARKROOM_DIR", DEFAULT_DIR.into(), path)),
        // Processes that share a directory must name it: their working directories may differ.
        _ => reader.required("DARKROOM_DIR", path),
    };
    let defaults = LocalConfig::new(dir.unwrap_or_default());
    LocalConfig {
        dir_group: reader.optional("DARKROOM_DIR_GROUP", |text| values::group(text, &machine::groups())),
        min_free_space: reader.optional("DARKROOM_MIN_FREE_SPACE", |text| values::size(text, 0..=1024 * TIB)),
        max_stored_bytes: reader.optional("DARKROOM_MAX_STORED_BYTES", |text| values::size(text, MIB..=1024 * TIB)),
        max_receives: reader.or("DARKROOM_MAX_RECEIVES", defaults.max_receives, |text| values::count(text, 1..=1000)),
        tells_outcomes: reader.or("DARKROOM_OUTCOMES", defaults.tells_outcomes, values::switch),
        ..defaults
    }
}

fn aws(reader: &mut Reader<'_>, role: Role) -> AwsConfig {
    let table = reader.required("DARKROOM_TABLE", |text| Ok(text.to_owned())).unwrap_or_default();
    let queue_url = match role {
        Role::Api | Role::Images | Role::Health => reader.optional("DARKROOM_QUEUE_URL", values::web_address),
        _ => reader.required("DARKROOM_QUEUE_URL", values::web_address),
    };
    let dlq_url = match role {
        Role::Operator | Role::Sweep | Role::Backfill => reader.required("DARKROOM_DLQ_URL", values::web_address),
        _ => reader.optional("DARKROOM_DLQ_URL", values::web_address),
    };
    AwsConfig { table, queue_url, dlq_url }
}

/// The tokens, for roles with an API. Other roles do not need access to the file.
fn api_tokens(reader: &mut Reader<'_>, role: Role) -> ApiTokens {
    match role {
        Role::Api | Role::Local => tokens::read(reader),
        _ => {
            reader.ignore(&[tokens::TOKEN, tokens::TOKEN_FILE]);
            ApiTokens::default()
        }
    }
}

fn all(reader: &mut Reader<'_>, backend: BackendConfig, machine: Machine, api_tokens: ApiTokens) -> Config {
    let upload_bucket = match backend {
        BackendConfig::Aws(_) => reader.required("DARKROOM_UPLOAD_BUCKET", values::bucket).unwrap_or_default(),
        BackendConfig::Local(_) => reader.or("DARKROOM_UPLOAD_BUCKET", LOCAL_BUCKET.to_owned(), values::bucket),
    };
    let thumbnail_bucket = reader.or("DARKROOM_THUMBNAIL_BUCKET", upload_bucket.clone(), values::bucket);
    let upload_prefix = reader.text_or_empty("DARKROOM_UPLOAD_PREFIX").unwrap_or("uploads/");
    let upload_prefix = reader.parsed("DARKROOM_UPLOAD_PREFIX", upload_prefix, values::prefix).unwrap_or_default();
    let max_bytes = reader.or("DARKROOM_MAX_BYTES", 64 * MIB, |text| values::size(text, 1024..=5 * 1024 * MIB));
    let default_budget = machine.memory_bytes / 100 * BUDGET_PERCENT;
    let memory_budget =
        reader.or("DARKROOM_MEMORY_BUDGET", default_budget, |text| values::size(text, 32 * MIB..=64 * TIB));
    let recipe = reader.or("DARKROOM_SIZES", Recipe::default(), values::recipe);
    let fitting = pixels_that_fit(memory_budget.saturating_sub(source_budget(memory_budget, max_bytes)), &recipe);
    let render_slots = render_slots(reader, machine);
    let max_pixels =
        reader.or("DARKROOM_MAX_PIXELS", fitting, |text| values::pixels(text, validate::LEAST_PIXELS..=MOST_PIXELS));
    Config {
        backend,
        upload_bucket,
        upload_prefix,
        thumbnail_bucket,
        base_path: reader.or("DARKROOM_BASE_PATH", BasePath::default(), BasePath::parse),
        public_url: reader.optional("DARKROOM_PUBLIC_URL", PublicUrl::parse),
        recipe,
        listen: reader.or(LISTEN, values::loopback(8080), values::address),
        listen_setting: reader.name_of(LISTEN),
        admin_listen: reader.or(ADMIN_LISTEN, values::loopback(9464), values::address),
        admin_listen_setting: reader.name_of(ADMIN_LISTEN),
        max_connections: max_connections(reader, machine, render_slots),
        allowed_hosts: reader.or("DARKROOM_ALLOWED_HOSTS", Vec::new(), values::hosts),
        trusted_proxies: reader.or("DARKROOM_TRUSTED_PROXIES", Vec::new(), values::networks),
        api_tokens,
        has_jwt_authorizer: reader.or("DARKROOM_JWT_AUTHORIZER", false, values::switch),
        render_slots,
        memory_budget,
        max_bytes,
        max_pixels,
        render_timeout: duration(reader, "DARKROOM_RENDER_TIMEOUT", 60, SECOND, LONGEST_RENDER),
        visibility_timeout: duration(reader, "DARKROOM_VISIBILITY_TIMEOUT", 60, 2 * SECOND, HOUR),
        drain_timeout: duration(reader, "DARKROOM_DRAIN_TIMEOUT", 90, SECOND, HOUR),
        upload_url_expiry: duration(reader, "DARKROOM_UPLOAD_URL_EXPIRY", 300, SECOND, LONGEST_UPLOAD_EXPIRY),
        min_upload_rate: reader.or("DARKROOM_MIN_UPLOAD_RATE", 10 << 10, |text| values::size(text, 1..=16 * MIB)),
        plain_uploads: reader.or("DARKROOM_PLAIN_UPLOADS", true, values::switch),
        require_content_length: reader.or("DARKROOM_REQUIRE_CONTENT_LENGTH", false, values::switch),
        require_checksum: reader.or("DARKROOM_REQUIRE_CHECKSUM", false, values::switch),
        delete_originals_after: reader
            .optional("DARKROOM_DELETE_ORIGINALS_AFTER", |text| values::duration(text, HOUR..=TEN_YEARS)),
        allow_delete: reader.or("DARKROOM_ALLOW_DELETE", false, values::switch),
        cors_origins: reader.or("DARKROOM_CORS_ORIGINS", Vec::new(), values::origins),
        log: reader.or("DARKROOM_LOG", LogFormat::Text, log_format),
        on_lambda: reader.text("AWS_LAMBDA_RUNTIME_API").is_some(),
    }
}

/// The default pixel limit: 100 megapixels, or the largest image whose rendering fits in the budget in the worst case.
fn pixels_that_fit(render_budget: u64, recipe: &Recipe) -> u64 {
    let (mut fitting, mut too_many) = (0, MAX_PIXELS + 1);
    while too_many - fitting > 1 {
        let pixels = fitting.midpoint(too_many);
        if max_render_memory(recipe, pixels) <= render_budget { fitting = pixels } else { too_many = pixels }
    }
    fitting
}

fn render_slots(reader: &mut Reader<'_>, machine: Machine) -> usize {
    let slots = reader.optional("DARKROOM_RENDER_SLOTS", |text| values::count(text, 1..=1024));
    slots.map_or(machine.cores.max(1), |slots| slots as usize)
}

/// The connection limit of the API's listener. A client may need two descriptors: its socket, and the file that it
/// uploads.
fn max_connections(reader: &mut Reader<'_>, machine: Machine, render_slots: usize) -> usize {
    let reserve = RESERVED_DESCRIPTORS + DESCRIPTORS_PER_SLOT * render_slots as u64;
    let most = (machine.descriptors.saturating_sub(reserve).max(machine.descriptors / 4) / 2).max(1);
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let connections = reader.optional("DARKROOM_MAX_CONNECTIONS", |text| {
        let beyond = || format!("; the process may open {} files, `ulimit -Hn` raises that", machine.descriptors);
        values::count(text, 1..=most).map_err(|problem| problem + &beyond())
    });
    connections.unwrap_or(most.min(DEFAULT_MAX_CONNECTIONS)) as usize
}

fn duration(
    reader: &mut Reader<'_>,
    variable: &'static str,
    default_seconds: u64,
    least: Duration,
    most: Duration,
) -> Duration {
    reader.or(variable, Duration::from_secs(default_seconds), |text| values::duration(text, least..=most))
}

fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests;

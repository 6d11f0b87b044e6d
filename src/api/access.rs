//! Who may ask what: hosts, proxies, other sites' pages, tokens.

mod proxies;
mod sites;
mod token;

use axum::http::Uri;

use crate::config::{ApiTokens, BackendConfig, Config};
use crate::http::HostRules;

pub use proxies::TrustedProxies;

pub(super) use proxies::drop_untrusted;
pub(super) use sites::refuse_other_sites;
pub(super) use token::require_token;

/// The rules of access to the API, as the settings say.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The hosts that requests may address.
    pub hosts: HostRules,
    /// Whose `X-Forwarded-*` headers count.
    pub proxies: TrustedProxies,
    /// The tokens of clients; empty: anyone may call.
    pub tokens: ApiTokens,
}

impl From<&Config> for AccessSettings {
    fn from(config: &Config) -> Self {
        // On Lambda nothing is listened on, and the gateway in front has a name of its own.
        let listen = (!config.on_lambda).then(|| config.listen.ip());
        // The local backend serves the thumbnails at the public URL itself; elsewhere another server does.
        let is_local = matches!(config.backend, BackendConfig::Local(_));
        let public_host = config.public_url.as_deref().filter(|_| is_local).and_then(host_of);
        Self {
            hosts: HostRules::new(listen, &config.allowed_hosts).with_public_host(public_host),
            proxies: TrustedProxies { on_lambda: config.on_lambda, networks: config.trusted_proxies.clone() },
            tokens: config.api_tokens.clone(),
        }
    }
}

/// The host that a URL names.
fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    Some(host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase())
}

//! Access control: hosts, proxies, cross-site requests and tokens.

mod proxies;
mod require_token;
mod sites;

use crate::config::{ApiTokens, BackendConfig, Config};
use crate::http::HostRules;

pub use proxies::TrustedProxies;

pub(super) use proxies::drop_untrusted;
pub(super) use require_token::require_token;
pub(super) use sites::refuse_other_sites;

/// The API's access rules.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The hosts that the API accepts in requests.
    pub hosts: HostRules,
    /// The host of the public URL, which is also accepted in requests for public thumbnails.
    pub public_host: Option<String>,
    /// The peers whose `X-Forwarded-*` headers are trusted.
    pub proxies: TrustedProxies,
    /// The clients' tokens. When empty, any client may call the API.
    pub tokens: ApiTokens,
}

impl From<&Config> for AccessSettings {
    fn from(config: &Config) -> Self {
        // On Lambda there is no listener, and the gateway has its own host name.
        let listen = (!config.on_lambda).then(|| config.listen.ip());
        // Only the local backend serves thumbnails from this process at the public URL.
        let is_local = matches!(config.backend, BackendConfig::Local(_));
        let public_host = config.public_url.as_ref().filter(|_| is_local).map(|url| url.host().to_owned());
        Self {
            hosts: HostRules::new(listen, &config.allowed_hosts),
            public_host,
            proxies: TrustedProxies { on_lambda: config.on_lambda, networks: config.trusted_proxies.clone() },
            tokens: config.api_tokens.clone(),
        }
    }
}

//! Trusted proxies. Any client can send `X-Forwarded-*`, so only those of trusted peers are kept.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use crate::http::{Arrival, is_loopback};

/// The peers whose `X-Forwarded-*` headers are trusted: this machine, Lambda's gateway, and `networks`.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Whether requests arrive as Lambda events. These come only from the gateway.
    pub on_lambda: bool,
    /// Other trusted peers.
    pub networks: Vec<IpNet>,
}

impl TrustedProxies {
    fn trust(&self, peer: Option<IpAddr>) -> bool {
        let Some(peer) = peer else { return self.on_lambda };
        is_loopback(peer) || self.networks.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}

/// Removes the forwarding headers of untrusted peers, so that no later handler uses them.
pub(in crate::api) async fn drop_untrusted(
    State(proxies): State<Arc<TrustedProxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Arrival>().map(|arrival| arrival.peer.ip());
    if !proxies.trust(peer) {
        let forged: Vec<HeaderName> = forwarding(request.headers()).cloned().collect();
        for name in forged {
            request.headers_mut().remove(name);
        }
    }
    next.run(request).await
}

fn forwarding(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    headers.keys().filter(|name| **name == header::FORWARDED || name.as_str().starts_with("x-forwarded-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_lambda_and_the_named_networks_are_trusted() {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let named = TrustedProxies { on_lambda: false, networks };
        let none = TrustedProxies::default();
        for (peer, is_trusted, is_trusted_by_default) in [
            (Some("127.0.0.1"), true, true),
            (Some("::1"), true, true),
            (Some("::ffff:127.0.0.1"), true, true),
            (Some("10.1.2.3"), true, false),
            (Some("::ffff:10.1.2.3"), true, false),
            (Some("fd00::1"), true, false),
            (Some("11.0.0.1"), false, false),
            (Some("2001:db8::1"), false, false),
            (None, false, false),
        ] {
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!((named.trust(peer), none.trust(peer)), (is_trusted, is_trusted_by_default), "{peer:?}");
        }
        assert!(TrustedProxies { on_lambda: true, networks: Vec::new() }.trust(None));
    }
}

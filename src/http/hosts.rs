//! Host checks against DNS rebinding: a web page whose host name resolves to this machine must not reach it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::{Arrival, Authorities, Problem, ProblemKind};
use crate::metrics::{self, ListenerName, StatusClass};

/// The hosts that a listener accepts.
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    is_checked: bool,
    names: Vec<String>,
}

impl HostRules {
    /// The rules of a listener on `listen`. A loopback address accepts only the loopback's names and `names`. Another
    /// address accepts every host if `names` is empty.
    pub fn new(listen: Option<IpAddr>, names: &[String]) -> Self {
        Self { is_checked: !names.is_empty() || listen.is_some_and(is_loopback), names: names.to_vec() }
    }

    /// Also accepts `host`, without checking more than before.
    pub(crate) fn with(mut self, host: Option<String>) -> Self {
        self.names.extend(host);
        self
    }

    /// Whether the rules can reject a host.
    pub(crate) const fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// Whether to accept a request on the address `local` for `host`, an authority without its port.
    fn admit(&self, host: &str, local: Option<IpAddr>) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // DNS rebinding needs a name, so a request for this very IP address is meant for this server.
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
        if let Ok(address) = literal.parse::<IpAddr>() {
            let is_own = local.is_some_and(|local| local.to_canonical() == address.to_canonical());
            return is_loopback(address) || is_own || self.names.iter().any(|name| name.parse() == Ok(address));
        }
        host == "localhost" || host.ends_with(".localhost") || self.names.contains(&host)
    }
}

/// Rejects requests for hosts that the rules do not accept.
pub(crate) fn only_for_hosts(routes: Router, hosts: HostRules, listener: ListenerName) -> Router {
    routes.layer(from_fn_with_state((Arc::new(hosts), listener), check_host))
}

/// Answers 421 to requests for other hosts. A request without a host is accepted: browsers always send one.
async fn check_host(
    State((rules, listener)): State<(Arc<HostRules>, ListenerName)>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let local = request.extensions().get::<Arrival>().map(|arrival| arrival.local.ip());
    let refused = Authorities::of(request.uri(), request.headers()).map(|authorities| {
        let foreign = authorities.all().find(|authority| !rules.admit(authority.host(), local));
        foreign.filter(|_| rules.is_checked).map(|authority| misdirected(authority.host()))
    });
    match refused {
        Ok(None) => next.run(request).await,
        Ok(Some(problem)) | Err(problem) => {
            if listener == ListenerName::Api {
                metrics::answered(metrics::Request::Other, StatusClass::ClientError, started.elapsed());
            }
            problem.into_response()
        }
    }
}

/// Whether an address is a loopback address, including IPv4-mapped IPv6.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn misdirected(host: &str) -> Problem {
    let shown: String = host.chars().take(80).collect();
    let detail = format!("this server does not answer for {shown:?}; DARKROOM_ALLOWED_HOSTS names what it answers for");
    Problem::new(ProblemKind::Misdirected, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted<'a>(rules: &HostRules, local: &str, hosts: &[&'a str]) -> Vec<&'a str> {
        let local = Some(local.parse().unwrap());
        hosts.iter().copied().filter(|host| rules.admit(host, local)).collect()
    }

    #[test]
    fn the_loopback_has_its_names_and_addresses() {
        let rules = HostRules::new(Some("127.0.0.1".parse().unwrap()), &[]);
        let own = ["localhost", "LocalHost", "localhost.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"];
        assert_eq!(admitted(&rules, "127.0.0.1", &own), own);
        let foreign =
            ["evil.example", "localhost.evil.example", "notlocalhost", "10.0.0.1", "[::2]", "", ".", "0.0.0.0"];
        assert!(admitted(&rules, "127.0.0.1", &foreign).is_empty());
    }

    #[test]
    fn named_hosts_and_the_address_that_was_connected_to_are_answered() {
        let names = ["images.example".to_owned(), "192.0.2.9".to_owned(), "2001:db8::9".to_owned()];
        let rules = HostRules::new(Some("0.0.0.0".parse().unwrap()), &names);
        let own = ["images.example", "IMAGES.example.", "192.0.2.9", "[2001:db8::9]", "10.0.0.5", "localhost"];
        assert_eq!(admitted(&rules, "10.0.0.5", &own), own);
        assert_eq!(admitted(&rules, "::ffff:10.0.0.5", &["10.0.0.5"]), ["10.0.0.5"]);
        let foreign = ["other.example", "a.images.example", "10.0.0.6"];
        assert!(admitted(&rules, "10.0.0.5", &foreign).is_empty());
    }

    #[test]
    fn a_further_host_is_admitted_and_turns_no_check_on() {
        let further = || Some("images.example".to_owned());
        let rules = HostRules::new(Some("127.0.0.1".parse().unwrap()), &[]).with(further());
        assert_eq!(admitted(&rules, "127.0.0.1", &["images.example", "evil.example"]), ["images.example"]);
        let anywhere = HostRules::new(Some("0.0.0.0".parse().unwrap()), &[]).with(further());
        assert!(rules.is_checked && !anywhere.is_checked);
    }

    #[test]
    fn hosts_are_checked_on_a_loopback_and_where_some_are_named() {
        let name = ["images.example".to_owned()];
        for (listen, names, is_checked) in [
            (Some("127.0.0.1"), &[][..], true),
            (Some("::1"), &[], true),
            (Some("::ffff:127.0.0.1"), &[], true),
            (Some("0.0.0.0"), &[], false),
            (Some("10.0.0.1"), &[], false),
            (None, &[], false),
            (Some("0.0.0.0"), &name, true),
            (None, &name, true),
        ] {
            let listen = listen.map(|address| address.parse().unwrap());
            assert_eq!(HostRules::new(listen, names).is_checked, is_checked, "{listen:?} {names:?}");
        }
    }
}

//! HTTP code that all listeners share: connections, hosts, preconditions, problem details. Independent of the API's
//! routes.

mod authority;
mod base_url;
mod body;
mod cors;
mod fallback;
mod hosts;
mod object_routes;
mod paced_body;
mod precondition;
mod problem;
mod serve;

pub use hosts::HostRules;
pub use object_routes::ObjectRoutes;
pub use problem::{Problem, ProblemKind};
pub use serve::{Arrival, ConnectionLimits, serve};

pub(crate) use authority::Authorities;
pub(crate) use base_url::{BaseUrl, RequestBase};
pub(crate) use body::{MAX_BODY_BYTES, read_body};
pub(crate) use cors::{CHECKSUM_SHA256, cors};
pub(crate) use fallback::{livez, method_not_allowed, no_such_path};
pub(crate) use hosts::{is_loopback, only_for_hosts};
pub(crate) use paced_body::{PacedBody, ReadError};
pub(crate) use precondition::{IfNoneMatch, entity_tag};

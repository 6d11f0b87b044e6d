//! Opens a backend for the ports. The only module that knows both the ports and the backends.

#[cfg(feature = "aws")]
pub mod aws;
pub mod local;

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::config::{BackendConfig, Config, Role};
use crate::http::ObjectRoutes;
use crate::ports::Ports;
#[cfg(feature = "aws")]
use aws::AwsBackend;
use local::{LocalBackend, MissingDirectory, UploadLimits};

/// An open backend.
pub struct Backend {
    /// The ports.
    pub ports: Ports,
    /// The ports for requests of the API's clients: calls are retried less often and for a shorter time.
    pub request_ports: Ports,
    /// Routes that the API's listener serves for the local backend.
    pub routes: Option<ObjectRoutes>,
    /// Updates the metrics of free space, where space is limited. Blocks for microseconds.
    pub sample_space: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Opens the backend that the settings name.
///
/// # Errors
/// When the backend cannot be opened; the error says what to do.
pub async fn connect(config: &Config, clock: SharedClock) -> anyhow::Result<Backend> {
    match &config.backend {
        BackendConfig::Local(local) => {
            let open = || {
                LocalBackend::open(local, &config.upload_bucket, &config.upload_prefix, &config.thumbnail_bucket, clock)
            };
            let backend = open()?;
            backend.flush_outcomes().await;
            let limits = UploadLimits { max_bytes: config.max_bytes, min_rate: config.min_upload_rate };
            let public = config.public_url.as_ref().map(|url| backend.public_router(url, &config.base_path));
            Ok(Backend {
                ports: backend.ports(),
                request_ports: backend.ports(),
                routes: Some(ObjectRoutes { signed: backend.router(limits), public: public.unwrap_or_default() }),
                sample_space: Some(Arc::new(backend.sampler())),
            })
        }
        #[cfg(feature = "aws")]
        BackendConfig::Aws(aws) => {
            let (ports, request_ports) = AwsBackend::connect(config, aws).await?;
            Ok(Backend { ports, request_ports, routes: None, sample_space: None })
        }
        #[cfg(not(feature = "aws"))]
        BackendConfig::Aws(_) => anyhow::bail!("the AWS backend is not part of this build: set DARKROOM_BACKEND=local"),
    }
}

/// Like [`connect`], for a command that needs an existing data directory and does not create one.
///
/// # Errors
/// Those of [`connect`], and [`MissingDirectory`] when there is no data directory.
pub async fn connect_existing(config: &Config, clock: SharedClock) -> anyhow::Result<Backend> {
    if let BackendConfig::Local(local) = &config.backend {
        MissingDirectory::check(&local.dir)?;
    }
    connect(config, clock).await
}

/// The result of trying one permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The name under which the permission is granted, such as an IAM action.
    pub action: &'static str,
    /// The resource it was tried on.
    pub on: String,
    /// The result.
    pub finding: Finding,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It works.
    Works,
    /// It could not be checked, or only in part, for this reason.
    Unknown(String),
    /// The store does not have it; this is what does not hold then.
    Lacks(String),
    /// It does not work, for this reason.
    Fails(String),
}

#[cfg(feature = "aws")]
impl Finding {
    /// Orders findings from good to bad.
    const fn rank(&self) -> u8 {
        match self {
            Self::Works => 0,
            Self::Unknown(_) => 1,
            Self::Lacks(_) => 2,
            Self::Fails(_) => 3,
        }
    }
}

/// Tries every permission that a role needs, with calls that change nothing. `with_store` also puts an object and
/// removes it, which shows what a store other than S3 lacks.
///
/// # Errors
/// When the backend cannot be opened.
pub async fn probe(config: &Config, role: Role, with_store: bool, clock: SharedClock) -> anyhow::Result<Vec<Probe>> {
    #[cfg(feature = "aws")]
    if let BackendConfig::Aws(aws) = &config.backend {
        return Ok(AwsBackend::probe(config, aws, role, with_store).await?);
    }
    let _ = (role, with_store);
    connect_existing(config, clock).await?;
    Ok(vec![Probe { action: "open", on: "the local backend's directory".to_owned(), finding: Finding::Works }])
}

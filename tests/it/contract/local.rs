//! The contracts over the local backend, with a paused clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use darkroom::backends::local::{LocalBackend, UploadLimits};
use darkroom::clock::{Clock, Timestamp, TokioClock};
use darkroom::config::LocalConfig;
use darkroom::ports::{Catalog, ObjectStore};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{Fixture, Queues, Versions};

/// Backends, each in a directory of its own.
pub(crate) struct LocalFixture {
    clock: Arc<TokioClock>,
    dirs: Mutex<Vec<TempDir>>,
    routers: Mutex<HashMap<String, Router>>,
}

impl LocalFixture {
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(TokioClock::starting_at(Timestamp::from_millis(1_800_000_000_000))),
            dirs: Mutex::default(),
            routers: Mutex::default(),
        }
    }

    /// A backend whose upload bucket `{name}-uploads` keeps versions and accepts every key.
    fn open(&self, max_receives: u32, name: &str) -> LocalBackend {
        let dir = tempfile::tempdir().unwrap();
        let config = LocalConfig { max_receives, ..LocalConfig::new(dir.path().to_owned()) };
        self.dirs.lock().unwrap().push(dir);
        let (uploads, thumbnails) = (format!("{name}-uploads"), format!("{name}-thumbnails"));
        LocalBackend::open(&config, &uploads, "", &thumbnails, self.clock.clone()).unwrap()
    }
}

#[async_trait]
impl Fixture for LocalFixture {
    async fn queue(&self, max_receives: u32) -> Queues {
        let ports = self.open(max_receives, "queue").ports();
        Queues { queue: ports.queue, dead_letters: ports.dead_letters }
    }

    async fn bucket(&self, versions: Versions) -> Arc<dyn ObjectStore> {
        let name = format!("bucket-{}", self.routers.lock().unwrap().len());
        let backend = self.open(1, &name);
        self.routers.lock().unwrap().insert(name, backend.router(UploadLimits { max_bytes: 1 << 20, min_rate: 1 }));
        match versions {
            Versions::Kept => backend.ports().uploads,
            Versions::None => backend.ports().thumbnails,
        }
    }

    async fn catalog(&self) -> Arc<dyn Catalog> {
        self.open(1, "catalog").ports().catalog
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn fetch(&self, request: Request<Bytes>) -> Response<Bytes> {
        let bucket = request.uri().path().split('/').nth(2).unwrap().to_owned();
        let name = bucket.rsplit_once('-').unwrap().0;
        let router = self.routers.lock().unwrap()[name].clone();
        let (head, body) = router.oneshot(request.map(Body::from)).await.unwrap().into_parts();
        Response::from_parts(head, axum::body::to_bytes(body, usize::MAX).await.unwrap())
    }
}

macro_rules! test_each {
    ($port:ident: $($case:ident,)*) => {
        mod $port {
            $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    crate::contract::$port::$case(&super::LocalFixture::new()).await;
                }
            )*
        }
    };
}

super::queue::for_each_queue_case!(test_each);
super::objects::for_each_objects_case!(test_each);
super::catalog::for_each_catalog_case!(test_each);

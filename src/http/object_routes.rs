//! The routes of objects, where a backend serves them on the API's listener.

use axum::Router;

/// The routes of a backend that has no object store with a listener of its own. Neither requires a token.
#[derive(Clone, Debug, Default)]
pub struct ObjectRoutes {
    /// Signed uploads and downloads.
    pub signed: Router,
    /// Public thumbnails, which are also served for the host of the public URL.
    pub public: Router,
}

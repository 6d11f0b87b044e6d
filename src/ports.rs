//! What the domain needs of the world: a queue, object stores, a catalog. Who provides it is decided in `backends`.
//!
//! The comments of the traits are their contract: a backend is right when the contract suites in `tests/it` pass.

pub mod catalog;
pub mod error;
pub mod objects;
mod operation;
pub mod queue;

use std::sync::Arc;

pub use catalog::Catalog;
pub use error::{ErrorKind, PortError};
pub use objects::ObjectStore;
pub use operation::Operation;
pub use queue::Queue;

/// Everything that the domain needs, chosen once at start.
#[derive(Clone)]
pub struct Ports {
    /// Upload events to be worked on.
    pub queue: Arc<dyn Queue>,
    /// Messages that outlived every receive. The same trait: an operator receives from it as a worker does.
    pub dead_letters: Arc<dyn Queue>,
    /// The bucket that uploads land in.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket that thumbnails are put into; it may be the same.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The images' records.
    pub catalog: Arc<dyn Catalog>,
}

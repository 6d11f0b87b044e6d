//! The ports of the domain: a queue, object stores, a catalog. `backends` chooses the implementations.
//!
//! The doc comments of the traits are their contract. The contract suites in `tests/it` check a backend against it.

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

/// All ports, chosen once at start.
#[derive(Clone)]
pub struct Ports {
    /// The queue of upload events.
    pub queue: Arc<dyn Queue>,
    /// The dead-letter queue. The same trait: an operator receives from it as a worker does.
    pub dead_letters: Arc<dyn Queue>,
    /// The bucket of the uploads.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket of the thumbnails; it may be the same one.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The images' records.
    pub catalog: Arc<dyn Catalog>,
}

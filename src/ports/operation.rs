//! The calls of the ports, with their names in errors, logs and metrics.

use crate::names;

names::named! {
    /// A call of a port, or another operation of a backend; the name is `port.call`.
    Operation {
        /// [`Queue::send`](super::Queue::send)
        QueueSend = "queue.send",
        /// [`Queue::receive`](super::Queue::receive)
        QueueReceive = "queue.receive",
        /// [`Queue::extend`](super::Queue::extend)
        QueueExtend = "queue.extend",
        /// [`Queue::release`](super::Queue::release)
        QueueRelease = "queue.release",
        /// [`Queue::delete`](super::Queue::delete)
        QueueDelete = "queue.delete",
        /// [`Queue::attributes`](super::Queue::attributes)
        QueueAttributes = "queue.attributes",
        /// [`ObjectStore::get`](super::ObjectStore::get)
        ObjectsGet = "objects.get",
        /// [`ObjectStore::head`](super::ObjectStore::head)
        ObjectsHead = "objects.head",
        /// [`ObjectStore::put`](super::ObjectStore::put)
        ObjectsPut = "objects.put",
        /// [`ObjectStore::sign_upload`](super::ObjectStore::sign_upload)
        ObjectsSignUpload = "objects.sign_upload",
        /// [`ObjectStore::sign_download`](super::ObjectStore::sign_download)
        ObjectsSignDownload = "objects.sign_download",
        /// [`ObjectStore::list`](super::ObjectStore::list), and
        /// [`ObjectStore::check_bucket`](super::ObjectStore::check_bucket), which lists too
        ObjectsList = "objects.list",
        /// [`ObjectStore::list_versions`](super::ObjectStore::list_versions)
        ObjectsListVersions = "objects.list_versions",
        /// [`ObjectStore::delete`](super::ObjectStore::delete)
        ObjectsDelete = "objects.delete",
        /// [`ObjectStore::delete_version`](super::ObjectStore::delete_version)
        ObjectsDeleteVersion = "objects.delete_version",
        /// [`Catalog::create`](super::Catalog::create)
        CatalogCreate = "catalog.create",
        /// [`Catalog::get`](super::Catalog::get)
        CatalogLook = "catalog.look",
        /// [`Catalog::update`](super::Catalog::update)
        CatalogApply = "catalog.apply",
        /// [`Catalog::scan`](super::Catalog::scan)
        CatalogScan = "catalog.scan",
        /// [`Catalog::delete`](super::Catalog::delete)
        CatalogDelete = "catalog.delete",
        /// `darkroom check` reads the upload bucket's notification configuration.
        ObjectsNotification = "objects.notification",
        /// The local backend deletes the files of deleted objects.
        ObjectsClear = "objects.clear",
        /// The local backend locks the file of outcomes.
        OutcomesLock = "outcomes.lock",
        /// The local backend reads the outcomes that are not in the file yet.
        OutcomesNoted = "outcomes.noted",
        /// The local backend appends outcomes to the file.
        OutcomesAppend = "outcomes.append",
        /// The local backend deletes the stored outcomes that are in the file.
        OutcomesForget = "outcomes.forget",
    }
}

impl Operation {
    /// The port and its call, as metrics label them; `None` for other operations of a backend.
    pub fn port_and_call(self) -> Option<(&'static str, &'static str)> {
        let is_call = !matches!(
            self,
            Self::ObjectsNotification
                | Self::ObjectsClear
                | Self::OutcomesLock
                | Self::OutcomesNoted
                | Self::OutcomesAppend
                | Self::OutcomesForget
        );
        self.as_str().split_once('.').filter(|_| is_call)
    }
}

//! The calls that a test can count and make fail: those of the ports, separately for each bucket.

use darkroom::ports::Operation;

/// Declares the calls, each with the operation that its errors name.
macro_rules! calls {
    ($($call:ident => $operation:ident,)*) => {
        /// A call that a test can make fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Call {
            $($call,)*
        }

        impl Call {
            /// The operation that errors of this call name.
            pub const fn operation(self) -> Operation {
                match self {
                    $(Self::$call => Operation::$operation,)*
                }
            }
        }
    };
}

calls! {
    QueueSend => QueueSend,
    QueueReceive => QueueReceive,
    QueueExtend => QueueExtend,
    QueueRelease => QueueRelease,
    QueueDelete => QueueDelete,
    QueueAttributes => QueueAttributes,
    UploadsGet => ObjectsGet,
    UploadsHead => ObjectsHead,
    UploadsPut => ObjectsPut,
    UploadsList => ObjectsList,
    UploadsListVersions => ObjectsListVersions,
    UploadsDelete => ObjectsDelete,
    UploadsDeleteVersion => ObjectsDeleteVersion,
    UploadsCheckBucket => ObjectsList,
    ThumbnailsGet => ObjectsGet,
    ThumbnailsHead => ObjectsHead,
    ThumbnailsPut => ObjectsPut,
    ThumbnailsList => ObjectsList,
    ThumbnailsListVersions => ObjectsListVersions,
    ThumbnailsDelete => ObjectsDelete,
    ThumbnailsDeleteVersion => ObjectsDeleteVersion,
    ThumbnailsCheckBucket => ObjectsList,
    CatalogCreate => CatalogCreate,
    CatalogLook => CatalogLook,
    CatalogApply => CatalogApply,
    CatalogScan => CatalogScan,
}

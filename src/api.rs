//! The HTTP API: presigned uploads out, the status of every image, and the admin listener.

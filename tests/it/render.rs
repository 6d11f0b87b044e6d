//! `darkroom render`: the thumbnails of files, without a service.

mod command;
mod memory;

//! darkroom turns images into thumbnails as soon as they are uploaded.
//!
//! ```text
//! client --POST /images--> api --(presigned URL)--> client --PUT--> object store: uploads/{id}
//!                                                                        |
//!                                                          ObjectCreated notification
//!                                                                        v
//! queue --receive--> worker --> event::parse --> for each ObjectCreated: pipeline::process
//!                      |                           fetch, inspect, admit, claim, render, deliver, publish
//!                      +--settle: delete | retry after a delay | release to the dead letters
//! ```
//!
//! The modules below are listed in the order in which they handle a message.

pub mod cli;
pub mod config;

pub mod app;
pub mod clock;
pub mod metrics;
mod names;
mod shell;
pub mod telemetry;

pub mod worker;

pub mod event;
pub mod pipeline;

pub mod recipe;
pub mod record;

pub mod ports;

pub mod backends;

pub mod admin;
pub mod api;
pub mod http;
pub mod operate;

pub mod simulate;

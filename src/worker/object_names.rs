//! The names of a message's images and objects, for the log lines about the whole message.

use std::fmt::Display;

use tracing::field::{DisplayValue, display};

use crate::event::Event;
use crate::pipeline::Pipeline;

/// The images and objects of one message, separated by commas.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectNames {
    ids: Option<String>,
    keys: Option<String>,
}

impl ObjectNames {
    /// The names in these events. An event that is not about an upload has no image, and some have no object.
    pub(super) fn of(events: &[Event], pipeline: &Pipeline) -> Self {
        let created = || {
            events.iter().filter_map(|event| match event {
                Event::Created(created) => Some(created),
                Event::Ignored(_) | Event::Unreadable(_) => None,
            })
        };
        Self {
            ids: joined(created().filter_map(|created| pipeline.image_of(created)), ","),
            keys: joined(created().map(|created| &created.key), ", "),
        }
    }

    /// The field `image.id`, formatted as in the spans of single objects.
    pub(super) fn ids(&self) -> Option<DisplayValue<&str>> {
        self.ids.as_deref().map(display)
    }

    /// The field `object.key`.
    pub(super) fn keys(&self) -> Option<&str> {
        self.keys.as_deref()
    }
}

fn joined(names: impl Iterator<Item = impl Display>, separator: &str) -> Option<String> {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    (!names.is_empty()).then(|| names.join(separator))
}

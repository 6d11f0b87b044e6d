//! The worker: receives messages, keeps them while they are worked on, settles them, drains at the end.

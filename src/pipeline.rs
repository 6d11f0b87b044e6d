//! The way of one object from its event to `published`: the steps in their order.

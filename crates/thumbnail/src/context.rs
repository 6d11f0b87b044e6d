//! The context of one rendering: recipe, stop, scratch memory, and the time of each stage.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::geometry::Dimensions;
use super::scratch::Scratch;
use super::{RenderError, Stop, Stopped, Thumbnail, Timings};
use crate::{Recipe, Tolerated};

/// The shared state of the steps of one rendering.
pub(super) struct Context<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) stop: &'a Stop,
    pub(super) scratch: &'a mut Scratch,
    pub(super) timings: Timings,
    /// The oddities of the file so far.
    pub(super) tolerated: BTreeSet<Tolerated>,
}

/// The stages that are timed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    Decode,
    Resize,
    Encode,
}

impl Context<'_> {
    /// Runs a step and adds its time to `stage`, or stops if requested.
    pub(super) fn step<T, E: From<Stopped>>(
        &mut self,
        stage: Stage,
        work: impl FnOnce(&mut Scratch) -> Result<T, E>,
    ) -> Result<T, E> {
        self.stop.check()?;
        let begun = Instant::now();
        let done = work(self.scratch);
        self.add(stage, begun.elapsed());
        done
    }

    fn add(&mut self, stage: Stage, took: Duration) {
        match stage {
            Stage::Decode => self.timings.decode += took,
            Stage::Resize => self.timings.resize += took,
            Stage::Encode => self.timings.encode += took,
        }
    }

    /// The largest thumbnail of a picture of `source`; the others are made from it.
    pub(super) fn largest(&self, source: Dimensions) -> Dimensions {
        source.inside(self.recipe.largest_side())
    }

    /// Makes the thumbnails from the largest to the smallest, each from the one before. Returns them in the recipe's
    /// order.
    pub(super) fn cascade(
        &mut self,
        source: Dimensions,
        mut make: impl FnMut(&mut Self, Dimensions) -> Result<Vec<u8>, RenderError>,
    ) -> Result<Vec<Thumbnail>, RenderError> {
        let mut order: Vec<_> = self.recipe.sizes.iter().enumerate().collect();
        order.sort_by_key(|(_, size)| std::cmp::Reverse(size.side));
        let mut made = Vec::with_capacity(order.len());
        for (index, size) in order {
            let Dimensions { width, height } = source.inside(size.side);
            let bytes = make(self, Dimensions::new(width, height))?;
            made.push((index, Thumbnail { size: size.name.clone(), width, height, bytes }));
        }
        made.sort_by_key(|(index, _)| *index);
        Ok(made.into_iter().map(|(_, thumbnail)| thumbnail).collect())
    }
}

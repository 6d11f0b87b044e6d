//! The operator's commands: on a world with a paused clock, and as a user types them.

mod backfill;
mod command;
mod dead_letters;
mod images;
mod originals;
mod sweep;

use std::time::Duration;

use darkroom::operate::OperatorContext;
use darkroom::operate::dead_letters::dead_letter::Cause;
use darkroom::operate::dead_letters::{Filter, list};
use darkroom::ports::ErrorKind;
use darkroom::record::ImageId;
use serde_json::Value;

use crate::images as pictures;
use crate::world::{Call, Faults, Options, When, World};

/// The output of `darkroom dlq list --json`.
async fn listed(context: &OperatorContext, filter: &Filter) -> Vec<Value> {
    let mut out = Vec::new();
    let count = list(context, filter, true, &mut out).await.unwrap();
    let rows: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len() as u64, count);
    rows
}

fn of_cause(name: &str) -> Filter {
    Filter { causes: vec![Cause::from_name(name).unwrap()], ..Filter::default() }
}

/// A world whose only worker failed some uploads permanently in an outage, and then received unreadable messages.
async fn after_a_bad_day(names: &[&str], nonsense: usize) -> (World, Vec<ImageId>) {
    let mut world = World::idle(Options { max_receives: 2, ..Options::default() });
    world.faults.fail_many(Call::UploadsGet, 1, 10_000, ErrorKind::Damaged, When::Before);
    let mut ids = Vec::new();
    for name in names {
        ids.push(world.upload(name, &pictures::jpeg(32, 24)).await);
    }
    for _ in 0..nonsense {
        world.send("no event at all").await;
    }
    world.start_worker();
    world.run_until_idle().await;
    world.faults.heal();
    assert_eq!(world.dead_letters().await, (names.len() + nonsense) as u64);
    (world, ids)
}

/// The world as an operator's command accesses it, without faults.
fn seen(world: &World) -> OperatorContext {
    world.context(&Faults::default())
}

/// Longer than a killed command keeps its messages hidden.
const HIDDEN: Duration = Duration::from_secs(61);

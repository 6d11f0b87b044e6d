//! The contracts on engines that other projects wrote: SeaweedFS and rclone for objects, dynoxide for records.
//!
//! A case that a store cannot pass has a case of its own here, which asserts how darkroom degrades. The contract's case
//! must then fail: an entry that is no longer needed is an error.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Fixture;
use super::aws::AwsFixture;
use crate::aws::account::{Account, variable};

mod degraded;

type Case = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, ()>;

/// An engine under test.
struct Engine {
    /// The variable with its address, which `scripts/with-engines` sets.
    variable: &'static str,
    /// Whether its buckets can keep versions.
    keeps_versions: bool,
    /// The cases that it cannot pass, and what holds instead.
    degraded: &'static [(&'static str, Case)],
}

const SEAWEEDFS: Engine =
    Engine { variable: "DARKROOM_TEST_SEAWEEDFS", keeps_versions: true, degraded: degraded::ON_SEAWEEDFS };
const RCLONE: Engine =
    Engine { variable: "DARKROOM_TEST_RCLONE", keeps_versions: false, degraded: degraded::ON_RCLONE };
const DYNOXIDE: Engine = Engine { variable: "DARKROOM_TEST_DYNOXIDE", keeps_versions: true, degraded: &[] };

/// Runs one case on an engine.
async fn run(engine: &Engine, name: &str, case: Case) {
    let Some(endpoint) = variable(engine.variable) else { return };
    let mut account = Account::at(&endpoint);
    account.keeps_versions = engine.keeps_versions;
    let fixture = AwsFixture(account);
    let instead = engine.degraded.iter().find(|(degraded, _)| *degraded == name);
    let mut outcome = AssertUnwindSafe(case(&fixture)).catch_unwind().await;
    if let Some((_, instead)) = instead {
        assert!(outcome.is_err(), "{name} passes: remove it from the table");
        outcome = AssertUnwindSafe(instead(&fixture)).catch_unwind().await;
    }
    fixture.0.remove_all().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

macro_rules! on {
    ($module:ident, $engine:ident, $port:ident: $($case:ident,)*) => {
        mod $module {
            $(
                #[tokio::test]
                #[ignore = "runs in make test-long"]
                async fn $case() {
                    let case: super::Case = |fixture| Box::pin(crate::contract::$port::$case(fixture));
                    super::run(&super::$engine, stringify!($case), case).await;
                }
            )*
        }
    };
}

macro_rules! on_seaweedfs { ($($cases:tt)*) => { on! { seaweedfs, SEAWEEDFS, $($cases)* } }; }
macro_rules! on_rclone { ($($cases:tt)*) => { on! { rclone, RCLONE, $($cases)* } }; }
macro_rules! on_dynoxide { ($($cases:tt)*) => { on! { dynoxide, DYNOXIDE, $($cases)* } }; }

super::objects::for_each_objects_case!(on_seaweedfs);
super::objects::for_each_objects_case!(on_rclone);
super::catalog::for_each_catalog_case!(on_dynoxide);

macro_rules! names { ($port:ident: $($case:ident,)*) => { [$(stringify!($case)),*] }; }

#[test]
fn the_tables_name_cases() {
    let cases = super::objects::for_each_objects_case!(names);
    for (name, _) in [degraded::ON_SEAWEEDFS, degraded::ON_RCLONE].concat() {
        assert!(cases.contains(&name), "{name}");
    }
}

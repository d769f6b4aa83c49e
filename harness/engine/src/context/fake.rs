//! A context for tests: whatever is reported is kept.

use crashtest_linux::directory::Directory;
use crashtest_model::{
    Budget, Bytes, Confirm, Fault, KillAt, Loader, Plan, Seed, Signal, TargetSpec, Tears, TrialRecord,
};

use super::Context;
use crate::error::EngineError;
use crate::protocol::Report;

/// A plan with one worker, of everything there is.
pub(crate) fn plan() -> Plan {
    Plan {
        target: TargetSpec {
            strategy: "fake".to_owned(),
            workload: "numbers".to_owned(),
            loader: Loader::Strict,
            state_size: Bytes(64),
            idle_us: 0,
            writers: 1,
            threads: false,
            readers: 0,
        },
        faults: vec![Fault::Sweep, Fault::Io],
        kill_at: KillAt::Any,
        signal: Signal::Kill,
        tears: Tears::Posix,
        confirm: Confirm::Sample,
        max_states: None,
        seed: Seed(1),
        budget: Budget { iterations: None, duration_ms: None, max_ms: None, max_failures: None, jobs: 1 },
        fresh: false,
        limit_ms: 1000,
        sandbox_parent: std::env::temp_dir(),
        planted: None,
        program: None,
    }
}

/// The records that `work` reports.
pub(crate) fn records(plan: &Plan, work: impl FnOnce(&mut Context<'_>) -> Result<(), EngineError>) -> Vec<TrialRecord> {
    let evidence = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    let mut keep = |report| {
        if let Report::Trial(record, _) = report {
            records.push(*record);
        }
        Ok(())
    };
    work(&mut Context::new(plan, Directory::named(evidence.path()).unwrap(), &mut keep)).unwrap();
    records
}

//! What there is to test, as an object-safe factory: the harness is handed one and knows no target by name.

use crashtest_model::{Seed, StrategyInfo, TargetSpec, WorkloadInfo};

use crate::{Generations, Place, Target};

/// A set of strategies and workloads.
pub trait Registry: Sync {
    /// Every strategy, planted ones included, in the order in which they are listed.
    fn strategies(&self) -> Vec<StrategyInfo>;

    /// Every workload, in the order in which they are listed.
    fn workloads(&self) -> Vec<WorkloadInfo>;

    /// The workload that a strategy is tested with where nobody names another: a system's own, and it has no other.
    fn own_workload(&self, _strategy: &str) -> Option<&'static str> {
        None
    }

    /// The target that `spec` names, working at `place` on the operations of `stream`; `None` for an unknown name.
    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>>;

    /// The oracle's own fold of the same operations; `None` for an unknown name.
    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>>;
}

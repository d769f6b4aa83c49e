//! What there is to test, as an object-safe factory: the harness is handed one and knows no target by name.

use crashtest_model::{Seed, StrategyInfo, TargetSpec, WorkloadInfo};

use crate::{Generations, Place, Shared, Target};

/// A set of strategies and workloads.
pub trait Registry: Sync {
    /// Every strategy, planted ones included, in the order in which they are listed.
    fn strategies(&self) -> Vec<StrategyInfo>;

    /// Every workload, in the order in which they are listed.
    fn workloads(&self) -> Vec<WorkloadInfo>;

    /// The workload that a strategy is tested with where nobody names another: a system's own, and it has no other.
    fn own_workload(&self, _strategy: &str) -> Option<&str> {
        None
    }

    /// Returns whether `strategy` can persist `workload`.
    fn goes_with(&self, strategy: &StrategyInfo, workload: &WorkloadInfo) -> bool {
        let own = self.own_workload(&strategy.name);
        workload.shapes.contains(&strategy.shape) && own.is_none_or(|own| own == workload.name)
    }

    /// Returns how many documents the writers of a strategy have between them: one, but where each has its own.
    fn documents(&self, _spec: &TargetSpec) -> u32 {
        1
    }

    /// The fewest writers that a strategy makes sense with: two where it is about what they do to each other.
    fn fewest_writers(&self, spec: &TargetSpec) -> u32 {
        if self.documents(spec) > 1 || self.shares_state(spec) { 2 } else { 1 }
    }

    /// Returns whether the writers of a strategy read, change and save one state between them: whether [`shared`](Registry::shared)
    /// gives anything.
    fn shares_state(&self, spec: &TargetSpec) -> bool {
        self.shared(spec).is_some()
    }

    /// The oracle of a system whose writers read, change and save one state between them; `None` where each saves a document of its
    /// own making.
    fn shared(&self, _spec: &TargetSpec) -> Option<Box<dyn Shared>> {
        None
    }

    /// The target that `spec` names, working at `place` on the operations of `stream`; `None` for an unknown name.
    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>>;

    /// The oracle's own fold of the same operations; `None` for an unknown name.
    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>>;
}

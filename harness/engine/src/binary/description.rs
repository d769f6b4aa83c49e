//! What a binary with somebody else's targets says of itself: all of its registry but the targets.
//!
//! Such a binary is run as worker in place of crashtest itself, so its victims are as fast as the built-in ones. The supervisor
//! knows of its targets what it describes, and makes none of them.

use crashtest_kit::{Generations, Place, Registry, Target};
use crashtest_model::{Bytes, Loader, Seed, StrategyInfo, TargetSpec, WorkloadInfo};
use serde::{Deserialize, Serialize};

use crate::protocol::PROTOCOL;

/// What a targets binary says of itself: all of its registry but the targets themselves.
///
/// As a [`Registry`] it knows every name and makes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of crashtest that it was built with.
    pub version: String,
    /// Its strategies.
    pub strategies: Vec<DescribedStrategy>,
    /// Its workloads.
    pub workloads: Vec<WorkloadInfo>,
}

/// A strategy of a targets binary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedStrategy {
    /// What is said of it.
    #[serde(flatten)]
    pub info: StrategyInfo,
    /// Its own workload, where it has one and no other.
    pub own_workload: Option<String>,
    /// It, with each workload that it can persist.
    pub targets: Vec<DescribedTarget>,
}

/// A strategy with a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedTarget {
    /// The workload's name.
    pub workload: String,
    /// How many documents its writers have between them.
    pub documents: u32,
    /// The fewest writers that it makes sense with.
    pub fewest_writers: u32,
    /// Whether its writers read, change and save one state between them.
    pub shared: bool,
}

impl Description {
    /// What `registry` comes to.
    pub(crate) fn from_registry(registry: &dyn Registry) -> Description {
        let workloads = registry.workloads();
        let described = |info: StrategyInfo| DescribedStrategy {
            own_workload: registry.own_workload(&info.name).map(str::to_owned),
            targets: workloads
                .iter()
                .filter(|workload| registry.goes_with(&info, workload))
                .map(|workload| {
                    let spec = usual(&info.name, &workload.name);
                    DescribedTarget {
                        workload: workload.name.clone(),
                        documents: registry.documents(&spec),
                        fewest_writers: registry.fewest_writers(&spec),
                        shared: registry.shares_state(&spec),
                    }
                })
                .collect(),
            info,
        };
        let strategies = registry.strategies().into_iter().map(described).collect();
        Description { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), strategies, workloads }
    }

    fn strategy(&self, name: &str) -> Option<&DescribedStrategy> {
        self.strategies.iter().find(|strategy| strategy.info.name == name)
    }

    fn target_of(&self, spec: &TargetSpec) -> Option<&DescribedTarget> {
        self.strategy(&spec.strategy)?.targets.iter().find(|target| target.workload == spec.workload)
    }
}

/// A strategy with a workload, as it is where nobody says more: what a registry says of it is said of this.
fn usual(strategy: &str, workload: &str) -> TargetSpec {
    TargetSpec {
        strategy: strategy.to_owned(),
        workload: workload.to_owned(),
        loader: Loader::Strict,
        state_size: Bytes::kib(64),
        idle_us: 0,
        writers: 1,
        threads: false,
        readers: 0,
    }
}

impl Registry for Description {
    fn strategies(&self) -> Vec<StrategyInfo> {
        self.strategies.iter().map(|strategy| strategy.info.clone()).collect()
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        self.workloads.clone()
    }

    /// Also the only one that it can persist: nobody needs to name that.
    fn own_workload(&self, strategy: &str) -> Option<&str> {
        let strategy = self.strategy(strategy)?;
        match &strategy.targets[..] {
            [only] => Some(&only.workload),
            _ => strategy.own_workload.as_deref(),
        }
    }

    fn goes_with(&self, strategy: &StrategyInfo, workload: &WorkloadInfo) -> bool {
        let targets = self.strategy(&strategy.name).map(|strategy| &strategy.targets[..]);
        targets.unwrap_or_default().iter().any(|target| target.workload == workload.name)
    }

    fn documents(&self, spec: &TargetSpec) -> u32 {
        self.target_of(spec).map_or(1, |target| target.documents)
    }

    fn fewest_writers(&self, spec: &TargetSpec) -> u32 {
        self.target_of(spec).map_or(1, |target| target.fewest_writers)
    }

    fn shares_state(&self, spec: &TargetSpec) -> bool {
        self.target_of(spec).is_some_and(|target| target.shared)
    }

    fn target(&self, _spec: &TargetSpec, _stream: Seed, _place: Place) -> Option<Box<dyn Target>> {
        None
    }

    fn generations(&self, _spec: &TargetSpec, _stream: Seed) -> Option<Box<dyn Generations>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::Shape;

    use super::*;

    /// A registry with a strategy of two documents, one whose writers share a state, and one with a workload of its own.
    struct Three;

    impl Registry for Three {
        fn strategies(&self) -> Vec<StrategyInfo> {
            let strategy = |name: &str, shape| StrategyInfo {
                name: name.into(),
                summary: String::new(),
                shape,
                recipe: String::new(),
                origin: String::new(),
                documented: Vec::new(),
                planted: false,
            };
            vec![strategy("pair", Shape::Document), strategy("desk", Shape::System), strategy("own", Shape::System)]
        }

        fn workloads(&self) -> Vec<WorkloadInfo> {
            let workload = |name: &str, shape| WorkloadInfo {
                name: name.into(),
                summary: String::new(),
                shapes: vec![shape],
                phrases: Vec::new(),
            };
            vec![
                workload("one", Shape::Document),
                workload("two", Shape::Document),
                workload("books", Shape::System),
                workload("log", Shape::System),
            ]
        }

        fn own_workload(&self, strategy: &str) -> Option<&str> {
            (strategy == "own").then_some("log")
        }

        fn documents(&self, spec: &TargetSpec) -> u32 {
            if spec.strategy == "pair" { 2 } else { 1 }
        }

        fn shares_state(&self, spec: &TargetSpec) -> bool {
            spec.strategy == "desk"
        }

        fn target(&self, _: &TargetSpec, _: Seed, _: Place) -> Option<Box<dyn Target>> {
            None
        }

        fn generations(&self, _: &TargetSpec, _: Seed) -> Option<Box<dyn Generations>> {
            None
        }
    }

    #[test]
    fn a_description_says_what_its_registry_says() {
        let said = serde_json::to_vec(&Description::from_registry(&Three)).unwrap();
        let described: Description = serde_json::from_slice(&said).unwrap();
        assert_eq!((described.strategies(), described.workloads()), (Three.strategies(), Three.workloads()));
        for strategy in Three.strategies() {
            assert_eq!(described.own_workload(&strategy.name), Three.own_workload(&strategy.name));
            for workload in Three.workloads() {
                let fits = Three.goes_with(&strategy, &workload);
                assert_eq!(described.goes_with(&strategy, &workload), fits, "{} {}", strategy.name, workload.name);
                let spec = usual(&strategy.name, &workload.name);
                if fits {
                    assert_eq!(described.documents(&spec), Three.documents(&spec));
                    assert_eq!(described.fewest_writers(&spec), Three.fewest_writers(&spec));
                    assert_eq!(described.shares_state(&spec), Three.shares_state(&spec));
                }
            }
        }
    }
}

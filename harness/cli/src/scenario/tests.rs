//! Tests of scenario files, and what they share: a registry that stays as it is when strategies are added.

mod edits;
mod mistakes;
mod product;
mod schema;

use crashtest_kit::{Generations, Place, Registry, Target};
use crashtest_model::{
    Documented, Expectation, Fault, Loader, Seed, Shape, StrategyInfo, TargetSpec, Verdict, WorkloadInfo,
};

use super::mistake::Mistake;
use super::{Scenario, parse};

/// Names to choose from that stay as they are when strategies are added. Nothing of it can be run.
struct Shelf;

impl Registry for Shelf {
    fn strategies(&self) -> Vec<StrategyInfo> {
        let strategy = |name: &str, shape, must: &[Verdict]| StrategyInfo {
            name: name.into(),
            summary: String::new(),
            shape,
            recipe: String::new(),
            origin: String::new(),
            documented: vec![Documented {
                start: crashtest_model::Start::Again,
                loader: Loader::Strict,
                fault: Fault::Kill,
                conditions: crashtest_model::Conditions::default(),
                expectation: Expectation { must: must.to_vec(), ..Expectation::default() },
            }],
            planted: name.starts_with("planted"),
        };
        vec![
            strategy("direct", Shape::Document, &[Verdict::Empty, Verdict::Torn]),
            strategy("atomic", Shape::Document, &[]),
            strategy("append-log", Shape::Log, &[]),
            strategy("planted-hang", Shape::Document, &[]),
        ]
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        let workload = |name: &str, shapes: &[Shape]| WorkloadInfo {
            name: name.into(),
            summary: String::new(),
            shapes: shapes.to_vec(),
            phrases: Vec::new(),
        };
        vec![
            workload("fills", &[Shape::Document, Shape::Log]),
            workload("signals", &[Shape::Document]),
            workload("hash-chain", &[Shape::Log]),
        ]
    }

    fn target(&self, _: &TargetSpec, _: Seed, _: Place) -> Option<Box<dyn Target>> {
        None
    }

    fn generations(&self, _: &TargetSpec, _: Seed) -> Option<Box<dyn Generations>> {
        None
    }
}

fn read(text: &str) -> Result<Scenario, Mistake> {
    parse("mine", text, &Shelf, 2)
}

/// A whole file whose only campaign has these lines.
fn campaign(lines: &str) -> String {
    format!("#:schema ./schema.json\nwhy = \"to see\"\n\n[[campaign]]\n{lines}\n")
}

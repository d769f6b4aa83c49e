//! Which strategies a campaign tests with which workloads.
//!
//! A pair whose shapes do not fit is a mistake where both were named. It is left out where one came from a group or from "all". Who
//! was named and is in no pair is a mistake, too: a campaign never leaves out what it was asked for.

use std::collections::BTreeSet;

use crashtest_kit::Registry;
use crashtest_model::{Shape, StrategyInfo, WorkloadInfo};

use crate::options::DEFAULT_WORKLOAD;

use super::keys::{GROUP, STRATEGIES, WORKLOADS};
use super::mistake::{Mistake, Place};
use super::table::Table;
use super::value::Value;

/// Every workload that fits.
const ALL: &str = "all";

/// The groups, with the shape that each is of.
pub(crate) const GROUPS: [(&str, Option<Shape>); 4] =
    [("documents", Some(Shape::Document)), ("logs", Some(Shape::Log)), ("systems", Some(Shape::System)), ("all", None)];

/// Everything that can be named.
pub(crate) struct Catalogue<'r> {
    /// Where it is from.
    pub registry: &'r dyn Registry,
    strategies: Vec<StrategyInfo>,
    workloads: Vec<WorkloadInfo>,
    /// The workloads that some strategy has and no other.
    own: BTreeSet<String>,
}

/// Something chosen, and where it was named; `None` where it came with others.
struct Choice<'c, T> {
    info: &'c T,
    named: Option<Place>,
}

impl<'r> Catalogue<'r> {
    /// What `registry` holds.
    pub(crate) fn new(registry: &'r dyn Registry) -> Catalogue<'r> {
        let (strategies, workloads) = (registry.strategies(), registry.workloads());
        let own = strategies.iter().filter_map(|info| registry.own_workload(&info.name)).map(str::to_owned).collect();
        Catalogue { registry, strategies, workloads, own }
    }

    /// The strategies that are listed; canaries are found by their name only.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &StrategyInfo> {
        self.strategies.iter().filter(|info| !info.planted)
    }

    /// The strategy that `value` names.
    pub(crate) fn strategy(&self, value: &Value<'_>) -> Result<&StrategyInfo, Mistake> {
        let word = value.text()?;
        let found = self.strategies.iter().find(|info| info.name == word);
        found.ok_or_else(|| match GROUPS.iter().find(|(group, _)| *group == word) {
            Some(_) => Mistake::new(format!("`{word}` is no strategy"), value.place(), "this is a group")
                .help(format!("write it like this:\n{} = \"{word}\"", GROUP.name)),
            None => value.unknown("strategy", &names(self.listed().map(|info| &info.name))),
        })
    }

    fn workload(&self, value: &Value<'_>) -> Result<&WorkloadInfo, Mistake> {
        let word = value.text()?;
        let found = self.workloads.iter().find(|info| info.name == word);
        found.ok_or_else(|| match word {
            ALL => Mistake::new(format!("`{ALL}` is no workload"), value.place(), "without brackets")
                .help(format!("write it like this:\n{} = \"{ALL}\"", WORKLOADS.name)),
            _ => value.unknown("workload", &self.workload_names()),
        })
    }

    fn workload_names(&self) -> Vec<&str> {
        names(self.workloads.iter().map(|info| &info.name))
    }

    /// The strategies that a campaign names, or those of its group.
    fn strategies(&self, campaign: &Table<'_>) -> Result<Vec<Choice<'_, StrategyInfo>>, Mistake> {
        match (campaign.get(&STRATEGIES), campaign.get(&GROUP)) {
            (Some(strategies), Some(group)) => {
                Err(Mistake::new("`group` and `strategies` in one campaign", group.key_place, "a group")
                    .and(strategies.key_place, "strategies by name")
                    .help("give one of the two, or write two campaigns"))
            }
            (Some(strategies), None) => Ok(named(strategies.filled_set(|value| self.strategy(value))?)),
            (None, Some(group)) => {
                let shape = group.one_of("group", &GROUPS)?;
                let members: Vec<_> =
                    self.listed().filter(|info| shape.is_none_or(|shape| info.shape == shape)).map(unnamed).collect();
                if members.is_empty() { Err(group.refused("no strategy is in this group yet")) } else { Ok(members) }
            }
            (None, None) => {
                Err(Mistake::new("a campaign without strategies", campaign.header.clone(), "of which strategies?")
                    .help(format!("name them, or a group:\n{}\n{}", STRATEGIES.example, GROUP.example)))
            }
        }
    }

    /// The workloads that a campaign names, all of them, or the default.
    fn workloads(&self, campaign: &Table<'_>) -> Result<Vec<Choice<'_, WorkloadInfo>>, Mistake> {
        match campaign.get(&WORKLOADS) {
            Some(value) => match value.text() {
                Ok(ALL) => Ok(self.workloads.iter().map(unnamed).collect()),
                Ok(word) if !self.workload_names().contains(&word) => {
                    Err(value.unknown("workload", &[&[ALL], &self.workload_names()[..]].concat()))
                }
                _ => Ok(named(value.filled_set(|value| self.workload(value))?)),
            },
            None => {
                let usual = |info: &&WorkloadInfo| info.name == DEFAULT_WORKLOAD || self.own.contains(&info.name);
                Ok(self.workloads.iter().filter(usual).map(unnamed).collect())
            }
        }
    }

    /// The pairs that a campaign tests.
    pub(crate) fn pairs(&self, campaign: &Table<'_>) -> Result<Vec<(&StrategyInfo, &WorkloadInfo)>, Mistake> {
        let strategies = self.strategies(campaign)?;
        let workloads = self.workloads(campaign)?;
        let mut pairs = Vec::new();
        for strategy in &strategies {
            for workload in &workloads {
                match (self.registry.goes_with(strategy.info, workload.info), &strategy.named, &workload.named) {
                    (true, ..) => pairs.push((strategy.info, workload.info)),
                    (false, Some(from), Some(to)) => return Err(self.unfit(strategy.info, from, workload.info, to)),
                    (false, ..) => {}
                }
            }
        }
        self.nobody_left_out(&strategies, &workloads, &pairs)?;
        if pairs.is_empty() {
            let message = "a campaign that tests nothing";
            return Err(Mistake::new(message, campaign.header.clone(), "no strategy of its group fits its workloads"));
        }
        Ok(pairs)
    }

    fn nobody_left_out(
        &self,
        strategies: &[Choice<'_, StrategyInfo>],
        workloads: &[Choice<'_, WorkloadInfo>],
        pairs: &[(&StrategyInfo, &WorkloadInfo)],
    ) -> Result<(), Mistake> {
        for Choice { info, named } in strategies {
            if let (Some(place), false) = (named, pairs.iter().any(|(strategy, _)| strategy == info)) {
                let label = "fits no workload of this campaign";
                return Err(Mistake::new(format!("nothing to test `{}` with", info.name), place.clone(), label)
                    .help(self.fitting(info)));
            }
        }
        for Choice { info, named } in workloads {
            if let (Some(place), false) = (named, pairs.iter().any(|(_, workload)| workload == info)) {
                let label = "fits no strategy of this group";
                return Err(Mistake::new(format!("nothing to test `{}` with", info.name), place.clone(), label)
                    .help(format!("`{}` is persisted as a {}", info.name, shapes(info))));
            }
        }
        Ok(())
    }

    fn unfit(&self, strategy: &StrategyInfo, from: &Place, workload: &WorkloadInfo, to: &Place) -> Mistake {
        Mistake::new(
            format!("`{}` cannot persist `{}`", strategy.name, workload.name),
            to.clone(),
            format!("is persisted as a {}", shapes(workload)),
        )
        .and(from.clone(), format!("persists a {}", strategy.shape))
        .help(self.fitting(strategy))
    }

    fn fitting(&self, strategy: &StrategyInfo) -> String {
        let fitting =
            self.workloads.iter().filter(|info| self.registry.goes_with(strategy, info)).map(|info| &info.name);
        format!("workloads for `{}`: {}", strategy.name, names(fitting).join(", "))
    }
}

fn shapes(workload: &WorkloadInfo) -> String {
    workload.shapes.iter().map(|shape| shape.name()).collect::<Vec<_>>().join(" or a ")
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    names.map(String::as_str).collect()
}

fn unnamed<T>(info: &T) -> Choice<'_, T> {
    Choice { info, named: None }
}

fn named<T>(found: Vec<(&T, Place)>) -> Vec<Choice<'_, T>> {
    found.into_iter().map(|(info, place)| Choice { info, named: Some(place) }).collect()
}

//! A scenario: campaigns written as a TOML file, expanded to one plan per strategy × workload, loader and fault.
//!
//! Reading and checking only: a scenario that loads can be run. Every mistake in the file is shown at its place, with the nearest
//! valid word and what may stand there. scenarios/README.md describes the format, scenarios/schema.json says it to editors.

mod campaign;
mod document;
mod expect;
mod keys;
mod mistake;
mod project;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

use crashtest_kit::Registry;
use crashtest_model::{Expectation, Plan, Seed};
use toml::de::DeTable;

use self::keys::FILE;
use self::mistake::Mistake;
pub(crate) use self::project::{NamedProgram, programs};
use self::table::Table;
use self::targets::Catalogue;
use crate::console;
use crate::problem::Problem;
use crate::values;

/// What a scenario file asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// What it is for, in a sentence.
    pub why: String,
    /// What it cannot show.
    pub limits: Vec<String>,
    /// What is run, in the order of the file.
    pub cells: Vec<Cell>,
}

/// One campaign of a scenario: one target, one loader, one fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// What is done. The sandbox's place is empty: the caller chooses it.
    pub plan: Plan,
    /// What must and may show; `None` where nothing is documented.
    pub expect: Option<Expectation>,
}

/// The scenario in the file at `path`, for `jobs` workers.
pub(crate) fn load(path: &Path, registry: &dyn Registry, jobs: usize) -> Result<Scenario, Problem> {
    let text = document::read(path)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    parse(&name, &text, registry, jobs)
        .map_err(|mistake| Problem::report(mistake.render(path, &text, console::error_width(), console::error_color())))
}

/// The scenario called `name` that `text` writes down.
fn parse(name: &str, text: &str, registry: &dyn Registry, jobs: usize) -> Result<Scenario, Mistake> {
    let document = DeTable::parse(text).map_err(|error| Mistake::of_syntax(&error, text))?;
    let catalogue = Catalogue::new(registry);
    let file = Table::new(&FILE, 0..0, document.get_ref())?;
    let why = file.need(&keys::WHY)?.sentence()?;
    let limits = match file.get(&keys::LIMITS) {
        Some(limits) => limits.set(|limit| limit.sentence())?.into_iter().map(|(limit, _)| limit).collect(),
        None => Vec::new(),
    };
    let seed = match file.get(&keys::SEED) {
        Some(seed) => seed.parsed(&seed.text_or_number()?, values::seed)?,
        None => Seed(1),
    };
    let mut cells = Vec::new();
    for campaign in file.need(&keys::CAMPAIGN)?.tables(&keys::IN_CAMPAIGN)? {
        cells.extend(campaign::cells(&campaign, &catalogue, seed, jobs)?);
    }
    if let Some(expectations) = file.get(&keys::EXPECT) {
        expect::apply(&expectations.tables(&keys::IN_EXPECT)?, &catalogue, &mut cells)?;
    }
    Ok(Scenario { name: name.to_owned(), why, limits, cells })
}

//! `[[expect]]`: what must and may show where it is not what is documented for the strategy.

use crashtest_model::{Expectation, Fault, Loader, Verdict};

use super::Cell;
use super::campaign::{faults, loaders};
use super::keys::{self, Key};
use super::mistake::{Mistake, Place};
use super::table::Table;
use super::targets::Catalogue;

/// Puts each expectation into the cells that it is about; one that is about none is a mistake.
pub(crate) fn apply(expectations: &[Table<'_>], catalogue: &Catalogue<'_>, cells: &mut [Cell]) -> Result<(), Mistake> {
    let mut seen: Vec<(&str, Loader, Fault, Place)> = Vec::new();
    for table in expectations {
        let strategy = table.need(&keys::STRATEGY)?;
        let name = &catalogue.strategy(&strategy)?.name;
        let loader = table.get(&keys::LOADER).map(|value| value.one_of("loader", &loaders())).transpose()?;
        let fault = table.get(&keys::FAULT).map(|value| value.one_of("fault", &faults())).transpose()?;
        let (loader, fault) = (loader.unwrap_or_default(), fault.unwrap_or(Fault::Kill));
        let what = format!("`{name}` with a {loader} loader under `{fault}`");
        if let Some((.., first)) = seen.iter().find(|(n, l, f, _)| (*n, *l, *f) == (name.as_str(), loader, fault)) {
            let message = format!("two expectations for {what}");
            return Err(Mistake::new(message, strategy.place(), "again").and(first.clone(), "here first"));
        }
        let expectation = Expectation {
            must: verdicts(table, &keys::MUST)?,
            one_of: verdicts(table, &keys::ONE_OF)?,
            may: verdicts(table, &keys::MAY)?,
        };
        let mut about = 0;
        for cell in cells.iter_mut() {
            let target = &cell.plan.target;
            if target.strategy == *name && target.loader == loader && cell.plan.faults.contains(&fault) {
                cell.expect = Some(expectation.clone());
                about += 1;
            }
        }
        if about == 0 {
            let message = format!("no campaign tests {what}");
            return Err(Mistake::new(message, strategy.place(), "expects what is not tested")
                .help("without `loader` and `fault`, an expectation is about strict and kill"));
        }
        seen.push((name, loader, fault, strategy.place()));
    }
    Ok(())
}

/// The verdicts that can be expected: `intact` is none, as it always may show.
pub(crate) fn violations() -> Vec<(&'static str, Verdict)> {
    Verdict::ALL.into_iter().filter(|verdict| verdict.is_violation()).map(|v| (v.name(), v)).collect()
}

fn verdicts(table: &Table<'_>, key: &Key) -> Result<Vec<Verdict>, Mistake> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let found = value.set(|value| match value.text()? {
        "intact" => Err(value.refused("`intact` always may show: leave it out")),
        _ => value.one_of("verdict", &violations()),
    })?;
    Ok(found.into_iter().map(|(verdict, _)| verdict).collect())
}

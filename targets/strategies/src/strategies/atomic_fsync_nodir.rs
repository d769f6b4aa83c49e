//! `atomic-fsync-nodir`: a temporary of its own for each save, fsync, rename. The directory is not synced, and nothing is swept.
//!
//! What most libraries do. Whole under every kill; on power loss the rename itself may be lost. Each crash inside a save leaves a
//! temporary of a new name, for ever.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Documented, Fault, Shape, StrategyInfo, Verdict};

use super::{always_intact, stream, with_suffix};
use crate::document::{Content, Strategy};

/// Unique temp, fsync, rename.
#[derive(Default)]
pub(crate) struct AtomicFsyncNodir {
    temporaries: u64,
}

/// Its name on the command line.
pub(crate) const NAME: &str = "atomic-fsync-nodir";

/// The ground truth of whole saves whose temporaries nobody ever sweeps.
pub(crate) fn unswept() -> Vec<Documented> {
    let mut documented = always_intact();
    for row in &mut documented {
        match row.fault {
            Fault::Kill => row.expectation.must.push(Verdict::Residue),
            // A save that failed leaves its temporary as well; that they grow shows only where many saves fail in one directory.
            Fault::Io => row.expectation.may.push(Verdict::Residue),
            // A sweep looks at one crash at a time: what grows over many does not show.
            _ => {}
        }
    }
    documented
}

pub(crate) fn info() -> StrategyInfo {
    StrategyInfo {
        name: NAME.into(),
        summary: "write a unique temporary, fsync it, rename it over the file; no fsync of the directory, no sweep"
            .into(),
        shape: Shape::Document,
        recipe: "create(f.X.tmp, O_EXCL) · write × n · fsync · close · rename(f.X.tmp, f)".into(),
        origin: "NamedTemporaryFile(delete=False), fsync and os.replace(): most atomic-write libraries".into(),
        documented: unswept(),
        planted: false,
    }
}

impl Strategy for AtomicFsyncNodir {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let unique = place.names.derive("temporary", self.temporaries);
        self.temporaries += 1;
        let temp = with_suffix(path, &format!(".{unique}.tmp"));
        let file = stream(place.fs.create_new(&temp)?, content)?;
        file.sync_all()?;
        file.close()?;
        place.fs.rename(&temp, path)
    }
}

//! `in-place`: write over the file from its start, sync, cut it to the new length.
//!
//! Nothing is ever truncated first, so the file is never empty; half-way it is the head of the new content and the tail of the
//! old one, and where the two agree in form such a mix can even parse.

use std::io;
use std::path::Path;

use crashtest_kit::Place;
use crashtest_model::{Conditions, Documented, Expectation, Fault, Loader, Shape, Start, StrategyInfo, Verdict};

use super::{damaged_by_kills, first_start, stream};
use crate::document::{Content, Strategy};

/// Overwrite, fsync, truncate.
pub(crate) struct InPlace;

/// Its name on the command line.
pub(crate) const NAME: &str = "in-place";

pub(crate) fn info() -> StrategyInfo {
    let mixed = |must| Expectation { must: vec![must], may: vec![Verdict::AcceptedGarbage], ..Expectation::default() };
    let failing = |loader, refused| Documented {
        loader,
        fault: Fault::Io,
        start: Start::Again,
        conditions: Conditions::default(),
        expectation: Expectation { one_of: vec![refused, Verdict::AcceptedGarbage], ..Expectation::default() },
    };
    StrategyInfo {
        name: NAME.into(),
        summary: "write over the file from its start, fsync, cut it to the new length".into(),
        shape: Shape::Document,
        recipe: "open(f) · write × n · fsync · ftruncate(f) · close".into(),
        origin: "open(path, \"r+\"), seek(0), write(), truncate(): updates of a file that is kept open".into(),
        documented: [
            damaged_by_kills(&mixed(Verdict::Torn), &mixed(Verdict::SilentReset)),
            // A write that fails leaves the mix that a kill leaves, an fsync or ftruncate that fails the new content with the rest
            // of a longer old one. Only where two saves differ in length is a mix torn, so that a few saves may show none.
            vec![failing(Loader::Strict, Verdict::Torn), failing(Loader::Lenient, Verdict::SilentReset)],
            first_start(&[Verdict::Empty, Verdict::Torn]),
        ]
        .concat(),
        planted: false,
    }
}

impl Strategy for InPlace {
    fn persist(&mut self, place: &Place, path: &Path, content: Content<'_>) -> io::Result<()> {
        let file = match place.fs.overwrite(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => place.fs.create(path)?,
            file => file?,
        };
        let file = stream(file, content)?;
        file.sync_all()?;
        file.set_len(file.offset())?;
        file.close()
    }
}

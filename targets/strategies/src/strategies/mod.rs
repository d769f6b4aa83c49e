//! The strategies, one a file. Each gives its calls, its origin and its ground truth beside its code.

pub(crate) mod append;
pub(crate) mod atomic;
pub(crate) mod atomic_fsync;
pub(crate) mod atomic_fsync_nodir;
pub(crate) mod atomic_suffix;
pub(crate) mod backup;
pub(crate) mod delete_then_write;
pub(crate) mod direct;
pub(crate) mod forward_journal;
pub(crate) mod in_place;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crashtest_kit::Place;
use crashtest_kit::fs::FsFile;
use crashtest_model::{Concurrency, Conditions, Documented, Expectation, Fault, Loader, Start, Verdict};

use crate::document::Content;

/// The faults that end a program at some point of its work: what it documents under one holds under the other.
const KILLS: [Fault; 2] = [Fault::Kill, Fault::Sweep];

/// Streams `content` into `file` through a buffer of 8 KiB, as real programs do; gives the file back, everything written.
///
/// When a write fails, the buffer is dropped with its error, and writes what it holds *once more*: std's `BufWriter` does. A write
/// that fails once is thus made up for, though nothing follows it and the save reports the failure.
pub(crate) fn stream<'fs>(file: FsFile<'fs>, content: Content<'_>) -> io::Result<FsFile<'fs>> {
    let mut out = BufWriter::new(file);
    content(&mut out)?;
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())
}

/// `fills.json` → `fills.json.tmp`.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// What a restart after a very first `init` that was killed, or failed, may show: a strict loader refuses what `init` had not
/// finished, a lenient one starts fresh, which is right before `init` has returned.
pub(crate) fn first_start(may: &[Verdict]) -> Vec<Documented> {
    let failed = first_start_under(Fault::Io, may);
    first_start_killed(may).into_iter().chain([failed]).collect()
}

/// The same, of an `init` that was killed.
pub(crate) fn first_start_killed(may: &[Verdict]) -> Vec<Documented> {
    KILLS.map(|fault| first_start_under(fault, may)).into()
}

fn first_start_under(fault: Fault, may: &[Verdict]) -> Documented {
    Documented { start: Start::First, ..shows(Loader::Strict, fault, &[], may) }
}

/// The ground truth, without a fault and under kills, of a strategy whose kills damage the file: `strict` loaders refuse it, lenient
/// ones reset in silence.
pub(crate) fn damaged_by_kills(strict: &Expectation, lenient: &Expectation) -> Vec<Documented> {
    let none = &Expectation::default();
    let row = |(loader, fault, expectation): (_, _, &Expectation)| Documented {
        loader,
        fault,
        start: Start::Again,
        conditions: Conditions::default(),
        expectation: expectation.clone(),
    };
    let kills = |loader, shown| KILLS.map(|fault| (loader, fault, shown));
    [(Loader::Strict, Fault::None, none), (Loader::Lenient, Fault::None, none)]
        .into_iter()
        .chain(kills(Loader::Strict, strict))
        .chain(kills(Loader::Lenient, lenient))
        .map(row)
        .collect()
}

/// The ground truth of a strategy that a failed call leaves as damaged as a kill at that call.
pub(crate) fn damaged_by_kills_and_failures(strict: &Expectation, lenient: &Expectation) -> Vec<Documented> {
    let mut documented = damaged_by_kills(strict, lenient);
    let as_killed: Vec<Documented> = documented.iter().filter(|row| row.fault == Fault::Kill).cloned().collect();
    documented.extend(as_killed.into_iter().map(|row| Documented { fault: Fault::Io, ..row }));
    documented
}

/// `fills.json` → `fills.json.bak`, for the suffix `.bak`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// unlink(2) of a file that need not be there.
pub(crate) fn remove_if_there(place: &Place, path: &Path) -> io::Result<()> {
    match place.fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes `content` to `path` in one write: truncate, write, close.
pub(crate) fn write(place: &Place, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = place.fs.create(path)?;
    file.write_all(content)?;
    file.close()
}

/// One row of ground truth.
pub(crate) fn shows(loader: Loader, fault: Fault, must: &[Verdict], may: &[Verdict]) -> Documented {
    Documented {
        loader,
        fault,
        start: Start::Again,
        conditions: Conditions::default(),
        expectation: Expectation { must: must.to_vec(), one_of: Vec::new(), may: may.to_vec() },
    }
}

/// The ground truth of a strategy that shows `intact` only, with either loader, under every fault.
pub(crate) fn always_intact() -> Vec<Documented> {
    let faults = [Fault::None, Fault::Kill, Fault::Sweep, Fault::Io];
    faults.into_iter().flat_map(intact_under).collect()
}

/// `intact` only, with either loader.
pub(crate) fn intact_under(fault: Fault) -> [Documented; 2] {
    Loader::ALL.map(|loader| shows(loader, fault, &[], &[]))
}

/// The ground truth of several writers of documents, processes or threads: what shows with a strict and with a lenient loader, without a fault and under kills.
pub(crate) fn together(strict: &Expectation, lenient: &Expectation) -> Vec<Documented> {
    let in_one_process = concurrent(Concurrency::Threads, strict, lenient);
    [processes_together(strict, lenient), in_one_process].concat()
}

/// The same, of processes.
pub(crate) fn processes_together(strict: &Expectation, lenient: &Expectation) -> Vec<Documented> {
    concurrent(Concurrency::Writers, strict, lenient)
}

fn concurrent(concurrency: Concurrency, strict: &Expectation, lenient: &Expectation) -> Vec<Documented> {
    let conditions = Conditions { concurrency, ..Conditions::default() };
    let rows =
        |fault| [(Loader::Strict, strict), (Loader::Lenient, lenient)].map(|(loader, shown)| (loader, fault, shown));
    let row = |(loader, fault, shown): (_, _, &Expectation)| Documented {
        loader,
        fault,
        start: Start::Again,
        conditions,
        expectation: shown.clone(),
    };
    [Fault::None, Fault::Kill, Fault::Sweep].into_iter().flat_map(rows).map(row).collect()
}

/// The ground truth of one writer with readers beside it who see whole saves only.
pub(crate) fn whole_to_readers() -> Vec<Documented> {
    concurrent(Concurrency::Readers, &Expectation::default(), &Expectation::default())
}

/// The ground truth of several writers that save through one temporary: a rename finds it gone, or gives a mix of two saves a name.
pub(crate) fn one_temporary() -> Vec<Documented> {
    // A mix of two saves is torn, but for the one in a hundred whose halves fit together.
    let failing = |one_of: &[Verdict]| Expectation {
        must: vec![Verdict::FailedSave],
        one_of: one_of.to_vec(),
        may: vec![Verdict::AcceptedGarbage],
    };
    together(&failing(&[Verdict::Torn, Verdict::Empty]), &failing(&[Verdict::SilentReset]))
}

/// The ground truth of a file that is changed where it lies, for who loads it meanwhile: `must` with a strict loader, and perhaps `may`
/// with either.
pub(crate) fn parts_to_readers(must: &[Verdict], may: &[Verdict]) -> Vec<Documented> {
    let shown = |must: &[Verdict], may: &[Verdict]| Expectation {
        must: must.to_vec(),
        may: may.to_vec(),
        ..Expectation::default()
    };
    concurrent(Concurrency::Readers, &shown(must, may), &shown(&[Verdict::SilentReset], may))
}

/// The ground truth of several writers that do not come into each other's way.
pub(crate) fn intact_together() -> Vec<Documented> {
    together(&Expectation::default(), &Expectation::default())
}

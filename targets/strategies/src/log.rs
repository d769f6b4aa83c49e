//! A log target: the operations of a workload in one file, appended by a journal, compacted where the journal does that.

pub(crate) mod format;

use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use crashtest_kit::{LogWorkload, Place, Recovered, Refused, Target, chained, empty_log};
use crashtest_model::{Bytes, Digest, Generation, Loader, Seed, TargetSpec};
use serde::{Deserialize, Serialize};

use crate::strategies::with_suffix;
use format::Format;

/// A log is compacted when it is longer than so many of its longest records.
const COMPACTED_ABOVE: u64 = 16;

/// A lenient loader takes a larger hole for a log that is not one.
const MOST_MISSING: u64 = 64;

/// How a log is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Journal {
    /// How a record lies in the file.
    pub(crate) format: Format,
    /// Whether each record is synced before its ack.
    pub(crate) sync: bool,
}

/// What one record of the file holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entry<R> {
    /// Everything up to here, folded: the first record of every log.
    Base { sequence: Generation, digest: Digest },
    /// One operation.
    Record(R),
}

/// Where a log stands.
#[derive(Clone, Copy)]
struct End {
    sequence: Generation,
    digest: Digest,
}

/// Workload `W` in a journal.
pub(crate) struct Log<W: LogWorkload> {
    journal: Journal,
    loader: Loader,
    stream: Seed,
    bound: Bytes,
    place: Place,
    path: PathBuf,
    end: Option<End>,
    workload: PhantomData<W>,
}

/// What one record may take of a state of `size`.
pub(crate) fn record_bound(size: Bytes) -> Bytes {
    Bytes(size.0 / 4)
}

/// The name of the file.
pub(crate) fn state_file<W: LogWorkload>() -> String {
    format!("{}.log", W::NAME)
}

impl<W: LogWorkload> Log<W> {
    pub(crate) fn new(journal: Journal, spec: &TargetSpec, stream: Seed, place: Place) -> Log<W> {
        let path = place.dir.join(state_file::<W>());
        let bound = record_bound(spec.state_size);
        Log { journal, loader: spec.loader, stream, bound, place, path, end: None, workload: PhantomData }
    }

    fn encode(&self, entry: &Entry<W::Record>) -> io::Result<Vec<u8>> {
        Ok(self.journal.format.wrap(serde_json::to_vec(entry)?))
    }

    /// Puts a log that holds only its base in place of what is there.
    fn replace_by(&self, end: End) -> io::Result<()> {
        let base = self.encode(&Entry::Base { sequence: end.sequence, digest: end.digest })?;
        let fs = &self.place.fs;
        if self.journal.format == Format::Lines {
            let mut file = fs.create(&self.path)?;
            file.write_all(&base)?;
            return file.close();
        }
        let temp = with_suffix(&self.path, ".compact");
        let mut file = fs.create(&temp)?;
        file.write_all(&base)?;
        file.sync_all()?;
        file.close()?;
        fs.rename(&temp, &self.path)?;
        fs.sync_dir(&self.place.dir)
    }

    /// Cuts a damaged tail off, so that the next record follows a whole one.
    fn cut(&self, length: usize) -> io::Result<()> {
        let file = self.place.fs.overwrite(&self.path)?;
        file.set_len(length as u64)?;
        if self.journal.sync {
            file.sync_data()?;
        }
        file.close()
    }

    /// Folds the records; what a lenient loader skipped is missing.
    fn load(&self) -> Result<(End, Vec<Generation>), Refused> {
        let content = self.place.fs.read(&self.path)?;
        let split = self.journal.format.split(&content);
        if self.journal.format == Format::Frames && split.end < content.len() {
            self.cut(split.end)?;
        }
        let lenient = self.loader == Loader::Lenient;
        let refuse = |n: usize, why: String| Refused::because(format!("record {n}: {why}"));
        let mut end: Option<End> = None;
        let mut missing = Vec::new();
        for (n, piece) in split.pieces.into_iter().enumerate() {
            let entry = match serde_json::from_slice::<Entry<W::Record>>(piece) {
                Ok(entry) => entry,
                Err(_) if lenient => continue,
                Err(error) => return Err(refuse(n, error.to_string())),
            };
            end = Some(match (entry, end) {
                (Entry::Base { sequence, digest }, None) => End { sequence, digest },
                (Entry::Record(record), Some(before)) => {
                    let sequence = W::sequence(&record);
                    let due = before.sequence.next();
                    if !lenient {
                        if sequence != due {
                            return Err(refuse(n, format!("{sequence} where {due} is due")));
                        }
                        W::check(&record, before.digest).map_err(|why| refuse(n, why))?;
                    }
                    if sequence.0.saturating_sub(due.0) > MOST_MISSING {
                        return Err(refuse(n, format!("{sequence} where {due} is due")));
                    }
                    missing.extend((due.0..sequence.0).map(Generation));
                    End { sequence, digest: chained(before.digest, &record) }
                }
                _ => return Err(refuse(n, "a base where none can be".to_owned())),
            });
        }
        let end = end.ok_or_else(|| Refused::because(format!("{}: no record", state_file::<W>())))?;
        Ok((end, missing))
    }

    fn start(&self) -> End {
        End { sequence: Generation::ZERO, digest: empty_log(self.stream) }
    }
}

impl<W: LogWorkload> Target for Log<W> {
    fn init(&mut self) -> io::Result<()> {
        if self.path.exists() { Ok(()) } else { self.replace_by(self.start()) }
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        match self.load() {
            Ok((end, missing)) => {
                self.end = Some(end);
                Ok(Recovered::State { sequence: end.sequence, digest: end.digest, missing, parts: Vec::new() })
            }
            Err(refused) if self.loader == Loader::Strict => Err(refused),
            Err(_) => {
                self.replace_by(self.start())?;
                self.end = Some(self.start());
                Ok(Recovered::Fresh)
            }
        }
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let before = self.end.ok_or_else(|| io::Error::other("saved before it was opened"))?;
        let record = W::record(self.stream, generation, self.bound, before.digest);
        let end = End { sequence: generation, digest: chained(before.digest, &record) };
        let mut file = self.place.fs.append(&self.path)?;
        file.write_all(&self.encode(&Entry::Record(record))?)?;
        if self.journal.sync {
            file.sync_data()?;
        }
        let length = file.offset();
        file.close()?;
        self.end = Some(end);
        let full = length > COMPACTED_ABOVE * self.bound.0;
        if full && self.journal.format == Format::Frames { self.replace_by(end) } else { Ok(()) }
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

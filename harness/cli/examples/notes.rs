//! A targets binary: two ways to keep a notebook in a file, one of which loses it.
//!
//! `cargo build --release --examples`, then `crashtest compare --targets target/release/examples/notes notes-direct notes-atomic`.
//!
//! The whole of what a storage author writes: a workload says which state follows from which operation, so that crashtest can tell
//! what must come back; a target saves and loads it; a registry names both, with what each is documented to show.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crashtest_kit::{
    Folded, Found, Generations, Place, Recovered, Refused, Registry, Target, Workload, encode, state_file,
};
use crashtest_model::{
    Bytes, Conditions, ConsequencePhrase, Consequences, Digest, Documented, Expectation, Fault, Generation, Loader,
    Seed, Shape, Start, StrategyInfo, TargetSpec, Verdict, WorkloadInfo,
};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    crashtest_engine::main(&Notes)
}

/// The longest line of a notebook.
const LINE_BYTES: u64 = 100;

/// A notebook: the last so many lines that were written into it.
#[derive(Clone, Hash, Serialize, Deserialize)]
struct Notebook {
    sequence: Generation,
    lines: Vec<String>,
}

/// The workload: each operation adds a line that follows from the seed, and drops the oldest.
struct Writing;

fn line(stream: Seed, generation: Generation, n: u64) -> String {
    let word = stream.derive("line", generation.0).derive("word", n);
    format!("note {n} of save {generation}: {}", format!("{word} ").repeat(3))
}

impl Workload for Writing {
    type State = Notebook;
    const NAME: &str = "notes";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "a notebook of the last few hundred lines".into(),
            shapes: vec![Shape::System],
            phrases: vec![ConsequencePhrase { key: "lines".into(), words: "lines that are gone".into() }],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> Notebook {
        let count = (bound.0 / (LINE_BYTES + 4)).saturating_sub(1).max(4);
        Notebook { sequence: Generation::ZERO, lines: (0..count).map(|n| line(stream, Generation::ZERO, n)).collect() }
    }

    fn apply(stream: Seed, generation: Generation, _bound: Bytes, notebook: &mut Notebook) {
        notebook.sequence = generation;
        notebook.lines.remove(0);
        notebook.lines.push(line(stream, generation, 0));
    }

    fn sequence(notebook: &Notebook) -> Generation {
        notebook.sequence
    }

    fn consequences(promised: &Notebook, found: &Found<&Notebook>) -> Consequences {
        let mut consequences = Consequences::default();
        let kept = |line: &String| matches!(found, Found::State(state) if state.lines.contains(line));
        consequences.count("lines", promised.lines.iter().filter(|line| !kept(line)).count() as u64);
        consequences.0.retain(|_, count| *count > 0);
        consequences
    }
}

/// How the file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Atomic,
}

const DIRECT: &str = "notes-direct";
const ATOMIC: &str = "notes-atomic";

/// The target.
struct Keeper {
    way: Way,
    stream: Seed,
    bound: Bytes,
    place: Place,
    notebook: Option<Notebook>,
}

impl Keeper {
    fn path(&self) -> PathBuf {
        self.place.dir.join(state_file::<Writing>())
    }

    fn write(&self, notebook: &Notebook) -> io::Result<()> {
        let (path, temporary) = (self.path(), self.place.dir.join("notes.tmp"));
        let to = if self.way == Way::Direct { &path } else { &temporary };
        let mut out = io::BufWriter::new(self.place.fs.create(to)?);
        encode(notebook, &mut out)?;
        out.flush()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.close()?;
        if self.way == Way::Atomic { self.place.fs.rename(&temporary, &path) } else { Ok(()) }
    }
}

impl Target for Keeper {
    fn init(&mut self) -> io::Result<()> {
        if self.path().exists() { Ok(()) } else { self.write(&Writing::initial(self.stream, self.bound)) }
    }

    fn open(&mut self) -> Result<Recovered, Refused> {
        let content = self.place.fs.read(&self.path())?;
        let notebook: Notebook =
            serde_json::from_slice(&content).map_err(|error| Refused::unreadable("notes.json", &content, error))?;
        let (sequence, digest) = (notebook.sequence, Digest::of_value(&notebook));
        self.notebook = Some(notebook);
        Ok(Recovered::State { sequence, digest, missing: Vec::new(), parts: Vec::new() })
    }

    fn save(&mut self, generation: Generation) -> io::Result<()> {
        let mut notebook = self.notebook.take().ok_or_else(|| io::Error::other("saved before it was opened"))?;
        Writing::apply(self.stream, generation, self.bound, &mut notebook);
        self.write(&notebook)?;
        self.notebook = Some(notebook);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The registry.
struct Notes;

/// What `fault` must, and may, show.
fn shows(start: Start, fault: Fault, must: &[Verdict], may: &[Verdict]) -> Documented {
    let expectation = Expectation { must: must.into(), may: may.into(), ..Expectation::default() };
    Documented { loader: Loader::Strict, fault, start, conditions: Conditions::default(), expectation }
}

fn strategy(name: &str, summary: &str, recipe: &str, torn: &[Verdict]) -> StrategyInfo {
    let kills = [Fault::Kill, Fault::Sweep];
    let mut documented = vec![shows(Start::Again, Fault::None, &[], &[])];
    documented.extend(kills.map(|fault| shows(Start::Again, fault, torn, &[])));
    documented.extend(kills.map(|fault| shows(Start::First, fault, &[], torn)));
    StrategyInfo {
        name: name.into(),
        summary: summary.into(),
        shape: Shape::System,
        recipe: recipe.into(),
        origin: "an example for authors of targets".into(),
        documented,
        planted: false,
    }
}

impl Registry for Notes {
    fn strategies(&self) -> Vec<StrategyInfo> {
        let damage = [Verdict::Torn, Verdict::Empty];
        let atomic = "create(f.tmp) · write × n · close · rename(f.tmp, f)";
        vec![
            strategy(DIRECT, "truncate the notebook and write it anew", "truncate(f) · write × n · close", &damage),
            strategy(ATOMIC, "write the notebook beside itself, rename it over", atomic, &[]),
        ]
    }

    fn workloads(&self) -> Vec<WorkloadInfo> {
        vec![Writing::info()]
    }

    fn target(&self, spec: &TargetSpec, stream: Seed, place: Place) -> Option<Box<dyn Target>> {
        let way = match spec.strategy.as_str() {
            DIRECT => Way::Direct,
            ATOMIC => Way::Atomic,
            _ => return None,
        };
        Some(Box::new(Keeper { way, stream, bound: spec.state_size, place, notebook: None }))
    }

    fn generations(&self, spec: &TargetSpec, stream: Seed) -> Option<Box<dyn Generations>> {
        Some(Box::new(Folded::<Writing>::new(stream, spec.state_size)))
    }
}

//! Targets that somebody else wrote: what a binary that holds some says of itself, and asking one.
//!
//! Such a binary is run as worker in place of crashtest itself, so its victims are as fast as the built-in ones. The supervisor
//! knows of its targets what it describes, and makes none of them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io, thread};

use crashtest_kit::{Generations, Place, Registry, Target};
use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use crashtest_model::{Bytes, Loader, Seed, StrategyInfo, TargetSpec, WorkloadInfo};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::EngineError;

/// The version of what a targets binary and a supervisor say to each other: the description, and the messages of workers. Raised
/// with every change after which one of them misunderstands the other.
pub const PROTOCOL: u32 = 1;

/// No description is longer, in bytes.
const LONGEST: u64 = 16 << 20;

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
    pub(crate) fn of(registry: &dyn Registry) -> Description {
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

/// Why a binary cannot be used for its targets.
#[derive(Debug, Error)]
pub enum TargetsError {
    /// Nothing is there.
    #[error("there is no such file")]
    Missing,
    /// It cannot be run.
    #[error("it is not an executable file")]
    NotExecutable,
    /// It could not be started, or spoken to.
    #[error("it cannot be run: {0}")]
    Run(io::Error),
    /// It takes too long.
    #[error("it did not describe itself within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// It says something else, or nothing.
    #[error("it does not describe itself: {0}")]
    Mute(String),
    /// It was built with another version.
    #[error("it speaks protocol {theirs} (crashtest {version}), and this crashtest protocol {PROTOCOL}")]
    Protocol {
        /// Its protocol.
        theirs: u32,
        /// The version that it was built with, if it says.
        version: String,
    },
}

impl TargetsError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            TargetsError::Missing => "build it, or name the place where it was built",
            TargetsError::NotExecutable => "name a program that was built, not its source or its folder",
            TargetsError::Protocol { .. } => "build it again with the version of this crashtest",
            TargetsError::Run(_) | TargetsError::Silent(_) | TargetsError::Mute(_) => {
                "a targets binary is one whose main() calls crashtest_engine::main with its registry"
            }
        }
    }
}

/// Asks the binary at `path` to describe its targets, and waits at most `limit` for it. Nothing of it is left when this returns.
///
/// # Errors
/// [`EngineError::Targets`]: it is not there, cannot be run, says nothing or something else, or speaks another protocol.
pub fn describe(path: &Path, limit: Duration) -> Result<Description, EngineError> {
    asked(path, limit).map_err(|source| EngineError::Targets { path: path.to_owned(), source })
}

fn asked(path: &Path, limit: Duration) -> Result<Description, TargetsError> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TargetsError::Missing,
        _ => TargetsError::Run(error),
    })?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(TargetsError::NotExecutable);
    }
    supervision::adopt_orphans().map_err(TargetsError::Run)?;
    let mut child = Command::new(path)
        .arg(crate::binary::main::DESCRIBE)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(TargetsError::Run)?;
    let mut group = Group::lead_by(&child);
    let Some(output) = child.stdout.take() else { return Err(TargetsError::Mute("no pipe".to_owned())) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let read = output.take(LONGEST).read_to_end(&mut said).map(|_| said);
        // Nobody listens any more after the limit.
        let _ = sender.send(read);
    });
    let said = receiver.recv_timeout(limit).map_err(|_| TargetsError::Silent(limit))?.map_err(TargetsError::Run)?;
    let parsed = understood(&said);
    match parsed {
        Err(TargetsError::Mute(why)) => {
            group.kill();
            let how = group.exit_within(Duration::ZERO).ok().flatten().map_or("goes on".to_owned(), Exit::in_words);
            Err(TargetsError::Mute(format!("it {how}, {why}")))
        }
        parsed => parsed,
    }
}

/// The description that `said` is. The protocol is looked at before anything that depends on it.
fn understood(said: &[u8]) -> Result<Description, TargetsError> {
    #[derive(Deserialize)]
    struct Version {
        protocol: u32,
        #[serde(default)]
        version: String,
    }
    if said.is_empty() {
        return Err(TargetsError::Mute("without a word".to_owned()));
    }
    let mute = |error: serde_json::Error| TargetsError::Mute(format!("and what it said is no description: {error}"));
    let Version { protocol: theirs, version } = serde_json::from_slice(said).map_err(mute)?;
    if theirs != PROTOCOL {
        return Err(TargetsError::Protocol { theirs, version });
    }
    serde_json::from_slice(said).map_err(mute)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
        let said = serde_json::to_vec(&Description::of(&Three)).unwrap();
        let described = understood(&said).unwrap();
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

    /// A script that stands for a targets binary.
    fn script(dir: &Path, text: &str) -> std::path::PathBuf {
        let path = dir.join("targets");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn refusal(text: &str, limit: Duration) -> String {
        let dir = tempfile::tempdir().unwrap();
        // Another test may fork while the script is open for writing: it is then busy for a moment (execve(2), ETXTBSY).
        loop {
            let error = describe(&script(dir.path(), text), limit).unwrap_err().to_string();
            if !error.contains("Text file busy") {
                return error;
            }
        }
    }

    #[test]
    fn a_binary_that_does_not_describe_itself_is_refused_with_the_reason() {
        let enough = Duration::from_secs(30);
        for (text, why) in [
            ("exit 0", "it exited with status 0, without a word"),
            ("echo hello; exit 3", "it exited with status 3, and what it said is no description"),
            ("echo '{\"protocol\": 1}'", "what it said is no description: missing field `version`"),
            ("echo '{\"protocol\": 99, \"version\": \"9.0\"}'", "speaks protocol 99 (crashtest 9.0)"),
        ] {
            let said = refusal(text, enough);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_binary_that_says_nothing_is_given_up_after_the_limit_and_does_not_go_on() {
        let began = Instant::now();
        let said = refusal("sleep 1000", Duration::from_millis(300));
        assert!(said.contains("did not describe itself within 0.3 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for it");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let limit = Duration::from_secs(30);
        for (path, why) in [(dir.path(), "not an executable"), (&file, "not an executable")] {
            assert!(describe(path, limit).unwrap_err().to_string().contains(why));
        }
        let missing = describe(&dir.path().join("none"), limit).unwrap_err();
        assert!(missing.to_string().contains("there is no such file") && missing.hint().is_some());
    }
}

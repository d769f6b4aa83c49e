//! Do no harm, seen from outside: strace(1) records every call of whole runs by which crashtest's own processes change a file, and each
//! must name something in the results folder, the sandbox or its memory.
//!
//! What a program under test does is its own affair. Traced programs are not in the record: a process has one tracer, and that is crashtest.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use support::skip::skip;
use support::{Place, Ran};

/// The calls that change a file or its name, but open(2) and its kin, and how many of their arguments name something changed.
const CHANGES: [(&str, usize); 26] = [
    ("unlink", 1),
    ("unlinkat", 1),
    ("rmdir", 1),
    ("mkdir", 1),
    ("mkdirat", 1),
    ("rename", 2),
    ("renameat", 2),
    ("renameat2", 2),
    ("truncate", 1),
    ("ftruncate", 1),
    ("chmod", 1),
    ("fchmod", 1),
    ("fchmodat", 1),
    ("chown", 1),
    ("lchown", 1),
    ("fchown", 1),
    ("fchownat", 1),
    ("mknod", 1),
    ("mknodat", 1),
    ("utimensat", 1),
    ("setxattr", 1),
    ("fsetxattr", 1),
    ("mount", 2),
    ("umount2", 1),
    ("creat", 1),
    ("fallocate", 1),
];

/// The calls of which only the last name is changed: the first is what that comes to mean.
const NAMES_LAST: [&str; 4] = ["symlink", "symlinkat", "link", "linkat"];

const OPENS: [&str; 3] = ["open", "openat", "openat2"];

/// A call that changes something: what strace wrote of it, and which names.
#[derive(Debug)]
struct Change {
    line: String,
    paths: Vec<PathBuf>,
}

/// What one process did, until it became something else than crashtest.
#[derive(Debug, Default)]
struct Deeds {
    changes: Vec<Change>,
    /// The processes that it had started by then.
    children: BTreeSet<u32>,
    /// How many calls of any kind were recorded.
    calls: usize,
}

/// The text between the first pair of quotes from `at` on, and where that ends.
fn quoted(line: &str, at: usize) -> Option<(String, usize)> {
    let start = at + line[at..].find('"')? + 1;
    let mut end = start;
    let bytes = line.as_bytes();
    while *bytes.get(end)? != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    Some((line[start..end].to_owned(), end + 1))
}

/// What `line` names: `AT_FDCWD</cwd>, "name"`, `7</a/directory>, "name"`, `"name"` or `7</a/file>`, up to `most` of them.
fn names(line: &str, cwd: &Path, most: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut at = line.find('(').unwrap() + 1;
    while found.len() < most && at < line.len() {
        let rest = &line[at..];
        let argument = rest.find(['"', '<']).map(|n| at + n);
        let Some(argument) = argument else { break };
        if line[argument..].starts_with('<') {
            let end = argument + line[argument..].find('>').unwrap();
            let directory = PathBuf::from(&line[argument + 1..end]);
            at = end + 1;
            // "7</a/directory>, "name"": the name goes on from there.
            match line[at..].strip_prefix(", \"") {
                Some(_) => {
                    let Some((name, end)) = quoted(line, at) else { break };
                    found.push(directory.join(name));
                    at = end;
                }
                None => found.push(directory),
            }
        } else {
            let Some((name, end)) = quoted(line, argument) else { break };
            found.push(cwd.join(name));
            at = end;
        }
    }
    found
}

/// The path without `.` and `..`, which must not lead elsewhere unseen.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

/// What the process whose record this is did as crashtest.
fn deeds(record: &str, cwd: &Path) -> Deeds {
    let mut deeds = Deeds::default();
    for line in record.lines() {
        let Some((call, _)) = line.split_once('(') else { continue };
        deeds.calls += 1;
        let failed = line.contains(") = -1 ") || line.contains(") = ? ");
        if call.starts_with("exec") && !failed {
            let program = quoted(line, 0).map(|(program, _)| program).unwrap_or_default();
            if program != env!("CARGO_BIN_EXE_crashtest") {
                break;
            }
        }
        if ["clone", "clone3", "fork", "vfork"].contains(&call) && !failed {
            deeds.children.extend(line.rsplit(" = ").next().and_then(|pid| pid.trim().parse::<u32>().ok()));
        }
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().any(|flag| line.contains(flag));
        let paths = match CHANGES.iter().find(|(name, _)| *name == call) {
            Some((_, most)) => names(line, cwd, *most),
            None if NAMES_LAST.contains(&call) => names(line, cwd, 2).pop().into_iter().collect(),
            None if OPENS.contains(&call) && writes => names(line, cwd, 1),
            None => continue,
        };
        deeds.changes.push(Change { line: line.to_owned(), paths: paths.iter().map(|path| plain(path)).collect() });
    }
    deeds
}

/// Runs crashtest under strace; what its own processes changed, how many they were, and what came of the run.
fn recorded(place: &Place, temporary: &Path, arguments: &str, program: &[&str]) -> (Vec<Change>, usize, Ran) {
    let records = tempfile::tempdir().unwrap();
    let mut command = Command::new("strace");
    command.args(["-ff", "-y", "-s", "4096", "-qq", "-e", "signal=none"]);
    command.args(["-e", "trace=%file,%process,ftruncate,fchmod,fchown,fsetxattr,fallocate", "-o"]);
    command.arg(records.path().join("of")).arg(env!("CARGO_BIN_EXE_crashtest"));
    command.args(arguments.split_whitespace()).args(program).current_dir(place.path()).env("TMPDIR", temporary);
    let ran = Ran::from(command.output().unwrap());
    let cwd = place.path().canonicalize().unwrap();
    let of_each: BTreeMap<u32, Deeds> = fs::read_dir(records.path())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let pid = path.extension().unwrap().to_str().unwrap().parse().unwrap();
            (pid, deeds(&String::from_utf8_lossy(&fs::read(path).unwrap()), &cwd))
        })
        .collect();
    // Whoever nobody has started is the first one. A process of a program's is never reached from there.
    let started: BTreeSet<u32> = of_each.values().flat_map(|deeds| deeds.children.iter().copied()).collect();
    let first = of_each
        .iter()
        .filter(|(pid, deeds)| !started.contains(pid) && deeds.calls > 20)
        .map(|(pid, _)| *pid)
        .min()
        .expect("the record has the supervisor");
    let (mut ours, mut count) = (vec![first], 0);
    let mut changes = Vec::new();
    let mut of_each = of_each;
    while let Some(pid) = ours.pop() {
        if let Some(deeds) = of_each.remove(&pid) {
            count += 1;
            ours.extend(&deeds.children);
            changes.extend(deeds.changes);
        }
    }
    (changes, count, ran)
}

/// Whether crashtest may change this.
fn is_ours(path: &Path, cwd: &Path, temporary: &Path) -> bool {
    let marked = path.iter().any(|part| part.to_string_lossy().starts_with(".crashtest-"));
    let memory = path.starts_with("/dev/shm") && marked;
    let in_place = path.starts_with(cwd.join("results")) || (path.starts_with(temporary) && marked);
    // The null device, and what a process says of itself.
    memory || in_place || path == Path::new("/dev/null") || path.starts_with("/proc/self")
}

#[test]
fn whole_runs_change_nothing_but_results_sandbox_and_memory() {
    if Command::new("strace").arg("-V").output().is_err() {
        skip("strace: apt install strace");
        return;
    }
    let saves = "for n in 1 2; do echo $n > $1/t; mv $1/t $1/f; done; echo x > $1/log";
    let program = ["--setup", "sh -c \"echo 0 > {dir}/f\"", "--check", "sh -c \"test -s {dir}/f\""];
    let program: Vec<&str> = program.into_iter().chain(["--", "sh", "-c", saves, "sh", "{dir}"]).collect();
    let direct = ["--", "sh", "-c", "echo 1 > {dir}/f; echo 2 > {dir}/f"];
    let (place, elsewhere) = (Place::new(), Place::new());
    let temporary = elsewhere.path().canonicalize().unwrap();
    let cwd = place.path().canonicalize().unwrap();
    for (arguments, program, exits) in [
        ("run --quiet --jobs 2 --strategy atomic --iterations 12 --seed 1", &[][..], &[0, 3][..]),
        (
            "run --quiet --jobs 1 --strategy direct --fault sweep,io --workload fills --state-size 4KiB --seed 1",
            &[],
            &[1],
        ),
        ("run --quiet --jobs 1 --fault kill --iterations 8 --seed 1", &program, &[0, 3]),
        ("run --quiet --jobs 1 --fault io --seed 1", &program, &[0, 1, 3]),
        ("run --quiet --jobs 1 --fault sweep --seed 1", &direct, &[1]),
        ("replay FAILURE", &[], &[0, 1]),
        ("report results/latest", &[], &[0]),
        ("audit", &direct, &[1]),
        ("audit --copy", &["--", "sh", "-c", "echo 1 > f"], &[0, 1]),
        ("compare atomic --iterations 6 --quiet --seed 1", &[], &[0, 3]),
    ] {
        let failure = || place.kept_failures().first().unwrap().to_str().unwrap().to_owned();
        let arguments = match arguments {
            "replay FAILURE" => &*format!("replay --tries 2 {}", failure()),
            other => other,
        };
        let (changes, processes, ran) = recorded(&place, &temporary, arguments, program);
        assert!(exits.iter().any(|exit| ran.exit == Some(*exit)), "{arguments}: {:?} {}{}", ran.exit, ran.out, ran.err);
        // The supervisor, a reaper and who works below it.
        let least = if arguments.starts_with("report") { (0, 1) } else { (5, 3) };
        assert!(changes.len() >= least.0 && processes >= least.1, "{arguments}: {processes} processes, {changes:?}");
        for change in changes {
            assert!(!change.paths.is_empty(), "{arguments}: nothing understood of: {}", change.line);
            let wrong = change.paths.iter().find(|path| !is_ours(path, &cwd, &temporary));
            assert_eq!(wrong, None, "{arguments}: {}", change.line);
        }
    }
}

//! Results folders that something happened to: read as far as they are whole, and otherwise the place of the damage is named.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use nix::mount::MsFlags;
use support::tmpfs::Tmpfs;
use support::{Place, Ran, wait_until};

#[test]
fn a_folder_without_a_run_points_to_the_runs_below_it() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 10");
    fs::create_dir(place.path().join("empty")).unwrap();
    let ran = place.crashtest("report empty");
    assert_eq!(ran.exit, Some(2));
    assert!(ran.err.contains("`empty` is no results folder"), "{}", ran.err);
    let ran = place.crashtest("report results");
    assert_eq!(ran.exit, Some(2));
    let run = place.latest().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(ran.err.contains(&format!("did you mean `results/{run}`?")), "{}", ran.err);
}

#[test]
fn a_damaged_line_is_named_by_file_and_number() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 10");
    let trials = place.latest().join("trials.jsonl");
    let whole = fs::read_to_string(&trials).unwrap();
    for damage in ["{\"a\":1}", "", "{\"trial\":", "\u{0}\u{0}\u{0}"] {
        let mut lines: Vec<&str> = whole.lines().collect();
        lines[4] = damage;
        fs::write(&trials, lines.join("\n") + "\n").unwrap();
        let ran = place.crashtest("report");
        assert_eq!(ran.exit, Some(2), "{damage:?}: {}", ran.out);
        assert!(ran.err.contains("trials.jsonl`, line 5,"), "{damage:?}: {}", ran.err);
    }
}

#[test]
fn a_last_line_that_was_cut_off_anywhere_is_noted_and_not_counted() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 10");
    let trials = place.latest().join("trials.jsonl");
    let whole = fs::read(&trials).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for left in [1, (whole.len() - last) / 2, whole.len() - last - 2] {
        fs::write(&trials, &whole[..last + left]).unwrap();
        let ran = place.crashtest("report");
        assert_eq!(ran.exit, Some(0), "{}", ran.err);
        assert!(ran.out.contains(&format!("cut off after {left} byte")), "{}", ran.out);
    }
}

#[test]
fn an_empty_or_foreign_run_json_is_refused() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 10");
    let run = place.latest().join("run.json");
    for (content, said) in [("", "run.json`, line 1"), ("{\"format\":\"other\"}", "`other`"), ("[]", "run.json`")] {
        fs::write(&run, content).unwrap();
        let ran = place.crashtest("report");
        assert_eq!(ran.exit, Some(2), "{content}: {}", ran.out);
        assert!(ran.err.contains(said), "{content}: {}", ran.err);
    }
}

#[test]
fn results_on_a_disk_that_fills_up_stay_readable() {
    let place = Place::new();
    let Some(_tmpfs) = Tmpfs::mount(&place.path().join("disk"), MsFlags::empty(), "size=4m") else { return };
    fs::create_dir(place.path().join("sandbox")).unwrap();
    let child = place
        .command("run --strategy direct --duration 10m --quiet --out disk --dir sandbox --seed 1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first failure", || fs::exists(place.path().join("disk/latest/failures")).unwrap());
    // As much as fits: the error is what is wanted.
    let _ = fs::write(place.path().join("disk/big"), vec![1; 4 << 20]);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("error: failed to ") && ran.err.contains("\n  hint: "), "{}", ran.err);
    assert!(ran.err.to_lowercase().contains("no space left") && !ran.err.contains("panicked"), "{}", ran.err);
    assert!(ran.out.contains("INCOMPLETE"), "what there was is shown: {}", ran.out);
    assert!(place.names("sandbox").is_empty(), "{:?}", place.names("sandbox"));
    let left = place.names("disk/latest");
    assert!(!left.iter().any(|name| name == ".spool" || name == ".lock"), "{left:?}");
    let report = place.crashtest("report disk/latest");
    assert_eq!(report.exit, Some(0), "{}", report.err);
    assert!(report.out.contains("INCOMPLETE"), "{}", report.out);
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_first_trial() {
    let place = Place::new();
    let Some(_tmpfs) = Tmpfs::mount(&place.path().join("ro"), MsFlags::MS_RDONLY, "size=1m") else { return };
    for out in ["ro", "ro/below"] {
        let ran = place.crashtest(&format!("run --strategy atomic --iterations 10 --dir . --out {out}"));
        assert_eq!(ran.exit, Some(2), "{}", ran.err);
        assert!(ran.err.contains("ro") && ran.err.contains("read-only") && ran.err.contains("--out"), "{}", ran.err);
    }
    assert_eq!(place.names("."), ["ro"], "no sandbox is left");
}

#[test]
fn a_generation_has_the_same_digest_in_the_failures_of_every_run() {
    let contents = |seed: u64, jobs: u64| {
        let place = Place::new();
        let ran = place.crashtest(&format!("run --strategy direct -n 400 --quiet --seed {seed} --jobs {jobs}"));
        assert_eq!(ran.exit, Some(1), "{}", ran.err);
        let mut contents = BTreeMap::new();
        for trial in place.trials() {
            let stream = trial["stream"].as_str().unwrap().to_owned();
            for (generation, digest) in [("acked", "acked_digest"), ("begun", "begun_digest")] {
                if let Some(digest) = trial["detail"][digest].as_str() {
                    let generation = trial["promise"][generation].as_u64().unwrap();
                    let before = contents.insert((stream.clone(), generation), digest.to_owned());
                    assert!(before.is_none_or(|before| before == digest), "two contents of one generation: {trial}");
                }
            }
        }
        contents
    };
    let (one, two, other) = (contents(3, 1), contents(3, 2), contents(4, 2));
    let shared: Vec<_> = one.iter().filter_map(|(key, digest)| Some((digest, two.get(key)?))).collect();
    assert!(shared.len() >= 10, "both runs failed with the same generation {} times", shared.len());
    assert!(shared.iter().all(|(a, b)| a == b), "equal stream and generation, equal content");
    assert!(one.keys().all(|key| !other.contains_key(key)), "another seed has other streams");
}

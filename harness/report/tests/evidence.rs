//! The evidence of failures: which of it is kept, and that nothing else is touched.

#[expect(dead_code, reason = "the other test files use the rest")]
mod common;
mod folders;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use common::{direct, empty, intact, torn};
use crashtest_report::{EVIDENCE_CAP_BYTES, FolderError, KEPT_PER_SIGNATURE, KeptFailure, read_failure, read_run};
use folders::{create, evidence, names};
use tempfile::tempdir;

#[test]
fn three_failures_of_each_signature_are_kept_and_the_spool_is_emptied() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    for n in 0..8 {
        let record = if n % 2 == 0 { torn(n) } else { empty(n) };
        let kept = evidence(&folder, n);
        folder.record(&record, Some(&kept)).unwrap();
    }
    let kept = evidence(&folder, 100);
    folder.record(&intact(100), Some(&kept)).unwrap();
    assert_eq!(names(folder.spool()), [".crashtest-mark"]);

    let failures = folder.path().join("failures");
    let torn = failures.join("direct-fills-strict.kill.torn.save-in-write");
    assert_eq!(names(&failures).len(), 2);
    assert_eq!(names(&torn), ["trial-0", "trial-2", "trial-4"]);
    assert_eq!(names(&torn).len(), KEPT_PER_SIGNATURE);
    assert_eq!(
        names(&torn.join("trial-2")),
        ["after-recovery", "crash-state", "failure.json", "replay.sh", "trace.txt"]
    );
    let mode = fs::metadata(torn.join("trial-2/replay.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    insta::assert_snapshot!(fs::read_to_string(torn.join("trial-2/trace.txt")).unwrap());
}

#[test]
fn of_failures_of_one_signature_those_with_the_lowest_numbers_are_shown_in_whatever_order_they_come() {
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
        let out = tempdir().unwrap();
        let mut folder = create(&out);
        for n in order {
            let kept = evidence(&folder, n);
            folder.record(&torn(n), Some(&kept)).unwrap();
        }
        assert_eq!(names(folder.spool()), [".crashtest-mark"]);
        let torn = folder.path().join("failures/direct-fills-strict.kill.torn.save-in-write");
        assert_eq!(names(&torn), ["trial-0", "trial-1", "trial-2"], "{order:?}");
        assert_eq!(read_run(folder.path()).unwrap().summary.results[0].findings[0].first.trial, 0, "{order:?}");
    }
}

#[test]
fn evidence_past_the_total_is_not_kept() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    for (n, bytes) in [(0, EVIDENCE_CAP_BYTES), (1, EVIDENCE_CAP_BYTES - 100)] {
        let kept = evidence(&folder, n);
        // Sparse: the length counts, as a copy would take it.
        fs::File::create(kept.join("crash-state/large")).unwrap().set_len(bytes).unwrap();
        folder.record(&torn(n), Some(&kept)).unwrap();
    }
    let kept = evidence(&folder, 2);
    fs::write(kept.join("crash-state/small"), [0; 100]).unwrap();
    folder.record(&torn(2), Some(&kept)).unwrap();
    let torn = folder.path().join("failures/direct-fills-strict.kill.torn.save-in-write");
    assert_eq!(names(&torn), ["trial-1"]);
    assert_eq!(names(folder.spool()), [".crashtest-mark"]);
}

#[test]
fn a_kept_failure_is_read_from_its_own_folder_or_its_signature_s() {
    let out = tempdir().unwrap();
    let mut folder = create(&out);
    for n in [12, 3] {
        let kept = evidence(&folder, n);
        folder.record(&torn(n), Some(&kept)).unwrap();
    }
    let signature = folder.path().join("failures/direct-fills-strict.kill.torn.save-in-write");
    let KeptFailure::Trial(first) = read_failure(&signature).unwrap() else { panic!("of a run") };
    assert_eq!((first.run, first.record), (direct(), torn(3)));
    assert_eq!(fs::read_to_string(first.crash_state.unwrap().join("state.json")).unwrap(), "{\"trial\":3");
    let KeptFailure::Trial(other) = read_failure(&signature.join("trial-12")).unwrap() else { panic!("of a run") };
    assert_eq!(other.record, torn(12));
    let error = read_failure(folder.path()).unwrap_err();
    assert!(matches!(error, FolderError::NoFailure { .. }) && error.hint().is_some());
}

#[test]
fn links_in_evidence_are_neither_followed_when_kept_nor_when_deleted() {
    let out = tempdir().unwrap();
    let outside = out.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    let mut folder = create(&out);
    for n in 0..5 {
        let kept = evidence(&folder, n);
        symlink(&outside, kept.join("crash-state/link")).unwrap();
        folder.record(&torn(n), Some(&kept)).unwrap();
    }
    let kept = folder.path().join("failures/direct-fills-strict.kill.torn.save-in-write/trial-0/crash-state/link");
    assert_eq!(fs::read_link(kept).unwrap(), outside);
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "precious");
}

#[test]
fn what_does_not_lie_in_the_spool_is_neither_moved_nor_deleted() {
    let out = tempdir().unwrap();
    let outside = out.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut folder = create(&out);
    symlink(&outside, folder.spool().join("link")).unwrap();
    fs::create_dir(outside.join("inner")).unwrap();
    let spool = folder.spool().to_owned();
    let candidates = [outside.clone(), spool.clone(), spool.join(".."), spool.join("link"), spool.join("link/inner")];
    for path in candidates {
        let error = folder.record(&torn(0), Some(&path)).unwrap_err();
        assert!(matches!(error, FolderError::OutsideSpool { .. }), "{}: {error}", path.display());
    }
    assert!(outside.join("inner").is_dir());
}

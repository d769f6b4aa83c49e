//! An audit as people read it, and as programs do.

use std::collections::BTreeMap;
use std::path::Path;

use crashtest_linux::directory::{Directory, DirectoryError};
use crashtest_model::{
    AUDIT_FORMAT, At, Audit, AuditFailure, AuditJudgement, AuditRecord, AuditedFile, CallIndex, Check, Checked,
    CheckedExample, CrashPoint, Damage, Digest, Example, ExcludedFile, Promise, Recheck, Sensitivity, Synced,
    UnderKill, Verdict, Way, Written,
};
use crashtest_report::render::{FORMATS, Terminal, json, junit, markdown, text};
use crashtest_report::{
    AuditOut, CrashStates, EVIDENCE_CAP_BYTES, FolderError, KeptFailure, RecordedAudit, Results, read_failure,
    read_results,
};

fn file(path: &str, under_kill: UnderKill, written: &[(Way, Synced, u64)], damage: &[(Damage, u64)]) -> AuditedFile {
    AuditedFile {
        path: path.into(),
        written: written
            .iter()
            .map(|(way, synced, count)| Written { way: *way, synced: *synced, count: *count })
            .collect(),
        under_kill,
        damage: damage.iter().copied().collect(),
        beside: Vec::new(),
        example: None,
        database: None,
        as_if_there: false,
    }
}

fn record(files: Vec<AuditedFile>) -> AuditRecord {
    let audit = Audit { calls: 141, processes: 1, crash_points: 1337, distinct_states: 412, files, ..Audit::default() };
    AuditRecord {
        format: AUDIT_FORMAT,
        started: None,
        environment: None,
        command: ["python3", "bot.py", "--state", "{dir}", "it's"].map(str::to_owned).to_vec(),
        dir: Some("/srv/bot".into()),
        copy_of: None,
        status: "exit status 0".into(),
        cut: false,
        interrupted: false,
        audit,
        checked: None,
        accept_unchecked: false,
    }
}

/// One file of each kind, and all there is to note.
fn mixed() -> AuditRecord {
    let mut direct = file(
        "state/positions.json",
        UnderKill::Broken,
        &[(Way::TruncateAndWrite, Synced::Nothing, 3)],
        &[(Damage::Torn, 48), (Damage::Empty, 6)],
    );
    let point = CrashPoint { call: CallIndex(6), at: At::Inside(8192) };
    direct.example = Some(Example {
        damage: Damage::Torn,
        point,
        place: point.to_string(),
        call: "write state/positions.json 61440 bytes at 0".into(),
        before: Some(61_234),
        after: Some(70_001),
        found: Some(8192),
        copy: Some("state/positions.json.bak".into()),
        versions: vec![Digest(1), Digest(2)],
    });
    let mut deleted =
        file("counter", UnderKill::Broken, &[(Way::DeleteThenWrite, Synced::File, 1)], &[(Damage::Missing, 4)]);
    let point = CrashPoint { call: CallIndex(90), at: At::After };
    deleted.example = Some(Example {
        damage: Damage::Missing,
        point,
        place: point.to_string(),
        call: "unlink counter".into(),
        before: Some(1),
        after: Some(2),
        found: None,
        copy: None,
        versions: Vec::new(),
    });
    let mut log =
        file("audit.jsonl", UnderKill::NeedsCheck, &[(Way::Append, Synced::Nothing, 12)], &[(Damage::Torn, 9)]);
    log.beside = vec!["counter".into()];
    let mut record = record(vec![
        direct,
        deleted,
        file("stray", UnderKill::Unknown, &[(Way::Rename, Synced::Both, 1)], &[]),
        log,
        file("index.db", UnderKill::NeedsCheck, &[(Way::Map, Synced::Nothing, 1)], &[]),
        file("config.toml", UnderKill::WrittenOnce, &[(Way::Create, Synced::Nothing, 1)], &[(Damage::Empty, 2)]),
        file("a", UnderKill::Whole, &[(Way::Rename, Synced::Both, 2)], &[]),
        file("b", UnderKill::Whole, &[(Way::Rename, Synced::File, 2)], &[]),
        file(
            "objects/1c/f0e704988cde8a80be966e295ce769a4014be1",
            UnderKill::Whole,
            &[(Way::Link, Synced::Nothing, 1)],
            &[],
        ),
        file("old.json", UnderKill::Whole, &[(Way::Remove, Synced::Nothing, 1)], &[]),
    ]);
    let audit = &mut record.audit;
    audit.processes = 3;
    audit.left_out = 1200;
    audit.temporaries = vec!["a.tmp".into()];
    audit.excluded = vec![ExcludedFile { path: "bot.log".into(), pattern: "*.log".into() }];
    audit.outside = vec!["/var/lib/bot/cache".into()];
    audit.unmodelled = BTreeMap::from([("ioctl".to_owned(), 3)]);
    audit.concurrent = true;
    record
}

#[test]
fn an_audit_reads_worst_first_with_examples_and_fixes() {
    insta::assert_snapshot!("audit_80", text::audit(&mixed(), Terminal::plain(80)));
    insta::assert_snapshot!("audit_160", text::audit(&mixed(), Terminal::plain(160)));
}

#[test]
fn no_line_is_wider_than_the_terminal_but_commands() {
    for width in [60, 80, 120, 200] {
        let text = text::audit(&mixed(), Terminal::plain(width));
        let wide = text.lines().filter(|line| line.chars().count() > usize::from(width));
        assert!(wide.clone().all(|line| line.contains("crashtest run")), "{:#?}", wide.collect::<Vec<_>>());
    }
}

#[test]
fn an_audit_is_never_called_safe_and_says_on_what_it_rests() {
    let whole = || file("a", UnderKill::Whole, &[(Way::Rename, Synced::Both, 1)], &[]);
    for files in [vec![], vec![whole()], vec![whole(), whole()], mixed().audit.files] {
        let text = text::audit(&record(files), Terminal::plain(80));
        assert!(!text.to_lowercase().contains("safe"), "{text}");
        for word in ["1,337 crash points", "141 calls", "412 distinct states", "power cuts"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn the_sentence_counts_what_is_worst() {
    let first = |files| text::audit(&record(files), Terminal::plain(200)).lines().next().unwrap().to_owned();
    let of = |under_kill| file("a", under_kill, &[(Way::Append, Synced::Nothing, 1)], &[(Damage::Empty, 1)]);
    let (broken, unknown, check) = (of(UnderKill::Broken), of(UnderKill::Unknown), of(UnderKill::NeedsCheck));
    let (once, whole) = (of(UnderKill::WrittenOnce), of(UnderKill::Whole));
    let said = [
        first(vec![]),
        first(vec![broken.clone()]),
        first(vec![broken.clone(), broken, whole.clone()]),
        first(vec![unknown, whole.clone()]),
        first(vec![check.clone(), whole.clone()]),
        first(vec![check.clone(), check]),
        first(vec![once.clone()]),
        first(vec![once, whole.clone()]),
        first(vec![whole.clone()]),
        first(vec![whole.clone(), whole]),
    ];
    insta::assert_snapshot!("audit_sentences", said.join("\n"));
}

#[test]
fn what_there_is_no_model_of_proves_nothing() {
    let sound = record(vec![file("a", UnderKill::Whole, &[(Way::Rename, Synced::Both, 2)], &[])]);
    assert_eq!(sound.judgement(), AuditJudgement::Unbroken);
    for mut record in [sound.clone(), checked(sound, &[(Verdict::Intact, 57)], &[])] {
        record.audit.unmodelled = BTreeMap::from([("io_submit".to_owned(), 3)]);
        assert_eq!(record.judgement(), AuditJudgement::Inconclusive);
        let text = text::audit(&record, Terminal::plain(120));
        assert!(
            text.starts_with("crashtest has no model of io_submit: what a kill there leaves is not known"),
            "{text}"
        );
    }
}

#[test]
fn an_audit_as_json_reads_back_and_says_what_to_do() {
    let text = json::audit(&mixed());
    assert_eq!(serde_json::from_str::<AuditRecord>(&text).unwrap(), mixed());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["files"][0]["fix"].as_str().unwrap().contains("rename it over state/positions.json"));
    assert_eq!(value["files"][0]["under_power"], "not tested");
    assert_eq!(value["next"], r"crashtest run --check 'CHECK {dir}' -- python3 bot.py --state {dir} 'it'\''s'");
}

/// The same with a checker that came to these verdicts, and passed over this damage.
fn checked(record: AuditRecord, verdicts: &[(Verdict, u64)], unnoticed: &[Damage]) -> AuditRecord {
    let point = CrashPoint { call: CallIndex(6), at: At::Before };
    let broken = verdicts.iter().find(|(verdict, _)| verdict.is_violation());
    let example = broken.map(|(verdict, _)| CheckedExample {
        verdict: *verdict,
        why: "refused: Expecting value: line 1 column 1 (char 0)".into(),
        point,
        place: point.to_string(),
        call: "write state/positions.json 61440 bytes at 0".into(),
        promise: Promise::default(),
        raw: None,
    });
    let check = Check::Each(["python3", "check.py", "{dir}"].map(str::to_owned).to_vec());
    let verdicts = verdicts.iter().copied().collect();
    let sensitivity =
        Sensitivity { planted: true, unnoticed: unnoticed.to_vec(), unopened: Vec::new(), overlooked: BTreeMap::new() };
    let checked = Checked { check, states: 412, left_out: 0, verdicts, example, sensitivity, names_states: false };
    AuditRecord { checked: Some(checked), ..record }
}

#[test]
fn what_a_checker_says_stands_before_what_the_files_show() {
    let broken = checked(mixed(), &[(Verdict::Torn, 48), (Verdict::Intact, 1289)], &[]);
    insta::assert_snapshot!("audit_checked", text::audit(&broken, Terminal::plain(80)));
    assert_eq!(serde_json::from_str::<AuditRecord>(&json::audit(&broken)).unwrap(), broken);
    let half_blind = checked(mixed(), &[(Verdict::Intact, 1337)], &[Damage::Torn]);
    insta::assert_snapshot!("audit_half_blind", text::audit(&half_blind, Terminal::plain(80)));
}

#[test]
fn a_checker_excuses_the_damage_that_it_would_notice_and_no_other() {
    let whole = || record(vec![file("a", UnderKill::Whole, &[(Way::Rename, Synced::Both, 1)], &[])]);
    let intact = &[(Verdict::Intact, 1337)][..];
    let all = || &Damage::ALL;
    // Of these two files one is torn or empty, the other missing.
    let broken = || record(mixed().audit.files.into_iter().take(2).collect());
    let mapped = || record(vec![file("a", UnderKill::NeedsCheck, &[(Way::Map, Synced::Nothing, 1)], &[])]);
    for (record, judgement) in [
        (whole(), AuditJudgement::Unbroken),
        (broken(), AuditJudgement::Broken),
        (mapped(), AuditJudgement::Inconclusive),
        (AuditRecord { accept_unchecked: true, ..mapped() }, AuditJudgement::Unbroken),
        (checked(mapped(), intact, &[]), AuditJudgement::Inconclusive),
        (record(vec![]), AuditJudgement::Inconclusive),
        (checked(whole(), intact, &[]), AuditJudgement::Unbroken),
        (checked(whole(), &[(Verdict::LostAck, 1), (Verdict::Intact, 1336)], &[]), AuditJudgement::Broken),
        (checked(whole(), intact, all()), AuditJudgement::Inconclusive),
        (checked(broken(), intact, &[]), AuditJudgement::Unbroken),
        (checked(broken(), intact, &[Damage::Empty]), AuditJudgement::Broken),
        (checked(broken(), intact, all()), AuditJudgement::Broken),
    ] {
        assert_eq!(record.judgement(), judgement, "{:?} {:?}", record.checked, record.audit.files);
    }
    let mut unopened = checked(broken(), intact, &[]);
    unopened.checked.as_mut().unwrap().sensitivity.unopened = vec!["counter".into()];
    assert_eq!(unopened.judgement(), AuditJudgement::Broken, "nor of a file that it does not open");
    unopened.checked.as_mut().unwrap().sensitivity = Sensitivity::default();
    assert_eq!(unopened.judgement(), AuditJudgement::Broken, "nor where it could not be tried");
    let failed = AuditRecord { status: "exit status 3".into(), ..whole() };
    assert_eq!(failed.judgement(), AuditJudgement::Inconclusive);
    let mut interrupted = checked(broken(), intact, &[]);
    interrupted.checked.as_mut().unwrap().left_out = 3;
    assert_eq!(interrupted.judgement(), AuditJudgement::Broken, "what it was not asked about it excuses nothing of");
}

#[test]
fn how_a_run_has_ended_is_said_in_a_sentence() {
    let how = ["exit status 2", "killed by signal 11", "what it had left running was stopped after 5 s"];
    for (status, subject) in how.into_iter().zip(["the program ended with ", "the program was ", ""]) {
        let mut record = record(vec![file("f", UnderKill::Whole, &[], &[])]);
        record.status = status.into();
        assert!(text::audit(&record, Terminal::plain(160)).starts_with(&format!("{subject}{status}")));
    }
}

#[test]
fn no_name_steers_the_terminal() {
    let mut record =
        record(vec![file("a\nb\u{1b}[31m", UnderKill::Broken, &[(Way::Rewrite, Synced::Nothing, 1)], &[])]);
    record.command = vec!["a\u{1b}[31mb".into()];
    assert!(!text::audit(&record, Terminal::plain(80)).contains('\u{1b}'));
}

#[test]
fn the_text_says_of_what_it_was_a_copy() {
    let copied = AuditRecord { copy_of: Some("/home/u/bot".into()), ..mixed() };
    let text = text::audit(&copied, Terminal::plain(80));
    assert!(text.contains("copy        the program worked on a copy of /home/u/bot, which is gone"), "{text}");
    assert!(!text::audit(&mixed(), Terminal::plain(80)).contains("a copy of"));
}

#[test]
fn what_was_looked_at_when_somebody_had_enough_is_said_and_is_no_pass() {
    let whole = || record(vec![file("a", UnderKill::Whole, &[(Way::Rename, Synced::Both, 2)], &[])]);
    let mut interrupted = AuditRecord { interrupted: true, ..whole() };
    interrupted.audit.left_out = 9;
    assert_eq!(interrupted.judgement(), AuditJudgement::Inconclusive);
    let text = text::audit(&interrupted, Terminal::plain(80));
    assert!(text.starts_with("interrupted: 1,337 of 1,346 crash points were looked at"), "{text}");
    let broken = AuditRecord { interrupted: true, ..mixed() };
    assert_eq!(broken.judgement(), AuditJudgement::Broken, "what was seen was seen");
}

/// The crash states of no run: one file of so many bytes that begins with where the crash comes.
struct States(usize);

impl CrashStates for States {
    fn write(&self, failure: &AuditFailure, most: u64, to: &Directory) -> Result<u64, DirectoryError> {
        let place = failure.point().to_string();
        let content = place.clone() + &" ".repeat(self.0.saturating_sub(place.len()));
        if content.len() as u64 <= most {
            to.write(Path::new("where"), 0o644, content.as_bytes())?;
        }
        Ok(content.len() as u64)
    }

    fn calls(&self, failure: &AuditFailure) -> Vec<String> {
        vec![format!("▶ {}", failure.point())]
    }
}

fn started(record: AuditRecord) -> AuditRecord {
    AuditRecord { started: Some("2026-11-29T10:00:00Z".into()), ..record }
}

fn kept(out: &Path, record: AuditRecord) -> RecordedAudit {
    let recheck = record.checked.as_ref().map(|checked| Recheck {
        check: checked.check.clone(),
        cwd: "/srv".into(),
        dir: Some("/srv/bot".into()),
        copied: false,
        limit_ms: 10_000,
    });
    let (recorded, notes) = AuditOut::find(out).unwrap().keep(&started(record), recheck.as_ref(), &States(0)).unwrap();
    assert_eq!(notes, [""; 0]);
    recorded
}

#[test]
fn the_folder_of_an_audit_reads_as_it_was_written() {
    let out = tempfile::tempdir().unwrap();
    let recorded = kept(out.path(), checked(mixed(), &[(Verdict::Torn, 48), (Verdict::Intact, 1289)], &[]));
    assert!(recorded.path.ends_with("20261129T100000Z-audit-python3"), "{}", recorded.path.display());
    let failures = ["checker.torn", "state_positions.json.torn", "counter.missing"];
    assert_eq!(recorded.kept, failures.map(|name| Some(Path::new("failures").join(name))));
    let Results::Audit(read) = read_results(&out.path().join("latest")).unwrap() else { panic!("no audit") };
    assert_eq!((&read.record, &read.kept), (&recorded.record, &recorded.kept));
    for (folder, failure) in read.kept.iter().flatten().zip(recorded.record.failures()) {
        let folder = read.path.join(folder);
        let KeptFailure::Audit(kept) = read_failure(&folder).unwrap() else { panic!("no failure of an audit") };
        assert_eq!((&kept.kept.failure, &kept.kept.command), (&failure, &recorded.record.command));
        assert!(kept.kept.recheck.is_some());
        let state = std::fs::read_to_string(kept.crash_state.join("where")).unwrap();
        assert_eq!((state, kept.calls), (failure.point().to_string(), format!("▶ {}\n", failure.point())));
        assert!(folder.join("replay.sh").exists());
    }
    for format in FORMATS {
        let Some(name) = format.file.map(|name| name.replace("summary.json", "audit.json")) else { continue };
        let written = std::fs::read_to_string(recorded.path.join(name)).unwrap();
        let (now, then) = (recorded.path.to_string_lossy(), read.path.to_string_lossy());
        assert_eq!(format.render(&Results::Audit(read.clone()), Terminal::plain(80)).replace(&*then, &now), written);
    }
}

#[test]
fn the_folder_of_an_audit_of_another_version_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let recorded = kept(out.path(), mixed());
    let file = recorded.path.join("audit.json");
    let text = std::fs::read_to_string(&file).unwrap().replacen("\"format\": 2", "\"format\": 99", 1);
    std::fs::write(&file, text).unwrap();
    let error = read_results(&recorded.path).unwrap_err();
    assert!(matches!(&error, FolderError::Format { found, .. } if found == "audit 99"), "{error}");
}

#[test]
fn what_there_is_no_room_for_is_not_kept_and_said() {
    let out = tempfile::tempdir().unwrap();
    let half = usize::try_from(EVIDENCE_CAP_BYTES).unwrap() / 2 + 1;
    let (recorded, notes) = AuditOut::find(out.path()).unwrap().keep(&started(mixed()), None, &States(half)).unwrap();
    assert_eq!(recorded.kept, [Some("failures/state_positions.json.torn".into()), None]);
    assert_eq!(notes, ["of 1 of 2 failures the files are not kept: they would be too many"]);
    assert_eq!(std::fs::read_dir(recorded.path.join("failures")).unwrap().count(), 1);
    // Each replay line belongs to its own failure, also where another one is not there.
    let moved = RecordedAudit { kept: vec![None, Some("failures/counter.missing".into())], ..recorded };
    let text = markdown::audit(&moved);
    let (torn, missing) = text.split_once("2. **counter: missing**").unwrap();
    assert!(!torn.contains("crashtest replay") && missing.contains("failures/counter.missing"), "{text}");
}

#[test]
fn a_place_that_was_replaced_meanwhile_is_not_written_and_a_folder_that_cannot_be_filled_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let [out, elsewhere] = ["out", "elsewhere"].map(|name| place.path().join(name));
    std::fs::create_dir(&out).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    for (named, replaced) in [(out.clone(), &out), (out.join("deep/er"), &out.join("deep"))] {
        let found = AuditOut::find(&named).unwrap();
        let _ = std::fs::remove_dir(replaced);
        std::os::unix::fs::symlink(&elsewhere, replaced).unwrap();
        found.keep(&started(mixed()), None, &States(0)).unwrap_err();
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "{}", named.display());
        std::fs::remove_file(replaced).unwrap();
        let _ = std::fs::create_dir(&out);
    }
    assert!(AuditOut::find(&out).unwrap().keep(&mixed(), None, &States(0)).is_err(), "it does not say when it began");
    struct Full;
    impl CrashStates for Full {
        fn write(&self, _: &AuditFailure, _: u64, to: &Directory) -> Result<u64, DirectoryError> {
            to.open(Path::new("none")).map(|_| 0)
        }

        fn calls(&self, _: &AuditFailure) -> Vec<String> {
            Vec::new()
        }
    }
    assert!(AuditOut::find(&out).unwrap().keep(&started(mixed()), None, &Full).is_err());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "half a folder would mislead");
    std::fs::write(place.path().join("file"), "").unwrap();
    assert!(AuditOut::find(&place.path().join("file/below")).unwrap_err().to_string().contains("file"));
}

#[test]
fn two_files_whose_names_become_the_same_are_kept_apart() {
    let out = tempfile::tempdir().unwrap();
    let mut twins = mixed();
    let first = twins.audit.files[0].clone();
    twins.audit.files[1] = AuditedFile { path: first.path.replace('/', "_"), ..first };
    let recorded = kept(out.path(), twins);
    let names = ["state_positions.json.torn", "state_positions.json.torn-2"];
    assert_eq!(recorded.kept, names.map(|name| Some(Path::new("failures").join(name))));
}

#[test]
fn an_audit_for_ci_says_what_is_broken_where_and_what_to_do() {
    let recorded = |record: AuditRecord| {
        let kept = vec![Some("failures/state_positions.json.torn".into()), Some("failures/counter.missing".into())];
        RecordedAudit { path: "results/latest".into(), record, kept }
    };
    insta::assert_snapshot!("audit_markdown", markdown::audit(&recorded(mixed())));
    insta::assert_snapshot!("audit_junit", junit::audit(&recorded(mixed())));
    insta::assert_snapshot!("audit_text_kept", text::recorded_audit(&recorded(mixed()), Terminal::plain(80)));
    let said = junit::audit(&recorded(checked(mixed(), &[(Verdict::Torn, 48)], &[])));
    assert!(said.contains("the checker accepts every crash state") && said.contains("48 crash points"), "{said}");
    let nothing = junit::audit(&recorded(record(vec![])));
    assert!(nothing.contains("<error message=\"the run wrote nothing below"), "{nothing}");
}

#[test]
fn the_longest_names_do_not_make_a_job_summary_too_long() {
    let long = |n: u64| {
        let mut file = mixed().audit.files[0].clone();
        file.path = format!("{n}{}", "<".repeat(4000));
        file.example.as_mut().unwrap().call = "<".repeat(5000);
        file
    };
    let many = RecordedAudit { path: "r".into(), record: record((0..500).map(long).collect()), kept: Vec::new() };
    let text = markdown::audit(&many);
    assert!(text.len() < 1 << 20 && text.contains("more: `audit.json` has them all"), "{}", text.len());
}

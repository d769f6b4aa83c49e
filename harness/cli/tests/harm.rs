//! Do no harm: whatever a program under test does to the directories of crashtest, nothing outside of them is touched.
//!
//! Each attack is a program that saves, and then turns something of crashtest's against it. A tree of files outside must be the same
//! before and after, byte for byte and mode for mode, and the run has to say what the program did.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{Place, Ran};

/// What stands before every attack: one save, for which it gets `$1`, the state directory, and `$2`, the tree outside.
const SAVES: &str = "d=$1; o=$2; echo 1 > $d/state.tmp && mv $d/state.tmp $d/state";

/// Attacks that end the run with exit status 2, and what is said of them.
const TRESPASSES: [(&str, &str, &str); 11] = [
    ("link-for-dir", "rm -r $d; ln -s $o $d", "put a symbolic link to"),
    ("relative-link-for-dir", "mv $d $d.old; ln -s ../../../../outside $d", "put a symbolic link to"),
    ("renamed-away", "mv $d $d.old", "removed its state directory"),
    ("another-directory", "mv $d $d.old; cp -r $o $d", "put another directory in place of its state directory"),
    ("deleted", "rm -r $d", "removed its state directory"),
    ("file-for-dir", "rm -r $d; echo x > $d", "put a file in place of its state directory"),
    ("pipe-for-dir", "rm -r $d; mkfifo $d", "put a file in place of its state directory"),
    ("link-for-the-folder-around", "p=$(dirname $d); mv $p $p.x; ln -s $o $p", "state directory"),
    ("link-for-the-sandbox", "p=$(dirname $(dirname $d)); mv $p $p.x; ln -s $o $p", "state directory"),
    (
        "links-for-files-of-ours",
        "for f in run.out run.err check.out check.err setup.out setup.err restarts spool; do ln -sfn $o/file $d/../$f; done",
        "in a directory of crashtest's own",
    ),
    ("link-to-a-directory-beside", "ln -s $o $d/../restarts", "in a directory of crashtest's own"),
];

/// Attacks after which the run may go on: what they leave is in the state directory, and is put back with it.
const MISCHIEF: [(&str, &str); 6] = [
    ("links-inside", "ln -sfn $o $d/folder; ln -sfn $o/file $d/link; ln -sfn .. $d/up; ln -sfn $o/file $d/state.tmp.1"),
    ("hard-links-inside", "ln -f $o/file $d/twin; ln -f $o/inner/deep $d/deep"),
    ("pipes-and-sockets", "rm -f $d/state; mkfifo $d/state; mkfifo $d/pipe"),
    ("names-upwards", "mkdir -p $d/a; echo 1 > $d/a/../../beside; echo 2 > $d/a/../b"),
    ("no-rights", "mkdir -p $d/closed/inner; echo 1 > $d/closed/inner/f; chmod 0 $d/closed/inner $d/closed"),
    ("deep-names", "p=$d; for n in 1 2 3 4 5 6 7 8 9; do p=$p/sub; mkdir -p $p; ln -sfn $o $p/link; done"),
];

/// A place with a tree `outside` in it.
fn place() -> Place {
    let place = Place::new();
    let outside = place.path().join("outside");
    fs::create_dir_all(outside.join("inner/empty")).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    fs::write(outside.join("inner/deep"), "deep").unwrap();
    fs::write(outside.join("state"), "not ours").unwrap();
    symlink("file", outside.join("link")).unwrap();
    fs::set_permissions(outside.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(outside.join("inner"), fs::Permissions::from_mode(0o750)).unwrap();
    place
}

/// Every name below `dir` with its mode and content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = match &metadata {
                file if file.is_file() => fs::read(&path).unwrap(),
                link if link.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                _ => Vec::new(),
            };
            found.insert(path.clone(), (metadata.permissions().mode(), content));
            if metadata.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, &mut found);
    found.insert(dir.to_owned(), (fs::metadata(dir).unwrap().permissions().mode(), Vec::new()));
    assert!(found.len() > 5, "the tree is there");
    found
}

/// Runs crashtest with these options on a program that saves and then does `attack`; the tree outside must be as before.
fn attacked(place: &Place, options: &str, attack: &str) -> Ran {
    let outside = place.path().join("outside");
    let before = tree(&outside);
    let mut command = place.command(options);
    command.args(["--", "sh", "-c", &format!("{SAVES}; {attack}"), "sh", "{dir}"]).arg(&outside);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(tree(&outside), before, "{options}: {attack}: {}{}", ran.out, ran.err);
    ran
}

/// Nothing of crashtest's is left in the place, but a results folder.
fn assert_tidy(place: &Place, what: &str) {
    for folder in [".", "results"] {
        let left: Vec<String> = match place.path().join(folder).is_dir() {
            true => place.names(folder).into_iter().filter(|name| name.starts_with(".crashtest")).collect(),
            false => Vec::new(),
        };
        assert_eq!(left, [""; 0], "{what}");
    }
}

const RUN: &str = "run --quiet --seed 1 --jobs 1 --limit 60s";

#[test]
fn a_program_that_replaces_what_is_ours_is_stopped_and_nothing_outside_changes() {
    for (name, attack, said) in TRESPASSES {
        for fault in ["sweep", "kill --iterations 3", "io"] {
            let place = place();
            let ran = attacked(&place, &format!("{RUN} --fault {fault}"), attack);
            assert_eq!(ran.exit, Some(2), "{name} {fault}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("the program ") && ran.err.contains(said), "{name} {fault}: {}", ran.err);
            if name != "link-for-the-sandbox" {
                assert_tidy(&place, name);
            }
        }
    }
}

#[test]
fn an_audited_program_that_replaces_what_is_ours_is_stopped_too() {
    for (name, attack, said) in TRESPASSES {
        if name.starts_with("link-for-the") {
            continue;
        }
        let place = place();
        let ran = attacked(&place, "audit", attack);
        assert_eq!(ran.exit, Some(2), "{name}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("the program ") && ran.err.contains(said), "{name}: {}", ran.err);
    }
}

#[test]
fn links_pipes_and_closed_directories_in_the_state_harm_nothing_outside() {
    for (name, attack) in MISCHIEF {
        for options in
            [&format!("{RUN} --fault sweep --max-states 30"), &format!("{RUN} --fault kill --iterations 3"), "audit"]
        {
            let place = place();
            let ran = attacked(&place, options, attack);
            assert!(ran.exit.is_some_and(|exit| exit < 5), "{name} {options}: {:?} {}{}", ran.exit, ran.out, ran.err);
            assert_tidy(&place, name);
        }
    }
}

#[test]
fn a_replayed_program_that_replaces_its_directory_is_stopped() {
    for attack in ["rm -r $d; ln -s $o $d", "ln -sf $o/file $d/../run.err", "rm -r $d"] {
        let place = place();
        let armed = place.path().join("armed");
        // Empties its file at each save; attacks only once it is armed.
        let program =
            format!("seq 400 > $d/state; seq 500 > $d/state; if test -e {}; then {attack}; fi", armed.display());
        let ran = attacked(&place, &format!("{RUN} --fault sweep"), &program);
        assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
        let before = tree(&place.path().join("outside"));
        fs::write(&armed, "").unwrap();
        let failure = place.kept_failures().remove(0);
        let ran = Ran::from(place.command("replay").arg(&failure).output().unwrap());
        assert_eq!(ran.exit, Some(2), "{attack}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("the program "), "{attack}: {}", ran.err);
        assert_eq!(tree(&place.path().join("outside")), before, "{attack}");
        assert_tidy(&place, attack);
    }
}

#[test]
fn checkers_and_set_ups_that_replace_the_directory_are_stopped() {
    for option in ["--check", "--setup"] {
        let place = place();
        let outside = place.path().join("outside");
        let before = tree(&outside);
        let attack = format!("sh -c 'rm -r {{dir}}; ln -s {} {{dir}}'", outside.display());
        let mut command = place.command(&format!("{RUN} --fault sweep {option}"));
        command.args([&attack, "--", "sh", "-c", SAVES, "sh", "{dir}"]);
        let ran = Ran::from(command.output().unwrap());
        assert_eq!((ran.exit, tree(&outside)), (Some(2), before), "{option}: {}{}", ran.out, ran.err);
        assert_tidy(&place, option);
    }
}

#[test]
fn links_in_the_results_folder_are_not_written_through() {
    let place = place();
    // Of the run's own folder, and of those that are renamed over.
    let attack = "cd $(dirname $d)/../..; o=$2; for f in summary.json summary.md junit.xml run.json; do \
                  for r in 2*; do ln -sf $o/file $r/$f; ln -sf $o/file $r/$f.partial; done; done; ln -sfn $o latest";
    let ran = attacked(&place, &format!("{RUN} --fault kill --iterations 5"), attack);
    assert!(ran.exit.is_some_and(|exit| exit < 5), "{:?} {}{}", ran.exit, ran.out, ran.err);
    let replaced = "cd $(dirname $d)/../..; for r in 2*; do mv $r moved; ln -s $2 $r; done 2>/dev/null";
    let place = self::place();
    let ran = attacked(&place, &format!("{RUN} --fault kill --iterations 5"), replaced);
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
}

#[test]
fn a_file_system_that_a_program_mounts_is_neither_emptied_nor_unmounted() {
    for (name, attack) in [
        ("inside", "mkdir $d/m && mount --bind $o $d/m"),
        ("over", "mount --bind $o $d"),
        ("a-file", "touch $d/m && mount --bind $o/file $d/m"),
    ] {
        for options in [&format!("{RUN} --fault sweep"), &format!("{RUN} --fault kill --iterations 3")] {
            let place = place();
            if support::tmpfs::Tmpfs::mount(&place.path().join("probe"), nix::mount::MsFlags::empty(), "size=64k")
                .is_none()
            {
                return;
            }
            let ran = attacked(&place, options, attack);
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let ours = place.path().to_str().unwrap();
            let mounted: Vec<&str> =
                mounts.lines().filter_map(|line| line.split(' ').nth(4)).filter(|p| p.contains(ours)).collect();
            mounted.iter().rev().for_each(|point| nix::mount::umount(*point).unwrap());
            assert_eq!(ran.exit, Some(2), "{name} {options}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("mounted a file system"), "{name} {options}: {}", ran.err);
            assert!(ran.err.contains("stays behind"), "{name} {options}: {}", ran.err);
            assert_eq!(mounted.len(), 1, "{name} {options}");
        }
    }
}

#[test]
fn what_a_killed_run_of_a_hostile_program_left_is_looked_at_and_removed_without_harm() {
    let place = place();
    let (outside, elsewhere) = (place.path().join("outside"), place.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let before = tree(&outside);
    let attack = "ln -sfn $o $d/folder; ln -f $o/file $d/twin; mkfifo $d/pipe; mkdir -p $d/closed/inner; \
                  ln -sfn $o $d/closed/inner/up; chmod 0 $d/closed; : > $d/done; sleep 1000";
    let mut command = place.command(&format!("{RUN} --fault kill --duration 10m --dir elsewhere"));
    command.args(["--", "sh", "-c", &format!("{SAVES}; {attack}"), "sh", "{dir}"]).arg(&outside);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sandbox = || fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).next();
    support::wait_until("the attack", || sandbox().is_some_and(|path| path.join("worker-0/state/done").exists()));
    let dead = sandbox().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What only looks like a directory of a dead run: a link to the tree, and a copy with the mark of the dead one.
    symlink(&outside, elsewhere.join(".crashtest-sandbox-link")).unwrap();
    let copy = elsewhere.join(".crashtest-sandbox-copy");
    fs::create_dir(&copy).unwrap();
    // Another run on this machine may have removed the dead one by now.
    let mark = fs::read(dead.join(".crashtest-mark")).unwrap_or_default();
    fs::write(copy.join(".crashtest-mark"), &mark).unwrap();
    fs::write(copy.join("precious"), "mine").unwrap();

    let doctor = place.crashtest("doctor --dir elsewhere");
    assert!(matches!(doctor.exit, Some(0 | 3)), "{}{}", doctor.out, doctor.err);
    assert_eq!(tree(&outside), before, "doctor");
    assert_eq!(place.crashtest(&format!("{RUN} --strategy atomic --iterations 3 --dir elsewhere")).exit, Some(0));
    support::wait_until("the removal of what was left", || !dead.exists());
    assert_eq!(tree(&outside), before, "the next run");
    assert_eq!(fs::read_to_string(copy.join("precious")).unwrap(), "mine");
    assert!(elsewhere.join(".crashtest-sandbox-link").is_symlink());
}

//! The words of an audit: how a file is written, what a kill can do to it, which calls to add.

use crashtest_model::{AuditedFile, Checked, Damage, PlainName, Synced, UnderKill, Way, Written};

use crate::number::thousands;
use crate::render::words::coverage::any_of;

/// The ways in which a file is written, separated by semicolons: "3 × temp + rename, no fsync".
pub(crate) fn written(file: &AuditedFile) -> String {
    if let Some(database) = &file.database {
        return database.kind.to_string();
    }
    if file.written.is_empty() {
        return "by no call that was seen".to_owned();
    }
    let ways: Vec<String> = file.written.iter().map(way).collect();
    ways.join("; ")
}

fn way(written: &Written) -> String {
    let synced = match (written.way, written.synced) {
        (Way::Map | Way::Move | Way::Remove, _) => "",
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::Both) => {
            ", fsync of file and directory"
        }
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::File) => {
            ", fsync of the file, not of the directory"
        }
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::Directory) => {
            ", fsync of the directory, not of the file"
        }
        (_, synced) if synced.file() => ", fsync",
        _ => ", no fsync",
    };
    let count = if written.count > 1 { format!("{} × ", thousands(written.count)) } else { String::new() };
    format!("{count}{}{synced}", written.way.phrase())
}

/// The violations that a checker found, with the crash points of each: "torn at 3, wont-open at 1 of 57 crash points".
pub(crate) fn found(checked: Option<&Checked>, points: &str) -> String {
    let verdicts = checked.into_iter().flat_map(|checked| &checked.verdicts);
    let wrong = verdicts.filter(|(verdict, _)| verdict.is_violation());
    let each: Vec<String> = wrong.map(|(verdict, n)| format!("{verdict} at {}", thousands(*n))).collect();
    format!("{} of {points} crash points", each.join(", "))
}

/// The damage that a kill can do to a file, at how many of `points` crash points. `is_checked`: there is a checker.
pub(crate) fn under_kill(file: &AuditedFile, points: u64, is_checked: bool) -> String {
    let points = thousands(points);
    let needs = if is_checked { "for the checker" } else { "needs --check" };
    let damage = |words: &str| {
        let each: Vec<String> =
            file.damage.iter().map(|(damage, n)| format!("{damage} at {}", thousands(*n))).collect();
        format!("{}{words} of {points} crash points", each.join(", "))
    };
    match file.under_kill {
        UnderKill::Broken if file.as_if_there => {
            let each: Vec<String> = file.damage.keys().map(Damage::to_string).collect();
            format!("{} while the next run writes it: the call that makes it empties one that is there", any_of(&each))
        }
        UnderKill::Broken => damage(""),
        UnderKill::Unknown => "not known: it holds something else than its calls come to".to_owned(),
        UnderKill::NeedsCheck => match file.damage.values().sum() {
            0 => needs.to_owned(),
            between => format!("{needs}: between versions at {} of {points} crash points", thousands(between)),
        },
        UnderKill::WrittenOnce => {
            let each: Vec<String> = file.damage.keys().map(Damage::to_string).collect();
            format!("written once, accepted: {} only while it is made", any_of(&each))
        }
        UnderKill::Whole => format!("whole at all {points} crash points"),
    }
}

/// The reason why a file needs a checker; `None` where it does not.
pub(crate) fn unclear(file: &AuditedFile) -> Option<String> {
    if file.under_kill != UnderKill::NeedsCheck {
        return None;
    }
    if let Some(database) = &file.database {
        return Some(format!("a {}: only its own check can say whether it is whole", database.kind));
    }
    let how =
        match file.written.iter().map(|written| written.way).find(|way| Way::Rewrite <= *way && *way <= Way::Append) {
            Some(Way::Map) => "written through a shared mapping, which is not seen",
            Some(Way::Append) => "appended",
            _ => "written in place",
        };
    let names: Vec<String> = file.beside.iter().map(|name| PlainName(name).to_string()).collect();
    let beside = match &names[..] {
        [] => String::new(),
        names => format!(", beside {}", names.join(" and ")),
    };
    Some(format!("{how}{beside}: only what reads it can say whether a half-done write can be told and undone"))
}

/// The change that keeps a kill from breaking a file; `None` where none breaks it.
pub(crate) fn fix(file: &AuditedFile) -> Option<String> {
    if file.under_kill != UnderKill::Broken {
        return None;
    }
    let path = PlainName(&file.path);
    let replace = format!(
        "write the new content to a temporary file in the same directory, fsync that, rename it over {path}, then fsync the directory"
    );
    Some(match file.written.first().map(|written| written.way) {
        Some(Way::DeleteThenWrite) => format!("do not remove {path} first; {replace}: that replaces it in one step"),
        Some(Way::DeleteThenRename) => {
            format!("do not remove or move {path} first: the rename of the new file over it replaces it in one step")
        }
        Some(Way::RenameEarly) => {
            "flush, fsync and close the temporary file before it is renamed, then fsync the directory".to_owned()
        }
        _ => replace,
    })
}

/// The calls that are missing before what was written survives a power cut; `None` where none is known to be.
pub(crate) fn power(file: &AuditedFile) -> Option<String> {
    let mut needed: Vec<&str> = Vec::new();
    for Written { way, synced, .. } in &file.written {
        let words = match (way, synced.file(), synced.directory()) {
            (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, false, false) => {
                "fsync of the new file before it gets its name, and of the directory after it has it"
            }
            (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, false, true) => {
                "fsync of the new file before it gets its name"
            }
            (Way::Create | Way::DeleteThenWrite, false, _) => {
                "fsync of the file once it is written, and of the directory once it is made"
            }
            (
                Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly | Way::Create | Way::DeleteThenWrite,
                true,
                false,
            ) => "fsync of the directory once the name is made",
            (Way::Append, false, _) => "fsync (or fdatasync) after each record that must not be lost",
            (Way::TruncateAndWrite | Way::Rewrite | Way::InPlace, false, _) => "fsync after the last write",
            (Way::Move | Way::Remove, _, false) => "fsync of the directory, or the old name may come back",
            _ => continue,
        };
        if !needed.contains(&words) {
            needed.push(words);
        }
    }
    (!needed.is_empty()).then(|| needed.join("; "))
}

//! The rooms of a crate are layers: a file may use its own room and those on lower floors.
//!
//! A room is a folder or a file below `src`. The deepest one that holds a file counts. An import counts wherever it stands, also within a
//! function, but for tests: these may use whatever they need.

use std::collections::BTreeSet;

use crate::sources::sources_of;

/// The floors of a crate, top to bottom; rooms on one floor may not use each other.
struct House {
    crate_dir: &'static str,
    floors: &'static [&'static [&'static str]],
}

const HOUSES: [House; 3] = [CLI, ENGINE, REPORT];

const CLI: House = House {
    crate_dir: "harness/cli",
    floors: &[
        &["args"],
        &["command"],
        &["project"],
        &["grid", "scenario"],
        &["campaign", "options"],
        &["check", "registry", "progress", "github", "under_reaper"],
        &["program", "host", "nearest"],
        &["until"],
        &["values"],
        &["selection", "state_directory", "signals", "requirements", "applicability"],
        &["problem", "console"],
        &["exit"],
    ],
};

const REPORT: House = House {
    crate_dir: "harness/report",
    floors: &[&["write", "read"], &["render"], &["summarise"], &["results", "explain", "folder"], &["number", "error"]],
};

const ENGINE: House = House {
    crate_dir: "harness/engine",
    floors: &[
        &["binary"],
        &["worker"],
        &["audit"],
        &["faults"],
        &["trace_once"],
        &["supervisor", "context"],
        &["subject"],
        &["trace", "lists"],
        &["judge", "state_dir", "output", "protocol", "event"],
        &["snapshot", "error"],
    ],
};

#[test]
fn an_import_within_a_crate_only_points_down() {
    let mut wrong = Vec::new();
    for House { crate_dir, floors } in HOUSES {
        let room_of = |path: &str| {
            let rooms =
                floors.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, *room)));
            let holds = |room: &str| path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
            rooms.filter(|(_, room)| holds(room)).max_by_key(|(_, room)| room.len())
        };
        let sources = sources_of(crate_dir);
        for (file, text) in sources.iter().filter(|(file, _)| !is_root(file) && !is_test(file)) {
            let module = file.trim_end_matches(".rs").trim_end_matches("/mod");
            let Some((floor, room)) = room_of(module) else {
                wrong.push(format!("{crate_dir}/src/{file} is in no room"));
                continue;
            };
            for import in imports(text, module) {
                match room_of(&import) {
                    None => wrong.push(format!("{crate_dir}/src/{file} imports crate::{import}, which is in no room")),
                    Some((_, other)) if other == room => {}
                    Some((lower, _)) if lower > floor => {}
                    Some((_, other)) => {
                        wrong.push(format!(
                            "{crate_dir}/src/{file} (in {room}) imports {import} (in {other}), which is not below it"
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `file` is the root of its crate, which names every room.
fn is_root(file: &str) -> bool {
    ["lib.rs", "main.rs"].contains(&file)
}

/// Whether `file` holds tests and nothing else.
fn is_test(file: &str) -> bool {
    file.trim_end_matches(".rs").split('/').any(|part| part == "tests")
}

/// The paths within the crate that `text`, the file of `module`, names outside of its tests and comments, with slashes.
fn imports(text: &str, module: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            // Of a group at the root, each member by its first name.
            Some(group) => {
                let group = group.split(';').next().unwrap_or_default();
                found.extend(members(group).into_iter().map(|member| path(&member)));
            }
            None => {
                found.insert(path(rest));
            }
        }
    }
    let folders: Vec<&str> = module.split('/').collect();
    for (at, _) in code.match_indices("super::").filter(|(at, _)| !code[..*at].ends_with("super::")) {
        let mut rest = &code[at..];
        let mut depth = folders.len();
        while let Some(after) = rest.strip_prefix("super::") {
            (rest, depth) = (after, depth.saturating_sub(1));
        }
        let named = match rest.strip_prefix('{') {
            Some(group) => members(group.split(';').next().unwrap_or_default()),
            None => vec![rest.to_owned()],
        };
        found.extend(named.iter().map(|name| [&folders[..depth], &[&*path(name)]].concat().join("/")));
    }
    found
}

/// The members of a group of imports, as far as its closing brace.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => {}
        }
        if let Some(last) = members.last_mut().filter(|_| c != ',' || depth > 0) {
            last.push(c);
        }
    }
    members.iter().map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
}

/// The leading names of a path, as far as they are names, with slashes.
fn path(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].trim_end_matches(':').replace("::", "/")
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let text = "use crate::a::b::{C, D};\nuse crate::{d, e::{self, F}};\n// use crate::comment;\nfn f() { crate::g::h() + super::j::k() + super::super::{l::m, n}; }\n\
                #[cfg(test)]\nmod tests {\n use crate::tests_may;\n}";
    let found: Vec<String> = imports(text, "h/i").into_iter().collect();
    assert_eq!(found, ["a/b", "d", "e", "g/h", "h/j/k", "l/m", "n"]);
}

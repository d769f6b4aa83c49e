//! The pages in `docs/`: their commands are run, and print what the pages say.
//!
//! A page is read from top to bottom, in a directory of its own. Of its fenced blocks those with a language and `file=NAME` are written to
//! a file; of those with `in=NAME` each function stands in for the one of that name there. A block of `sh` is run (`exit=N`: it ends so),
//! and the block without a language after it is what it prints: `…` on a line of its own stands for any lines, within a line for any text.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::Place;
use support::programs::{Interpreter, Language};
use support::skip::{is_thorough, skip};

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
/// Stands for any text.
const ANY: &str = "…";

/// A fenced block: the words behind its fence, the number of the line, and its text.
struct Block {
    words: Vec<String>,
    line: usize,
    text: String,
}

impl Block {
    /// What its fence says of `key`.
    fn says(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|its| its == word)
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(info) => {
                let words = info.split_whitespace().map(str::to_owned).collect();
                blocks.push(Block { words, line: number + 1, text: String::new() });
                is_open = true;
            }
            None if is_open => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "a fence is not closed");
    blocks
}

/// The functions of a file in Python, and what stands between them: each with its name.
fn pieces(text: &str) -> Vec<(&str, String)> {
    let mut pieces: Vec<(&str, String)> = vec![("", String::new())];
    for line in text.lines() {
        let line_of_function = line.strip_prefix("async ").unwrap_or(line);
        if line_of_function.starts_with("def ") || line.starts_with("if __name__") {
            pieces.push((line_of_function.split('(').next().unwrap(), String::new()));
        } else if !line.is_empty() && !line.starts_with(' ') && !pieces.last().unwrap().0.is_empty() {
            pieces.push(("", String::new()));
        }
        let piece = &mut pieces.last_mut().unwrap().1;
        piece.push_str(line);
        piece.push('\n');
    }
    pieces
}

/// `text` with the functions of `changes` in place of its own; new ones, and other lines, come first.
fn changed(text: &str, changes: &str) -> String {
    let changes = pieces(changes);
    let is_there = |name: &str| pieces(text).iter().any(|(its, _)| *its == name && !name.is_empty());
    let mut out: String = changes.iter().filter(|(name, _)| !is_there(name)).map(|(_, piece)| piece.as_str()).collect();
    for (name, piece) in pieces(text) {
        let instead = changes.iter().find(|(its, _)| *its == name && !name.is_empty());
        out.push_str(instead.map_or(piece.as_str(), |(_, instead)| instead));
    }
    out
}

/// Durations and names of results differ from run to run.
fn lasting(line: &str) -> String {
    let mut words: Vec<&str> = line.trim_end().split(' ').collect();
    for at in 1..words.len() {
        let is_unit = words[at].trim_end_matches([',', ')', ';']) == "s";
        if is_unit && words[at - 1].parse::<f64>().is_ok() {
            words[at - 1] = "#";
        }
    }
    let line = words.join(" ");
    match line.split_once("results/20") {
        Some((before, path)) => {
            let rest = path.find(['/', ' ']).map_or("", |end| &path[end..]);
            format!("{before}results/#{rest}")
        }
        None => line,
    }
}

/// The words of a text, but for numbers.
fn words(text: &str) -> String {
    let is_number = |word: &&str| word.trim_matches(|c: char| c.is_ascii_digit() || c == ',' || c == '.').is_empty();
    text.split_whitespace().filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ")
}

/// The first piece of `expected` whose words do not come in `output` where they have to; `None` where all do.
fn missing_words(output: &str, expected: &str) -> Option<String> {
    let output = words(output);
    let mut rest = output.as_str();
    for piece in expected.split(ANY).map(words) {
        match rest.find(&piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return Some(piece),
        }
    }
    None
}

/// Whether `line` is as `expected` says.
fn is_line(line: &str, expected: &str) -> bool {
    let mut parts = expected.split(ANY);
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The first line of `expected` that does not come in `output` where it has to; `None` where all do.
fn missing(output: &str, expected: &str) -> Option<String> {
    let output: Vec<String> = output.lines().map(lasting).collect();
    let expected: Vec<String> = expected.lines().map(lasting).collect();
    let mut at = 0;
    // Where a page begins in the middle of the output, its first line may come anywhere.
    let mut anywhere = true;
    for line in &expected {
        if line.trim() == ANY {
            anywhere = true;
            continue;
        }
        let next = output[at..].iter().position(|is| is_line(is, line)).filter(|skipped| anywhere || *skipped == 0);
        match next {
            Some(skipped) => at += skipped + 1,
            None => return Some(line.clone()),
        }
        anywhere = false;
    }
    None
}

fn run_page(name: &str, languages: &[Language]) {
    let page = fs::read_to_string(Path::new(PAGES).join(name)).unwrap();
    let place = Place::new();
    let bin = place.path().join(".bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_crashtest"), bin.join("crashtest")).unwrap();
    for language in languages {
        let Some(interpreter) = Interpreter::find(*language) else { return };
        let program = interpreter.words(&[])[0].to_owned();
        let called = if *language == Language::Python { "python3" } else { "node" };
        // Where it writes by other pieces the crash points are others.
        let writes_by = ["-c", "import io; print(io.DEFAULT_BUFFER_SIZE)"];
        if *language == Language::Python && Command::new(&program).args(writes_by).output().unwrap().stdout != b"8192\n"
        {
            return skip("a Python that writes by 8 KiB");
        }
        std::os::unix::fs::symlink(program, bin.join(called)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let (mut printed, mut varies) = (String::new(), false);
    let mut is_left_out = false;
    for block in blocks(&page) {
        let place_in_page = format!("docs/{name}:{}", block.line);
        if let Some(file) = block.says("file") {
            fs::write(place.path().join(file), &block.text).unwrap();
        } else if let Some(file) = block.says("in") {
            let file = place.path().join(file);
            fs::write(&file, changed(&fs::read_to_string(&file).unwrap(), &block.text)).unwrap();
        } else if block.words.first().is_some_and(|word| word == "sh") {
            is_left_out = block.has("skip") || (block.has("slow") && !is_thorough());
            if is_left_out {
                continue;
            }
            let mut command = Command::new("sh");
            command.args(["-ec", &block.text]).current_dir(place.path()).env("PATH", &path).stdin(Stdio::null());
            let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
            (printed, varies) = (String::from_utf8(output.stdout).unwrap(), block.has("varies"));
            let complained = String::from_utf8_lossy(&output.stderr);
            let exit = block.says("exit").map_or(0, |exit| exit.parse().unwrap());
            assert_eq!(output.status.code(), Some(exit), "{place_in_page}: {}{printed}{complained}", block.text);
        } else if block.words.is_empty() && !is_left_out {
            let find = if varies { missing_words } else { missing };
            let missing = find(&printed, &block.text);
            assert_eq!(missing, None, "{place_in_page} is not what is printed:\n{printed}");
        }
    }
}

#[test]
fn programs() {
    run_page("programs.md", &[Language::Python]);
}

#[test]
fn bot() {
    run_page("bot.md", &[Language::Python]);
}

#[test]
fn service() {
    run_page("service.md", &[Language::Node]);
}

#[test]
fn cron() {
    run_page("cron.md", &[Language::Python]);
}

#[test]
fn shell() {
    run_page("shell.md", &[]);
}

#[test]
fn a_page_that_says_something_else_is_noticed() {
    let printed = "sweep  torn   20\n       empty  8\n\n1. torn\n   what  2.5 s\n";
    for page in ["sweep  torn   20\n       empty  8\n", "sweep  …20\n…\n   what  1.0 s\n", "1. torn\n"] {
        assert_eq!(missing(printed, page), None, "{page}");
    }
    for page in ["sweep  torn   21\n", "sweep  torn   20\n1. torn\n", "1. torn\n…\nsweep  torn   20\n", "sweep  …2\n"]
    {
        assert!(missing(printed, page).is_some(), "{page}");
    }
    assert_eq!(missing_words(printed, "sweep torn\n   31 empty\n…\ntorn … s"), None);
    assert!(missing_words(printed, "torn … sweep torn").is_some());
    let file = "import os\n\ndef save():\n    pass\n\nif __name__ == 'x':\n    save()\n";
    let file = changed(file, "import sys\n\ndef save():\n    sync()\n\ndef sync():\n    pass\n");
    assert_eq!(file.matches("def ").count(), 2, "{file}");
    assert!(!file.contains("    pass\n\nif") && file.starts_with("import sys") && file.ends_with("save()\n"), "{file}");
}

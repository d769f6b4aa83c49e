//! Where the engine asks whether what it tests is a program or a target: behind `Subject`, and hardly anywhere else.

use crate::sources::sources_of;

/// Functions outside of `subject/` that may ask.
const MOST: usize = 6;
/// How it is asked.
const QUESTIONS: [&str; 3] = ["UnderTest::Program", "UnderTest::Target", "plan.program"];

#[test]
fn whether_the_subject_is_a_program_is_asked_in_few_places() {
    let mut places = Vec::new();
    for (file, text) in sources_of("harness/engine") {
        if file.starts_with("subject") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut function = String::new();
        for line in code.lines() {
            let words: Vec<&str> = line.split(['(', ' ', '<']).collect();
            if let Some(at) = words.iter().position(|word| *word == "fn") {
                function = words.get(at + 1).copied().unwrap_or_default().to_owned();
            }
            let place = format!("{file}: {function}");
            if QUESTIONS.iter().any(|question| line.contains(question)) && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    assert!(!places.is_empty() && places.len() <= MOST, "{places:#?}");
}

//! Histograms of names: where kills landed. Bars beside counts, the largest first.

use std::collections::BTreeMap;

use crate::number::{Rounding, percent, thousands};
use crate::render::words::counts::largest_first;

/// The lines of a histogram of `counts` in `width` columns, at most `most` of them, and one for the rest.
pub(super) fn lines(counts: &BTreeMap<String, u64>, width: usize, most: usize) -> Vec<String> {
    let entries = largest_first(counts);
    let total: u64 = entries.iter().map(|(_, n)| n).sum();
    let largest = entries.first().map_or(1, |(_, n)| *n).max(1);
    let (shown, hidden) = entries.split_at(most.min(entries.len()));
    let name_width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(width / 2);
    let room = width.saturating_sub(name_width + 23).max(4);
    let mut lines: Vec<String> = shown
        .iter()
        .map(|(name, n)| {
            let name: String = name.chars().take(name_width).collect();
            let share = percent(*n as f64 / total as f64, Rounding::Nearest);
            let bar = bar(*n as f64 / largest as f64, room);
            format!("{name:<name_width$}  {:>9}  {share:>6} %  {bar}", thousands(*n)).trim_end().to_owned()
        })
        .collect();
    if !hidden.is_empty() {
        let rest: u64 = hidden.iter().map(|(_, n)| n).sum();
        let more = format!("{} more", hidden.len());
        let share = percent(rest as f64 / total as f64, Rounding::Nearest);
        lines.push(format!("{more:<name_width$}  {:>9}  {share:>6} %", thousands(rest)));
    }
    lines
}

/// A bar of up to `room` columns, in eighths; something for everything that is not nothing.
fn bar(share: f64, room: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = ((share * room as f64 * 8.0).round() as usize).clamp(1, room * 8);
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// Two blocks of lines side by side: `left` in `left_width` columns.
pub(super) fn beside(left: &[String], left_width: usize, right: &[String]) -> Vec<String> {
    (0..left.len().max(right.len()))
        .map(|n| {
            let left = left.get(n).map_or("", String::as_str);
            let right = right.get(n).map_or("", String::as_str);
            format!("{left:<left_width$}{right}").trim_end().to_owned()
        })
        .collect()
}

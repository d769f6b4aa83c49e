//! `--signal`: lives that are stopped by SIGTERM or ended by SIGABRT, and what that loses beside SIGKILL.

mod support;

use serde_json::Value;
use support::marked::{MARK, alive};
use support::{Place, Ran, count, kills};

const TRIALS: u64 = 200;

fn campaign(strategy: &str, signal: &str) -> (Place, Option<i32>, Value) {
    let place = Place::new();
    let (exit, summary) = place.campaign(strategy, &format!("--signal {signal} --iterations {TRIALS}"));
    (place, exit, summary)
}

/// How the victims of the kills ended, each way once.
fn endings(place: &Place) -> Vec<String> {
    let again = |trial: &Value| trial["fault"] == "kill" && trial["start"] == "again";
    let trials = place.trials().into_iter().filter(again);
    let mut by: Vec<String> = trials.map(|trial| trial["landed"]["by"].as_str().unwrap().to_owned()).collect();
    by.sort();
    by.dedup();
    by
}

#[test]
fn sigterm_loses_nothing_that_a_queue_has_acknowledged_and_sigkill_does() {
    let (place, exit, summary) = campaign("persistent-map", "term");
    let row = kills(&summary, "again");
    assert_eq!((exit, count(row, "intact")), (Some(0), TRIALS), "{}", row["verdicts"]);
    assert_eq!((&row["kills_landed"], &row["signal"]), (&Value::from(TRIALS), &Value::from("term")));
    assert_eq!((&row["lost_acks"], &row["recovery_killed"]), (&Value::Null, &Value::from(0)));
    assert!(row["phases"].as_object().unwrap().keys().any(|phase| phase.starts_with("recovery")), "{}", row["phases"]);
    assert_eq!(endings(&place), ["stopped"]);
    assert_eq!(kills(&summary, "first")["signal"], "kill", "the first start is always killed");
    let report = place.crashtest("report").out;
    assert!(report.contains("kills by SIGTERM (failure rate below"), "{report}");
    assert!(report.contains("  kill   lives were stopped by SIGTERM"), "{report}");

    let (place, exit, summary) = campaign("persistent-map", "kill");
    let row = kills(&summary, "again");
    assert_eq!((exit, &row["signal"]), (Some(1), &Value::from("kill")));
    assert!(count(row, "lost-ack") > 20, "{}", row["verdicts"]);
    assert_eq!(row["lost_acks"]["trials"], count(row, "lost-ack"));
    assert_eq!(endings(&place), ["kill"]);
}

#[test]
fn what_was_lost_is_counted_and_dated_in_each_trial_and_in_all() {
    let (place, _, summary) = campaign("persistent-map", "abort");
    assert_eq!(endings(&place), ["abort"]);
    let row = kills(&summary, "again");
    let lost: Vec<Value> =
        place.trials().into_iter().filter(|trial| trial["outcome"]["judged"] == "lost-ack").collect();
    assert!(!lost.is_empty());
    let mut updates = 0;
    let mut ages = Vec::new();
    for trial in &lost {
        let found = trial["observed"]["generation"].as_u64().unwrap();
        let gone = trial["promise"]["acked"].as_u64().unwrap() - found;
        assert_eq!(trial["lost"]["updates"], gone, "{trial}");
        updates += gone;
        ages.extend(trial["lost"]["age_ns"].as_u64());
    }
    ages.sort_unstable();
    let counted = &row["lost_acks"];
    assert_eq!((&counted["updates"], &counted["age_ns"]["max"]), (&updates.into(), &(*ages.last().unwrap()).into()));
    let (median, exact) = (counted["age_ns"]["median"].as_u64().unwrap(), ages[(ages.len() - 1) / 2]);
    assert!(exact <= median && median <= exact + exact / 16, "{median} {exact}");
    assert!(place.crashtest("report").out.contains("  lost acks: "));
}

#[test]
fn a_queue_that_is_not_written_at_a_clean_stop_loses_acks_as_documented_in_the_control_too() {
    let (place, exit, summary) = campaign("persistent-map-nodrain", "term");
    let row = kills(&summary, "again");
    assert_eq!(exit, Some(1), "the control shows what is documented, and the campaign goes on");
    assert_eq!(row["trials"], TRIALS);
    assert!(count(row, "lost-ack") > 20, "{}", row["verdicts"]);
    assert_eq!(endings(&place), ["stopped"]);
    let findings = summary["results"].as_array().unwrap().iter().flat_map(|row| row["findings"].as_array().unwrap());
    assert!(findings.clone().all(|finding| finding["documented"] == true && finding["verdict"] == "lost-ack"));
    let stopped = findings.clone().find(|finding| finding["first"]["fault"] == "kill").unwrap();
    assert!(stopped["explanation"].as_str().unwrap().starts_with("sent SIGTERM "), "{stopped}");
}

#[test]
fn a_save_is_acknowledged_sooner_where_it_only_has_to_be_enqueued() {
    let p50 = |strategy| {
        let (_, _, summary) = campaign(strategy, "kill");
        kills(&summary, "again")["ack_latency_ns"]["p50"].as_u64().unwrap()
    };
    assert!(p50("persistent-map") < p50("persistent-map-sync"));
}

#[test]
fn a_writer_that_does_not_hear_sigterm_is_stuck_and_killed_and_nothing_of_it_is_left() {
    let place = Place::new();
    let arguments = "run --strategy planted-deaf --signal term --limit 2s --iterations 6 --quiet --seed 1 --jobs 1";
    let ran = Ran::from(place.command(arguments).env(MARK, place.path()).output().unwrap());
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(alive(&place).is_empty(), "{}", ran.err);
    let deaf: Vec<Value> = place.trials().into_iter().filter(|trial| trial["outcome"]["judged"] == "stuck").collect();
    assert!(deaf.len() >= 4, "all but those that were stopped before their first save: {}", ran.out);
    for trial in deaf {
        assert_eq!(trial["landed"]["by"], "forced");
        assert!(trial["detail"]["why"].as_str().unwrap().starts_with("not ended 2000 ms after SIGTERM"), "{trial}");
    }
}

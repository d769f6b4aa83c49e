//! Tracing loses no call and takes none for another's: by threads, by processes, by programs that start programs, under signals.
//!
//! Each record that a victim writes holds who wrote it and its number. What the tracer says of a call is held against that. Forking
//! needs a process of one thread: these tests run one after the other on the main thread.

mod copies;
mod endings;
mod signals;
mod stops;
mod tasks;
#[path = "../trials/mod.rs"]
mod trials;
mod victim;
mod witness;

use std::process::ExitCode;

use trials::trials;

fn main() -> ExitCode {
    trials::run(trials![
        tasks::two_threads_are_told_apart,
        tasks::threads_are_followed_after_the_first_one_has_ended,
        tasks::a_program_that_a_second_thread_executes_is_the_same_process,
        tasks::two_processes_and_their_children_are_told_apart,
        tasks::two_hundred_programs_between_the_calls_are_all_seen,
        signals::signals_and_the_calls_of_their_handlers_disturb_nothing,
        signals::a_write_that_the_kernel_makes_again_after_a_signal_is_one_write,
        signals::a_write_that_the_program_makes_again_after_a_signal_is_two_writes,
        signals::a_write_that_an_ignored_signal_interrupts_is_one_write,
        stops::a_first_process_that_its_child_stops_and_continues_loses_nothing,
        stops::a_parent_sees_the_stops_of_its_child_and_the_child_loses_nothing,
        endings::what_runs_in_the_background_is_followed_to_its_end,
        endings::who_is_held_up_by_the_machine_is_given_more_time,
        endings::what_does_not_end_with_the_first_process_is_killed,
        copies::each_copy_sees_the_files_as_they_are_then,
        copies::what_does_not_look_or_is_several_is_not_held,
        endings::a_child_that_is_born_while_everything_is_killed_is_killed_too,
    ])
}

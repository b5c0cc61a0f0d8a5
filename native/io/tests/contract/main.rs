//! One contract, three engines: every test here runs over `uring`, `poll` and `sim`.
//!
//! A test is an async function over a [`Place`]: a runtime, a folder to write in and an address to listen on.

mod files;
mod place;
mod sockets;
mod tasks;
mod time;

pub(crate) use place::Place;

/// Makes a test per engine of each named function of a module.
macro_rules! contract {
    ($module:ident: $($name:ident),* $(,)?) => {
        mod $module {
            mod uring {
                $(#[test] fn $name() { crate::place::check(openlake_io::EngineKind::Uring, crate::$module::$name) })*
            }
            mod poll {
                $(#[test] fn $name() { crate::place::check(openlake_io::EngineKind::Poll, crate::$module::$name) })*
            }
            mod sim {
                $(#[test] fn $name() { crate::place::check(openlake_io::EngineKind::Sim, crate::$module::$name) })*
            }
        }
    };
}

mod engines {
    contract!(files:
        create_write_read_back,
        a_read_at_the_end_is_short,
        a_vector_larger_than_one_call_is_written_whole,
        buffered_files_take_any_length,
        allocate_extends_with_zeros,
        rename_replaces,
        list_is_sorted_and_remove_removes,
        missing_and_existing_are_told_apart,
        a_lock_excludes,
        many_reads_at_once,
        a_dropped_read_harms_nobody,
        space_and_info_are_believable,
    );
    contract!(sockets:
        echo,
        a_large_vector_arrives_in_order,
        an_empty_send_is_done,
        the_end_of_the_stream_is_zero,
        a_cancelled_receive_loses_nothing,
        a_cancelled_accept_loses_nothing,
        refused,
        shutdown_ends_a_pending_receive,
        sending_to_a_closed_peer_fails,
        both_directions_at_once,
        receive_appends,
        addresses_match,
        a_hundred_connections,
        a_detached_connection_goes_on,
    );
    contract!(time:
        timers_fire_in_order,
        timeout_elapses_and_drops,
        timeout_passes_a_result,
        time_goes_forward,
        random_bytes_differ,
    );
    contract!(tasks:
        tasks_run_in_order_of_their_start,
        yield_lets_others_run,
        a_thousand_tasks_meet,
        a_channel_wakes_a_task,
        a_post_runs_on_the_runtime,
        spawn_inside_a_task,
    );
}

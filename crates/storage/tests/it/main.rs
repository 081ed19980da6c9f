//! What every store must do, one case a promise, run on each backend; then what concerns one of them
//! alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod backend;
mod copy;
mod counters;
mod entities;
mod glances;
mod lists;
mod migrations;
mod pending;
mod people;
mod postgres;
mod sample;
mod schemas;
mod sqlite;
mod sweeps;
mod tenants;
mod transactions;
mod versions;
mod writer;

/// Makes a test of every case: `backend` runs it on a fresh store.
macro_rules! conformance {
    ($backend:path) => {
        conformance! { $backend;
            counters::numbers_come_in_rows_and_never_twice,
            counters::a_raised_counter_skips_what_was_given,
            counters::concurrent_takers_get_different_numbers,
            entities::organizations,
            entities::values_made_ahead_count_only_if_they_are_the_same,
            entities::organization_ids_stay_spent,
            entities::customers,
            entities::products_in_pages,
            entities::memberships,
            entities::links_of_what_is_new,
            entities::members_added_at_once_are_all_there,
            entities::entitlements,
            entities::fields_and_their_stamp,
            entities::unique_indexes_have_the_last_word,
            entities::changing_what_is_not_there,
            entities::ids_with_a_nul_find_nothing,
            entities::facts_of_customers,
            entities::customers_by_their_values,
            glances::show_what_reads_find,
            glances::show_nothing_that_is_gone,
            lists::walks_go_on_where_a_page_ended,
            lists::a_place_that_is_no_more_is_still_a_place,
            lists::values_and_links_are_found,
            lists::rows_leave_out_what_is_hidden,
            lists::a_member_is_removed_once,
            versions::what_is_shown_otherwise_has_another_version,
            sweeps::of_an_organization,
            sweeps::of_a_customer,
            sweeps::of_a_product,
            sweeps::of_a_field,
            sweeps::wait_in_line,
            sweeps::two_servers_may_sweep_the_same,
            sweeps::of_a_field_lose_no_other_value,
            tenants::found_by_cloud_id_and_listed,
            tenants::made_at_once_have_numbers_of_their_own,
            tenants::tokens,
            tenants::many_tasks_hide_nobodys,
            tenants::nobody_sees_or_touches_another,
            transactions::what_is_refused_leaves_nothing,
            transactions::a_read_is_one_snapshot,
            transactions::many_at_once_are_all_kept,
            transactions::what_was_written_is_there_after_reopening,
        }
    };
    ($backend:path; $($room:ident::$case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() {
                $backend(crate::$room::$case);
            }
        )+
    };
}

mod on_sqlite {
    conformance!(crate::backend::sqlite);
    // One writer thread runs units one after another and commits them in groups: what lies between two
    // units, and between a unit and its group's commit, exists there alone. On PostgreSQL each unit is a
    // transaction on a connection of its own: see the room `postgres`.
    conformance! { crate::backend::sqlite;
        writer::a_refused_unit_leaves_nothing_and_its_neighbours_stay,
        writer::a_refusal_before_any_change_makes_nobody_run_again,
        writer::a_panicking_unit_leaves_nothing_and_its_neighbours_stay,
        writer::a_unit_that_waits_is_refused,
        writer::answers_come_after_the_commit,
        writer::a_unit_sees_its_neighbours_before_it,
        writer::a_caller_that_leaves_changes_nothing,
        writer::more_writes_than_fit_are_refused,
        writer::a_flood_of_one_tenant_waits_behind_anothers_write,
    }
}

mod on_postgres {
    conformance!(crate::backend::postgres);
}

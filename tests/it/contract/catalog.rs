//! The contract of `Catalog`: one case for each row of the table of events against records, named after its row.
//!
//! These cases check the record, the condition and the write. The worker's tests check the message.

mod entering;
mod image;
mod records;
mod settling;

pub(crate) use entering::*;
pub(crate) use records::*;
pub(crate) use settling::*;

/// Calls `$each!` with the port's name and all cases.
macro_rules! for_each_catalog_case {
    ($each:ident) => {
        $each! { catalog:
            an_upload_asked_for_makes_a_record_and_only_one,
            an_event_without_a_record_claims_and_creates_it,
            an_event_claims_a_record_that_waits_for_its_upload,
            a_newer_sequencer_preempts_any_status_and_any_lease,
            an_older_sequencer_changes_nothing,
            the_same_sequencer_of_a_final_image_is_a_duplicate,
            the_same_sequencer_by_another_message_waits_for_a_live_lease,
            the_same_sequencer_by_another_message_takes_over_a_lease_that_is_over,
            the_same_sequencer_by_another_message_takes_over_a_released_claim,
            the_same_message_takes_over_its_own_dead_claim,
            the_same_message_fails_its_own_dead_claim_as_killed,
            the_same_message_retries_what_it_released,
            the_same_message_leaves_a_failed_image_alone,
            a_redrive_takes_a_failed_image_up_again,
            the_same_sequencer_with_another_source_is_refused,
            the_same_bytes_with_a_newer_sequencer_are_a_new_version,
            no_sequencer_and_no_record_claims,
            no_sequencer_keeps_out_of_a_record_that_came_meanwhile,
            no_sequencer_claims_the_record_as_it_was_seen,
            an_object_that_is_gone_fails_the_image,
            an_object_that_is_gone_leaves_older_and_final_records_alone,
            a_header_that_says_no_rejects_the_image,
            corrupt_found_while_rendering_rejects_what_is_held,
            delivered_thumbnails_are_published_by_the_holder,
            delivered_thumbnails_of_a_superseded_claim_are_not_published,
            a_counted_failure_releases_the_claim,
            a_counted_failure_on_the_last_receive_fails_the_image,
            a_dead_letter_seen_by_sweep_fails_the_image_as_killed,
            sweep_deletes_an_upload_that_never_came_unless_it_changed,
            a_repeated_write_recognises_itself,
            what_an_attempt_decided_stands_against_its_own_failure,
            published_thumbnails_stay_until_new_ones_are_published,
            of_many_claims_at_once_one_is_written,
            of_many_records_at_once_one_is_created,
            fields_of_other_builds_are_kept,
            a_record_of_a_newer_schema_admits_nothing,
            a_reason_that_older_builds_do_not_know_is_left_to_newer_ones,
            a_scan_gives_every_record,
            a_scan_goes_on_after_a_page_of_a_thousand,
            delete_may_be_repeated,
        }
    };
}
pub(crate) use for_each_catalog_case;

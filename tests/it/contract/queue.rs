//! The contract of `Queue`: redelivery, receive counts, dead letters, and old receipts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use darkroom::ports::queue::{Message, Queue, Receipt};
use darkroom::ports::{ErrorKind, PortError};
use tokio::time::Instant;

use super::{Fixture, Queues};

/// Calls `$each!` with the port's name and all cases.
macro_rules! for_each_queue_case {
    ($each:ident) => {
        $each! { queue:
            a_message_is_hidden_while_its_lease_runs,
            a_message_comes_back_when_its_lease_is_over,
            the_body_arrives_as_it_was_sent,
            an_empty_queue_answers_after_the_wait,
            a_waiting_receive_wakes_on_a_send,
            a_waiting_receive_wakes_when_a_lease_runs_out,
            a_receive_gives_at_most_what_was_asked_for,
            concurrent_receivers_share_the_messages,
            the_poll_after_the_last_receive_moves_a_message_to_the_dead_letters,
            a_released_message_counts_its_receives_up_to_the_dead_letters,
            a_dead_letter_stays_however_often_it_is_received,
            extend_hides_a_message_from_now_on,
            extend_of_a_replaced_receipt_loses_the_lease,
            extend_of_a_deleted_message_loses_the_lease,
            release_makes_a_message_visible_at_once,
            release_delays_each_message_by_its_own_time,
            release_of_a_replaced_receipt_changes_nothing,
            delete_removes_a_message_for_ever,
            delete_may_be_repeated,
            delete_works_until_the_message_is_received_again,
            delete_of_a_replaced_receipt_is_ok_and_deletes_nothing,
            batches_of_any_size_answer_each_receipt_in_order,
            attributes_tell_depths_and_rules,
            attributes_tell_the_age_of_the_oldest_message_or_nothing,
        }
    };
}
pub(crate) use for_each_queue_case;

/// Short, because emulators use real time; at least two seconds, because SQS counts whole seconds.
const LEASE: Duration = Duration::from_secs(3);
const ONE_SECOND: Duration = Duration::from_secs(1);
const NOW: Duration = Duration::ZERO;

async fn receive_one(queue: &dyn Queue, visibility: Duration) -> Message {
    let mut messages = queue.receive(1, 5 * ONE_SECOND, visibility).await.unwrap();
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

/// Polls for a second; returns whether there was no message.
async fn is_empty(queue: &dyn Queue) -> bool {
    queue.receive(1, ONE_SECOND, LEASE).await.unwrap().is_empty()
}

/// Receives until it has `count` messages.
async fn receive_all(queue: &dyn Queue, count: usize, visibility: Duration) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        let messages = queue.receive(10, 5 * ONE_SECOND, visibility).await.unwrap();
        assert!(!messages.is_empty(), "{} of {count} messages", all.len());
        all.extend(messages);
    }
    all
}

fn receipts(messages: &[Message]) -> Vec<Receipt> {
    messages.iter().map(|message| message.receipt.clone()).collect()
}

fn kinds(answers: Vec<Result<(), PortError>>) -> Vec<Result<(), ErrorKind>> {
    answers.into_iter().map(|answer| answer.map_err(|error| error.kind)).collect()
}

async fn extend(queue: &dyn Queue, message: &Message, visibility: Duration) -> Result<(), ErrorKind> {
    kinds(queue.extend(std::slice::from_ref(&message.receipt), visibility).await).remove(0)
}

async fn release(queue: &dyn Queue, message: &Message, delay: Duration) -> Result<(), ErrorKind> {
    kinds(queue.release(&[(message.receipt.clone(), delay)]).await).remove(0)
}

async fn delete(queue: &dyn Queue, message: &Message) -> Result<(), ErrorKind> {
    kinds(queue.delete(std::slice::from_ref(&message.receipt)).await).remove(0)
}

/// Receives a message twice; returns it as the first and as the second receive got it.
async fn received_twice(queue: &dyn Queue) -> (Message, Message) {
    queue.send("twice").await.unwrap();
    let first = receive_one(queue, LEASE).await;
    release(queue, &first, NOW).await.unwrap();
    let second = receive_one(queue, LEASE).await;
    assert_ne!(first.receipt, second.receipt);
    (first, second)
}

pub(crate) async fn a_message_is_hidden_while_its_lease_runs(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let id = queue.send("hello").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    assert_eq!((message.id, message.receive_count), (id, 1));
    assert!(is_empty(&*queue).await);
}

pub(crate) async fn a_message_comes_back_when_its_lease_is_over(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("hello").await.unwrap();
    let first = receive_one(&*queue, LEASE).await;
    fixture.let_time_pass(LEASE + ONE_SECOND).await;
    let second = receive_one(&*queue, LEASE).await;
    assert_eq!(second.id, first.id);
    assert_eq!(second.body, "hello");
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
    assert_ne!(second.receipt, first.receipt);
    assert_eq!((second.sent_at, second.first_received_at), (first.sent_at, first.first_received_at));
    assert!(first.sent_at <= first.first_received_at);
}

pub(crate) async fn the_body_arrives_as_it_was_sent(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let bodies = [
        r#"{"Records":[{"s3":{"object":{"key":"a+b%2Bc"}}}]}"#.to_owned(),
        "käse 写真 \u{1f4f7} \"quoted\" <tag> & \\ \t line\nline".to_owned(),
        "x".repeat(60_000),
    ];
    for body in &bodies {
        queue.send(body).await.unwrap();
        let message = receive_one(&*queue, LEASE).await;
        assert_eq!(&message.body, body);
        delete(&*queue, &message).await.unwrap();
    }
}

pub(crate) async fn an_empty_queue_answers_after_the_wait(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let start = Instant::now();
    assert!(queue.receive(10, 2 * ONE_SECOND, LEASE).await.unwrap().is_empty());
    let waited = start.elapsed();
    assert!(waited >= ONE_SECOND && waited < 10 * ONE_SECOND, "{waited:?}");
}

pub(crate) async fn a_waiting_receive_wakes_on_a_send(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let start = Instant::now();
    let send = async {
        fixture.let_time_pass(ONE_SECOND).await;
        queue.send("wake up").await.unwrap();
    };
    let (messages, ()) = tokio::join!(queue.receive(10, 20 * ONE_SECOND, LEASE), send);
    assert_eq!(messages.unwrap().len(), 1);
    assert!(start.elapsed() < 10 * ONE_SECOND, "{:?}", start.elapsed());
}

pub(crate) async fn a_waiting_receive_wakes_when_a_lease_runs_out(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("again").await.unwrap();
    receive_one(&*queue, LEASE).await;
    let start = Instant::now();
    let messages = queue.receive(10, 20 * ONE_SECOND, LEASE).await.unwrap();
    assert_eq!(messages[0].receive_count, 2);
    assert!(start.elapsed() < 10 * ONE_SECOND, "{:?}", start.elapsed());
}

pub(crate) async fn a_receive_gives_at_most_what_was_asked_for(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    for number in 0..12 {
        queue.send(&number.to_string()).await.unwrap();
    }
    let two = queue.receive(2, ONE_SECOND, LEASE).await.unwrap();
    assert!((1..=2).contains(&two.len()), "{}", two.len());
    let many = queue.receive(1000, ONE_SECOND, LEASE).await.unwrap();
    assert!((1..=10).contains(&many.len()), "{}", many.len());
}

pub(crate) async fn concurrent_receivers_share_the_messages(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    for number in 0..40 {
        queue.send(&number.to_string()).await.unwrap();
    }
    let lease = 60 * ONE_SECOND;
    let share = || receive_all(&*queue, 10, lease);
    let (one, two, three) = tokio::join!(share(), share(), share());
    let all: Vec<_> = [one, two, three].concat();
    let ids: HashSet<_> = all.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), all.len(), "a message was given to two receivers");
    assert!(all.iter().all(|message| message.receive_count == 1));
}

pub(crate) async fn the_poll_after_the_last_receive_moves_a_message_to_the_dead_letters(fixture: &dyn Fixture) {
    let Queues { queue, dead_letters } = fixture.queue(2).await;
    let id = queue.send("poison").await.unwrap();
    for count in 1..=2 {
        let message = receive_one(&*queue, LEASE).await;
        assert_eq!((&message.id, message.receive_count), (&id, count));
        fixture.let_time_pass(LEASE + ONE_SECOND).await;
    }
    assert!(is_empty(&*queue).await);
    let dead = receive_one(&*dead_letters, LEASE).await;
    assert_eq!((dead.id, dead.body), (id, "poison".to_owned()));
    assert!(is_empty(&*queue).await);
}

pub(crate) async fn a_released_message_counts_its_receives_up_to_the_dead_letters(fixture: &dyn Fixture) {
    let Queues { queue, dead_letters } = fixture.queue(3).await;
    let id = queue.send("poison").await.unwrap();
    for count in 1..=3 {
        let message = receive_one(&*queue, LEASE).await;
        assert_eq!(message.receive_count, count);
        release(&*queue, &message, NOW).await.unwrap();
    }
    assert!(is_empty(&*queue).await);
    assert_eq!(receive_one(&*dead_letters, LEASE).await.id, id);
}

pub(crate) async fn a_dead_letter_stays_however_often_it_is_received(fixture: &dyn Fixture) {
    let Queues { queue, dead_letters } = fixture.queue(1).await;
    let id = queue.send("poison").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    release(&*queue, &message, NOW).await.unwrap();
    assert!(is_empty(&*queue).await);
    for _ in 0..4 {
        let dead = receive_one(&*dead_letters, LEASE).await;
        assert_eq!(dead.id, id);
        release(&*dead_letters, &dead, NOW).await.unwrap();
    }
    let dead = receive_one(&*dead_letters, LEASE).await;
    delete(&*dead_letters, &dead).await.unwrap();
    assert!(is_empty(&*dead_letters).await);
}

pub(crate) async fn extend_hides_a_message_from_now_on(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("long work").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    fixture.let_time_pass(ONE_SECOND).await;
    extend(&*queue, &message, 2 * LEASE).await.unwrap();
    fixture.let_time_pass(LEASE).await;
    assert!(is_empty(&*queue).await, "the first lease would be over");
    fixture.let_time_pass(LEASE).await;
    assert_eq!(receive_one(&*queue, LEASE).await.receive_count, 2);
}

pub(crate) async fn extend_of_a_replaced_receipt_loses_the_lease(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let (first, second) = received_twice(&*queue).await;
    assert_eq!(extend(&*queue, &first, 2 * LEASE).await, Err(ErrorKind::LeaseLost));
    assert_eq!(extend(&*queue, &second, 2 * LEASE).await, Ok(()));
}

pub(crate) async fn extend_of_a_deleted_message_loses_the_lease(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("done").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    delete(&*queue, &message).await.unwrap();
    assert_eq!(extend(&*queue, &message, LEASE).await, Err(ErrorKind::LeaseLost));
}

pub(crate) async fn release_makes_a_message_visible_at_once(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let (first, second) = received_twice(&*queue).await;
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
}

pub(crate) async fn release_delays_each_message_by_its_own_time(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    for body in ["soon", "late"] {
        queue.send(body).await.unwrap();
    }
    let messages = receive_all(&*queue, 2, 60 * ONE_SECOND).await;
    let delays = messages.iter().map(|message| {
        let delay = if message.body == "soon" { 2 * ONE_SECOND } else { 8 * ONE_SECOND };
        (message.receipt.clone(), delay)
    });
    for answer in queue.release(&delays.collect::<Vec<_>>()).await {
        answer.unwrap();
    }
    assert!(is_empty(&*queue).await);
    fixture.let_time_pass(2 * ONE_SECOND).await;
    assert_eq!(receive_one(&*queue, 60 * ONE_SECOND).await.body, "soon");
    assert!(is_empty(&*queue).await);
    fixture.let_time_pass(5 * ONE_SECOND).await;
    assert_eq!(receive_one(&*queue, 60 * ONE_SECOND).await.body, "late");
}

pub(crate) async fn release_of_a_replaced_receipt_changes_nothing(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let (first, second) = received_twice(&*queue).await;
    let answer = release(&*queue, &first, NOW).await;
    assert!(matches!(answer, Ok(()) | Err(ErrorKind::LeaseLost)), "{answer:?}");
    assert!(is_empty(&*queue).await, "it was given back by somebody who does not hold it");
    assert_eq!(extend(&*queue, &second, LEASE).await, Ok(()));
}

pub(crate) async fn delete_removes_a_message_for_ever(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("done").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    delete(&*queue, &message).await.unwrap();
    fixture.let_time_pass(LEASE + ONE_SECOND).await;
    assert!(is_empty(&*queue).await);
}

pub(crate) async fn delete_may_be_repeated(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("done").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    assert_eq!(delete(&*queue, &message).await, Ok(()));
    assert_eq!(delete(&*queue, &message).await, Ok(()));
}

pub(crate) async fn delete_works_until_the_message_is_received_again(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    queue.send("late but done").await.unwrap();
    let message = receive_one(&*queue, LEASE).await;
    fixture.let_time_pass(LEASE + ONE_SECOND).await;
    assert_eq!(delete(&*queue, &message).await, Ok(()));
    assert!(is_empty(&*queue).await);
}

pub(crate) async fn delete_of_a_replaced_receipt_is_ok_and_deletes_nothing(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let (first, second) = received_twice(&*queue).await;
    assert_eq!(delete(&*queue, &first).await, Ok(()));
    release(&*queue, &second, NOW).await.unwrap();
    assert_eq!(receive_one(&*queue, LEASE).await.receive_count, 3);
}

pub(crate) async fn batches_of_any_size_answer_each_receipt_in_order(fixture: &dyn Fixture) {
    let Queues { queue, .. } = fixture.queue(5).await;
    let lease = 60 * ONE_SECOND;
    for number in 0..23 {
        queue.send(&number.to_string()).await.unwrap();
    }
    let messages = receive_all(&*queue, 23, lease).await;
    let replaced = [0, 9, 10, 22];
    for index in replaced {
        release(&*queue, &messages[index], NOW).await.unwrap();
    }
    let again = receive_all(&*queue, replaced.len(), lease).await;
    let expected: Vec<_> =
        (0..23).map(|index| if replaced.contains(&index) { Err(ErrorKind::LeaseLost) } else { Ok(()) }).collect();
    assert_eq!(kinds(queue.extend(&receipts(&messages), lease).await), expected);
    // Deleting with an old receipt returns `Ok` and keeps the four messages that were received again.
    assert_eq!(kinds(queue.delete(&receipts(&messages)).await), vec![Ok(()); 23]);
    assert_eq!(kinds(queue.extend(&receipts(&again), lease).await), vec![Ok(()); replaced.len()]);
    let releases: Vec<_> = again.iter().map(|message| (message.receipt.clone(), NOW)).collect();
    assert_eq!(kinds(queue.release(&releases).await), vec![Ok(()); replaced.len()]);
    assert_eq!(receive_all(&*queue, replaced.len(), lease).await.len(), replaced.len());
    assert_eq!(kinds(queue.extend(&[], lease).await), vec![]);
}

pub(crate) async fn attributes_tell_depths_and_rules(fixture: &dyn Fixture) {
    let Queues { queue, dead_letters } = fixture.queue(7).await;
    for number in 0..3 {
        queue.send(&number.to_string()).await.unwrap();
    }
    receive_one(&*queue, 60 * ONE_SECOND).await;
    let attributes = queue.attributes().await.unwrap();
    assert_eq!((attributes.visible, attributes.in_flight, attributes.delayed), (2, 1, 0));
    assert_eq!(attributes.max_receives, Some(7));
    assert_eq!(dead_letters.attributes().await.unwrap().max_receives, None);
}

/// A backend that does not know the age must return none, not zero.
pub(crate) async fn attributes_tell_the_age_of_the_oldest_message_or_nothing(fixture: &dyn Fixture) {
    let Queues { queue, dead_letters } = fixture.queue(1).await;
    let age_of = async |queue: &Arc<dyn Queue>| queue.attributes().await.unwrap().oldest_age;
    let Some(of_nothing) = age_of(&queue).await else {
        queue.send("old").await.unwrap();
        assert_eq!(age_of(&queue).await, None);
        return;
    };
    assert_eq!(of_nothing, Duration::ZERO);
    queue.send("old").await.unwrap();
    fixture.let_time_pass(10 * ONE_SECOND).await;
    queue.send("new").await.unwrap();
    let is_about =
        |age: Option<Duration>, seconds: u32| age.is_some_and(|age| age.abs_diff(ONE_SECOND * seconds) < ONE_SECOND);
    assert!(is_about(age_of(&queue).await, 10));
    // A received message keeps its age.
    let old = receive_one(&*queue, LEASE).await;
    assert_eq!(old.body, "old");
    assert!(is_about(age_of(&queue).await, 10));
    // A dead letter keeps the age that it had as a message. The age of the queue is then that of its younger message.
    release(&*queue, &old, 60 * ONE_SECOND).await.unwrap();
    fixture.let_time_pass(2 * LEASE).await;
    let new = receive_one(&*queue, LEASE).await;
    assert_eq!(new.body, "new");
    delete(&*queue, &new).await.unwrap();
    fixture.let_time_pass(60 * ONE_SECOND).await;
    assert!(is_empty(&*queue).await);
    assert_eq!(age_of(&queue).await, Some(Duration::ZERO));
    let age = age_of(&dead_letters).await.unwrap();
    assert!(age > 70 * ONE_SECOND && age < 90 * ONE_SECOND, "{age:?}");
}

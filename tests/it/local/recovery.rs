//! The files that a killed process leaves, and what the next process does with them.

use std::fs::{self, File};
use std::path::PathBuf;

use super::Place;

/// The incoming folder of a killed process: its lock file exists, and no process holds the lock.
fn corner_of_a_killed_process(place: &Place, files: &[&str]) -> PathBuf {
    let corner = place.dir.path().join("incoming").join("killed");
    fs::create_dir(&corner).unwrap();
    for file in ["lock"].iter().chain(files) {
        fs::write(corner.join(file), "left").unwrap();
    }
    corner
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_being_written_is_removed() {
    let place = Place::new();
    let corner = corner_of_a_killed_process(&place, &["half"]);
    drop(place.open_again());
    assert!(!corner.exists());
}

#[tokio::test(start_paused = true)]
async fn a_file_in_its_place_without_a_row_is_removed() {
    let place = Place::new();
    let corner = corner_of_a_killed_process(&place, &["rowless"]);
    fs::hard_link(corner.join("rowless"), place.dir.path().join("objects/rowless")).unwrap();
    drop(place.open_again());
    assert!(!corner.exists());
    assert_eq!(place.objects(), Vec::<PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_row_was_committed_stays() {
    let place = Place::new();
    place.backend.put("uploads/cat", b"picture").await;
    let file = place.objects().remove(0);
    let corner = corner_of_a_killed_process(&place, &[]);
    fs::hard_link(&file, corner.join(file.file_name().unwrap())).unwrap();
    let other = place.open_again();
    assert!(!corner.exists());
    assert_eq!(other.get("uploads/cat", None).await.unwrap(), "picture");
}

#[tokio::test(start_paused = true)]
async fn a_corner_without_a_lock_was_left_by_a_start_that_was_killed() {
    let place = Place::new();
    let corner = corner_of_a_killed_process(&place, &["half"]);
    fs::remove_file(corner.join("lock")).unwrap();
    drop(place.open_again());
    assert!(!corner.exists());
}

#[tokio::test(start_paused = true)]
async fn what_a_living_process_writes_is_left_alone() {
    let place = Place::new();
    let corner = corner_of_a_killed_process(&place, &["being-written"]);
    let lock = File::open(corner.join("lock")).unwrap();
    lock.lock().unwrap();
    drop(place.open_again());
    assert!(corner.join("being-written").exists());
    drop(lock);
    drop(place.open_again());
    assert!(!corner.exists());
}

#[tokio::test(start_paused = true)]
async fn files_whose_rows_are_gone_are_removed_when_the_process_was_killed_before_it_could() {
    let place = Place::new();
    let database = rusqlite::Connection::open(place.dir.path().join("darkroom.db")).unwrap();
    database.execute("INSERT INTO garbage (file) VALUES ('gone'), ('never-there')", []).unwrap();
    fs::write(place.dir.path().join("objects/gone"), "left").unwrap();
    drop(place.open_again());
    assert_eq!(place.objects(), Vec::<PathBuf>::new());
    let left: u32 = database.query_row("SELECT count(*) FROM garbage", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_takes_its_corner_along() {
    let place = Place::new();
    let corners = || fs::read_dir(place.dir.path().join("incoming")).unwrap().count();
    let other = place.open_again();
    assert_eq!(corners(), 2);
    drop(other);
    assert_eq!(corners(), 1);
}

//! A key that moves between sets stays one register, and each rule of the move is needed.

use openlake_model::set_change::{Bug, Client, explore};

const CLIENTS: [&[Client]; 4] = [
    &[Client::OldWrite, Client::NewWrite, Client::Read, Client::Read],
    &[Client::OldWrite, Client::NewDelete, Client::Read, Client::Read],
    &[Client::NewWrite, Client::NewDelete, Client::Read, Client::Read],
    &[Client::OldWrite, Client::NewWrite, Client::NewDelete, Client::Read, Client::Read],
];

#[test]
fn a_moving_key_stays_one_register() {
    let states: usize = CLIENTS
        .iter()
        .map(|clients| explore(Bug::None, clients))
        .map(|(states, good)| if good { states } else { 0 })
        .sum();
    assert_eq!(states, 323_654);
}

#[test]
fn each_rule_of_the_move_is_needed() {
    for bug in [
        Bug::NoSeal,
        Bug::MoverForce,
        Bug::TombstoneAbsent,
        Bug::NoReread,
        Bug::DeleteFirst,
        Bug::NoFreeze,
    ] {
        assert!(CLIENTS.iter().any(|clients| !explore(bug, clients).1), "{bug:?}");
    }
}

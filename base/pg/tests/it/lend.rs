//! Connections that lanes keep: whose they are, what is left open on them, and when they die.

use pg::embedded::StopMode;
use pg::{Db, Scope, Tx};

use crate::flush::{World, count, write};

async fn begun(db: &Db) -> (Tx, i32) {
    let mut tx = db.begin(Scope::nobody()).await.unwrap();
    let session = sqlx::query_scalar("select pg_backend_pid()");
    let session = session.fetch_one(tx.conn()).await.unwrap();
    (tx, session)
}

#[tokio::test]
async fn a_lane_keeps_its_connection_whether_its_work_stood_or_not() {
    let world = World::new(|settings| settings).await;
    let lane = world.db.kept(1);
    let (mut tx, first) = begun(&lane).await;
    write(&mut tx, 1).await;
    tx.commit().await.unwrap();
    let (mut tx, second) = begun(&lane).await;
    write(&mut tx, 2).await;
    tx.rollback().await.unwrap();
    let mut lent = lane.lend().await.unwrap();
    assert_eq!(count(&mut lent).await, 1);
    lent.keep();
    let (_, third) = begun(&lane).await;
    assert_eq!([first, second], [second, third]);
}

#[tokio::test]
async fn what_was_let_go_of_in_the_middle_is_undone_before_the_next_one_comes() {
    let world = World::new(|settings| settings).await;
    let lane = world.db.kept(1);
    let (mut tx, first) = begun(&lane).await;
    write(&mut tx, 1).await;
    drop(tx);
    // A statement that failed spoils its transaction, and the connection is good all the same.
    let (mut tx, second) = begun(&lane).await;
    let failed = sqlx::query("select 1 / 0").execute(tx.conn()).await;
    assert_eq!(pg::failure::sqlstate(&failed.unwrap_err()).as_deref(), Some("22012"));
    drop(tx);
    let (mut tx, third) = begun(&lane).await;
    assert_eq!(count(tx.conn()).await, 0);
    write(&mut tx, 1).await;
    tx.commit().await.unwrap();
    assert_eq!([first, second], [second, third]);
    assert_eq!(world.numbers().await, 1);
}

#[tokio::test]
async fn a_restart_costs_the_lanes_no_call_however_many_connections_they_kept() {
    let mut world = World::new(|settings| settings).await;
    let lane = world.db.kept(3);
    let all = [begun(&lane).await, begun(&lane).await, begun(&lane).await];
    for (tx, _) in all {
        tx.commit().await.unwrap();
    }
    world.cluster.stop(StopMode::Immediate).await.unwrap();
    world.cluster.restart().await.unwrap();
    let all = [begun(&lane).await, begun(&lane).await, begun(&lane).await];
    for (tx, _) in all {
        tx.commit().await.unwrap();
    }
}

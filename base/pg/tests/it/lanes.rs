//! How lanes look things up.

use pg::testdb::TestDb;
use pg::{Db, Scope};
use sqlx::{Executor, Row};

/// What a session that first meets the table while it is empty makes of a look-up of a set by key.
async fn plan(db: &Db) -> String {
    let mut tx = db.begin(Scope::nobody()).await.unwrap();
    let look = "prepare look (integer[], text[]) as
                    select * from public.found
                    where (slot, number) in (select * from unnest($1, $2)) for update";
    tx.conn().execute(look).await.unwrap();
    let explained =
        tx.conn().fetch_all("explain execute look (array[1, 2], array['a', 'b'])").await.unwrap();
    explained.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn looks_up_by_key_what_was_empty_when_it_was_planned() {
    let database = TestDb::create(&[]).await.unwrap();
    let table = "create table public.found
                     (slot integer, number text, facts text, primary key (slot, number));
                 grant select, update on public.found to commonwheel_app";
    database.owner.execute(table).await.unwrap();
    let db = &database.db;

    // The reason for it: the plan stays when the table has grown.
    let pooled = plan(db).await;
    assert!(pooled.contains("Seq Scan on found"), "{pooled}");

    let kept = plan(&db.kept(1)).await;
    assert!(kept.contains("Index Scan using found_pkey"), "{kept}");
    assert!(kept.contains("Index Cond: ((slot = unnest.unnest)"), "{kept}");
}

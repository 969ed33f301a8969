//! What the market knows of a vehicle, read for many calls at once.

use std::sync::Arc;

use base_http::{Problem, spine};
use pg::Db;
use pg::coalesce::{Coalescer, Lanes};
use production_core::frame::FrameNo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::ProductionError;
use crate::store::known::{self, Known};

/// Reads vehicles by frame number; calls that arrive together are one read.
#[derive(Clone)]
pub struct History {
    reads: Coalescer<FrameNo, Result<Known, Problem>>,
}

impl History {
    /// Starts the lanes.
    pub fn start(db: Db, cut: Lanes, tracker: &TaskTracker, stop: &CancellationToken) -> History {
        let db = Arc::new(db.kept(cut.lanes));
        let reads = Coalescer::start("history", cut, tracker, stop, move |frames: Vec<FrameNo>| {
            let db = db.clone();
            async move {
                let read = async {
                    let wanted: Vec<&FrameNo> = frames.iter().collect();
                    match read(&db, &wanted).await {
                        // A connection that died while it was idle; a second one tells whether
                        // the database is gone.
                        Err(error) if pg::failure::is_unavailable(&error) => {
                            db.doubt();
                            read(&db, &wanted).await
                        }
                        read => read,
                    }
                };
                match read.await {
                    Ok(known) => known.into_iter().map(Ok).collect(),
                    Err(error) => {
                        let problem = Problem::from(error);
                        frames.iter().map(|_| Err(problem.clone())).collect()
                    }
                }
            }
        });
        History { reads }
    }

    /// Everything known of the vehicle: policies of all insurers and kept outside answers.
    pub async fn of(&self, frame: &FrameNo) -> Result<Known, Problem> {
        self.reads.submit(frame.clone()).await.map_err(spine::not_taken)?
    }
}

async fn read(db: &Db, frames: &[&FrameNo]) -> Result<Vec<Known>, ProductionError> {
    let mut conn = db.lend().await?;
    let known = known::read(&mut conn, frames).await?;
    conn.keep();
    Ok(known)
}

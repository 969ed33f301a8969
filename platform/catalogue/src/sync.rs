//! Writing the code's functions into the register at start.

use std::collections::{BTreeMap, BTreeSet};

use base_http::Function;
use jiff::Timestamp;
use pg::{Db, Scope};

use crate::{CatalogueError, store};

/// The names of a cloud (`production`) or a product (`production.underwriting`).
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// One or two levels of a function code.
    pub code: &'static str,
    /// Chinese name.
    pub title_zh: &'static str,
    /// English name.
    pub title_en: &'static str,
}

/// Makes the register agree with the code: new functions are added, names corrected, functions the
/// code no longer has are dated as withdrawn. Safe to run by several servers at once.
pub async fn sync(
    db: &Db,
    levels: &[Level],
    functions: &[&'static Function],
    now: Timestamp,
) -> Result<(), CatalogueError> {
    let names: BTreeMap<&str, &Level> = levels.iter().map(|level| (level.code, level)).collect();
    let named = |codes: BTreeSet<&'static str>| {
        let find = |code: &str| names.get(code).copied().copied();
        let found = codes
            .into_iter()
            .map(|code| find(code).ok_or_else(|| CatalogueError::Unnamed(code.to_owned())));
        found.collect::<Result<Vec<Level>, _>>()
    };
    let clouds = named(functions.iter().map(|function| function.cloud()).collect())?;
    let products = named(functions.iter().map(|function| function.product()).collect())?;
    let by_code: BTreeMap<&str, &'static Function> =
        functions.iter().map(|function| (function.code, *function)).collect();
    let functions: Vec<&'static Function> = by_code.into_values().collect();
    let mut tx = db.begin(Scope::nobody()).await?;
    // Everyone writes in the order of codes, so servers starting together do not deadlock.
    store::upsert_clouds(&mut tx, &clouds).await?;
    store::upsert_products(&mut tx, &products).await?;
    store::upsert_functions(&mut tx, &functions, now).await?;
    tx.commit().await?;
    Ok(())
}

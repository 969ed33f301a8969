//! The committed tariffs load.
use production_rating::Tariff;
use std::path::Path;
#[test]
fn the_committed_tariffs_load() {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tariffs"));
    let errors = match Tariff::load_dir(dir) {
        Ok(_) => vec![],
        Err(errors) => errors,
    };
    for error in errors.iter().take(40) {
        eprintln!("{error}");
    }
    assert!(errors.is_empty());
}

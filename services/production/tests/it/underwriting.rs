//! From the quote to the confirm code.

use kernel::Clock;
use serde_json::json;

use crate::support::{PLATE, VIN, World, message};

#[tokio::test]
async fn a_car_is_insured_from_the_quote_to_the_confirm_code() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    assert_eq!(sale.confirmed["stage"], json!("confirmed"));
}

//! A closing beside a quote, over seeded random histories of both lines: the quote is one of the two
//! serial answers, as if the closing came after it or before it.

use std::sync::Arc;

use base_http::Caller;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids};
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, message, noon, word};

/// Throws by a seed.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn seeded(seed: u64) -> Dice {
        Dice(Ids::seeded(seed).bytes::<128>().to_vec().into_iter())
    }

    /// One of `0..sides`.
    fn of(&mut self, sides: u8) -> u8 {
        self.0.next().unwrap() % sides
    }

    fn insurer<'a>(&mut self, world: &'a World) -> &'a Arc<Caller> {
        if self.of(2) == 0 { &world.picc } else { &world.cpic }
    }

    /// Midday of a day of a policy year that began in March.
    fn day(&mut self, year: i16) -> Timestamp {
        noon(year, 4 + i8::try_from(self.of(8)).unwrap(), 1 + i8::try_from(self.of(28)).unwrap())
    }
}

/// Compulsory cover, own damage and third party, from tomorrow.
fn both_lines(now: Timestamp) -> Value {
    let mut body = message(now, VIN, PLATE);
    body["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "80000.00" },
        { "coverageCode": "M02", "limitAmount": "1000000.00" } ]);
    body
}

/// A case all but closed: of the compulsory policy for the other vehicle, of the commercial one for the
/// own.
async fn adjusted(world: &World, mut story: Story, commercial: bool) -> Story {
    let done_at = story.accident_at.checked_add(SignedDuration::from_hours(9)).unwrap();
    world.clock.set(world.clock.now().max(done_at));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    let (liability, amount, covers) = match commercial {
        false => ("2", "2000.00", property("2000.00")),
        true => (
            "1",
            "3000.00",
            json!([{ "coverageCode": "M01", "feeKind": "1", "item": 1, "liabilityRate": "100",
                "loss": "3000.00", "amount": "3000.00" }]),
        ),
    };
    for (step, body) in [
        ("survey", story.survey(liability)),
        ("register", story.registration()),
        ("assess", story.assessment("3000.00", "8000.00")),
        ("documents", story.documents()),
        ("adjust", story.adjustment("AD-1", amount, covers)),
    ] {
        world
            .step(&story, step, &body)
            .await
            .unwrap_or_else(|problem| panic!("{step}: {} {:?}", problem.detail, problem.errors));
    }
    story
}

fn closing(story: &Story, commercial: bool) -> Value {
    match commercial {
        false => story.closing("CL-1", "2000.00", "2"),
        true => story.closing("CL-1", "3000.00", "1"),
    }
}

/// No-claim level, compulsory and commercial premium.
fn answer(quoted: &Value) -> (i64, String, String) {
    (
        quoted["rating"]["commercial"]["ncd"]["level"].as_i64().unwrap(),
        word(quoted, "/rating/compulsory/premium"),
        word(quoted, "/rating/commercial/premium"),
    )
}

#[tokio::test]
async fn a_quote_beside_a_closing_is_one_of_the_two_serial_answers() {
    let mut moved = [0, 0];
    for seed in 0..10 {
        let world = World::new().await;
        let mut dice = Dice::seeded(seed);
        let years = 1 + i16::from(dice.of(3));
        let mut reports = 0;
        let mut last = None;
        for year in 2025..2025 + years {
            world.clock.set(noon(year, 3, 1).max(world.clock.now()));
            let insurer = dice.insurer(&world);
            let sale = world.insure(insurer, &both_lines(world.clock.now())).await;
            let policies = [sale.compulsory.unwrap(), sale.commercial.unwrap()];
            for _ in 0..dice.of(3) {
                let commercial = dice.of(2) == 1;
                reports += 1;
                let policy = &policies[usize::from(commercial)];
                let at = dice.day(year);
                let story = Story::new(insurer, policy, &format!("R-{reports}"), at);
                let story = adjusted(&world, story, commercial).await;
                let closed = closing(&story, commercial);
                world.step(&story, "close", &closed).await.unwrap();
                let payment = story.payment("PY-1", &word(&closed, "/total"));
                world.step(&story, "pay", &payment).await.unwrap();
            }
            last = Some((insurer, policies));
        }
        let (insurer, policies) = last.unwrap();
        let commercial = seed % 2 == 1;
        let policy = &policies[usize::from(commercial)];
        let story = Story::new(insurer, policy, "R-0", dice.day(2024 + years));
        let story = adjusted(&world, story, commercial).await;
        world.clock.set(noon(2025 + years, 3, 1));
        let body = both_lines(world.clock.now());
        let asker = dice.insurer(&world);
        let before = answer(&world.quote(asker, &body).await.unwrap());
        let closed = closing(&story, commercial);
        let close = world.step(&story, "close", &closed);
        let quote = world.quote(asker, &body);
        let (closed, quoted) = if dice.of(2) == 0 {
            tokio::join!(close, quote)
        } else {
            let (quoted, closed) = tokio::join!(quote, close);
            (closed, quoted)
        };
        closed.unwrap();
        let beside = answer(&quoted.unwrap());
        let after = answer(&world.quote(asker, &body).await.unwrap());
        assert!(
            beside == before || beside == after,
            "seed {seed}: {beside:?} is neither {before:?} nor {after:?}"
        );
        moved[usize::from(commercial)] += usize::from(before != after);
    }
    // Closings that change nothing would show nothing.
    assert!(moved[0] > 0 && moved[1] > 0, "{moved:?}");
}

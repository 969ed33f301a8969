//! The law's clocks of a claim around public holidays: National Day 2026, Thursday 1 to Thursday 8
//! October, after which Friday the 9th is worked.

use kernel::Clock;
use production::lookup::claims::ClaimListQuery;
use serde_json::{Value, json};

use crate::claim_reading::{claim, claims, column, insured, reported};
use crate::claim_story::Story;
use crate::support::{PLATE, VIN, World, noon, word};

const NATIONAL_DAY: &str = "2026-10-01..2026-10-08";
/// The end of Friday 9 October in China.
const FRIDAY_ENDS: &str = "2026-10-09T16:00:00Z";

/// Cases of one policy in Jiangsu, told of on Wednesday 30 September: their documents are to be named
/// on the one day after it.
struct Told {
    world: World,
    stories: Vec<Story>,
}

impl Told {
    async fn new(world: World, reports: &[&str]) -> Told {
        let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
        let mut stories = Vec::new();
        for report_no in reports {
            let accident_at = noon(2026, 9, 30);
            let mut story = Story::new(&world.picc, &confirm_code, report_no, accident_at);
            reported(&world, &mut story, json!({})).await;
            stories.push(story);
        }
        Told { world, stories }
    }

    /// Report numbers of the cases listed as overdue.
    async fn overdue(&self, as_of: Option<&str>) -> String {
        let as_of = as_of.map(str::to_owned);
        let asked = ClaimListQuery { overdue: Some(true), as_of, ..Default::default() };
        column(&claims(&self.world, &self.world.picc, asked).await, "items", "reportNo").join(" ")
    }

    /// The first clock of a case: state and end.
    async fn first_clock(&self, place: usize, as_of: Option<&str>) -> (String, String) {
        let code = self.stories[place].claim_code.as_str();
        let read = claim(&self.world, &self.world.picc, code, as_of).await.unwrap();
        assert_eq!(read["clocks"][0]["duty"], json!("documentList"));
        (word(&read, "/clocks/0/state"), word(&read, "/clocks/0/dueAt"))
    }

    /// Registers a case and names its documents now.
    async fn documented(&self, place: usize) -> Value {
        let (world, story) = (&self.world, &self.stories[place]);
        world.step(story, "survey", &story.survey("2")).await.unwrap();
        world.step(story, "register", &story.registration()).await.unwrap();
        let now = world.clock.now().to_string();
        let named = json!({ "listedAt": now, "completeAt": now,
            "documents": [{ "name": "索赔申请书", "kind": "claimApplication" }] });
        world.step(story, "documents", &story.other("DC-1", named)).await.unwrap()
    }
}

fn clock(state: &str, due: &str) -> (String, String) {
    (state.to_owned(), due.to_owned())
}

#[tokio::test]
async fn no_duty_falls_due_on_a_public_holiday_and_next_years_list_makes_none_late() {
    let world = World::new().await;
    world.clock.set(noon(2026, 9, 1));
    world.set_parameter("rest_days", "320000", NATIONAL_DAY).await;
    let told = Told::new(world, &["R-1", "R-2"]).await;
    assert_eq!(told.first_clock(0, None).await, clock("running", FRIDAY_ENDS));

    // The documents of one case are named on the 9th; five days to decide end on Wednesday 14th.
    told.world.clock.set(noon(2026, 10, 9));
    assert_eq!(told.overdue(None).await, "");
    let documented = told.documented(0).await;
    assert_eq!(documented["nextDueAt"], json!("2026-10-14T16:00:00Z"));

    told.world.clock.set(noon(2026, 10, 10));
    told.world.set_parameter("rest_days", "320000", "2027-01-01").await;
    assert_eq!(told.first_clock(0, None).await, clock("met", FRIDAY_ENDS));
    assert_eq!(told.first_clock(1, None).await, clock("overdue", FRIDAY_ENDS));
    assert_eq!(told.overdue(None).await, "R-2");
    assert_eq!(told.overdue(Some("2026-10-09T23:59:59+08:00")).await, "");
}

#[tokio::test]
async fn a_report_is_answered_with_the_end_of_its_clock_by_the_holidays_of_its_region() {
    let world = World::new().await;
    world.clock.set(noon(2026, 9, 1));
    // The list of another region is none of ours.
    world.set_parameter("rest_days", "330000", NATIONAL_DAY).await;
    let told = Told::new(world, &["R-1"]).await;
    let thursday_ends = "2026-10-01T16:00:00Z";
    assert_eq!(told.first_clock(0, None).await, clock("running", thursday_ends));
    told.world.set_parameter("rest_days", "320000", NATIONAL_DAY).await;
    let confirm_code = told.stories[0].confirm_code.clone();
    let mut story = Story::new(&told.world.picc, &confirm_code, "R-2", noon(2026, 9, 30));
    let report = story.report();
    let answered = told.world.report(&mut story, &report).await.unwrap();
    assert_eq!(answered["nextDueAt"], json!(FRIDAY_ENDS));
}

#[tokio::test]
async fn holidays_listed_late_are_made_up_for_and_what_was_shown_is_shown_again() {
    let world = World::new().await;
    world.clock.set(noon(2026, 9, 1));
    let told = Told::new(world, &["R-1"]).await;
    let (thursday_ends, saturday) = ("2026-10-01T16:00:00Z", "2026-10-03");
    told.world.clock.set(noon(2026, 10, 3));
    assert_eq!(told.first_clock(0, None).await, clock("overdue", thursday_ends));
    assert_eq!(told.overdue(None).await, "R-1");

    told.world.set_parameter("rest_days", "320000", NATIONAL_DAY).await;
    assert_eq!(told.first_clock(0, None).await, clock("running", FRIDAY_ENDS));
    assert_eq!(told.overdue(None).await, "");
    assert_eq!(told.overdue(Some(saturday)).await, "R-1");
    let as_of = told.first_clock(0, Some(saturday)).await;
    assert_eq!(as_of, clock("overdue", thursday_ends));

    told.world.clock.set(noon(2026, 10, 10));
    assert_eq!(told.overdue(None).await, "R-1");
}

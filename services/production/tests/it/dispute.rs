//! Disputes of claims: opened by an insurer that quoted the vehicle, decided by the one that filed the
//! claim, and what a correction does to quotes.
//!
//! Premiums by hand, scheme E (Jiangsu): a private car costs 950 a year; one at-fault accident without
//! a death in the last year (E4) changes nothing, a clean year (E1) takes 10 percent: 855.

use std::sync::Arc;

use base_http::{Call, Caller, Problem};
use kernel::Clock;
use production::claim::dispute::decide::DecisionBody;
use production::claim::dispute::read::{DisputeListQuery, DisputeQuery};
use production::function;
use production::lookup::quotes::QuoteQuery;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, car, code, compulsory, noon, parsed, view, word};

/// CPIC's quote of 2 March 2026 counts the claim PICC filed and paid in June 2025.
pub(crate) struct Market {
    pub(crate) world: World,
    pub(crate) story: Story,
    pub(crate) query: String,
}

impl Market {
    pub(crate) async fn new() -> Market {
        let world = World::new().await;
        let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
        let confirm_code = sale.compulsory.unwrap();
        let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
        world.clock.set(noon(2026, 3, 2));
        let query = world.quoted(&world.cpic, "950.00").await;
        Market { world, story, query }
    }

    pub(crate) fn statement(&self) -> Value {
        statement(&self.query)
    }

    pub(crate) async fn dispute(&self) -> Result<Value, Problem> {
        self.world.dispute(&self.world.cpic, &self.story.claim_code, &self.statement()).await
    }
}

fn statement(query: &str) -> Value {
    json!({ "queryCode": query, "ground": "not_at_fault", "statement": "李芳当时未在现场",
        "documents": ["李芳的责任认定书.pdf"] })
}

fn upheld() -> Value {
    json!({ "decision": "upheld", "counts": false })
}

fn rejected() -> Value {
    json!({ "decision": "rejected", "reason": "责任认定书载明主责" })
}

impl World {
    /// A quote of the car by now, with its premium and its query code.
    pub(crate) async fn priced(&self, caller: &Arc<Caller>) -> (String, String) {
        let body = compulsory(self.clock.now(), VIN, PLATE);
        let quoted = self.quote(caller, &body).await.unwrap();
        (word(&quoted, "/rating/compulsory/premium"), word(&quoted, "/queryCode"))
    }

    /// Quotes the car at the premium told.
    pub(crate) async fn quoted(&self, caller: &Arc<Caller>, premium: &str) -> String {
        let (found, query) = self.priced(caller).await;
        assert_eq!(found, premium);
        query
    }

    pub(crate) async fn dispute(
        &self,
        caller: &Arc<Caller>,
        claim_code: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::CLAIM_DISPUTE);
        view(self.production.open_dispute(call, claim_code, &parsed(body)).await)
    }

    pub(crate) async fn decide(
        &self,
        caller: &Arc<Caller>,
        dispute_no: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::CLAIM_DISPUTE_DECIDE);
        let body: DecisionBody = parsed(body);
        view(self.production.decide_dispute(call, dispute_no, &body).await)
    }

    pub(crate) async fn withdraw(
        &self,
        caller: &Arc<Caller>,
        dispute_no: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::CLAIM_DISPUTE_WITHDRAW);
        view(self.production.withdraw_dispute(call, dispute_no).await)
    }

    pub(crate) async fn read_dispute(
        &self,
        caller: &Arc<Caller>,
        dispute_no: &str,
        unmask: Option<bool>,
    ) -> Result<Value, Problem> {
        let call = self.read(caller, &function::CLAIM_DISPUTE_READ);
        view(self.production.read_dispute(call, dispute_no, DisputeQuery { unmask }).await)
    }

    /// Numbers of the disputes listed, with the cursor of the next page.
    pub(crate) async fn listed(
        &self,
        caller: &Arc<Caller>,
        asked: DisputeListQuery,
    ) -> Result<(Vec<String>, Option<String>), Problem> {
        let call = self.read(caller, &function::CLAIM_DISPUTE_READ);
        let list = view(self.production.list_disputes(call, asked).await)?;
        let items = list["items"].as_array().unwrap();
        let numbers = items.iter().map(|item| word(item, "/disputeNo")).collect();
        Ok((numbers, list["next"].as_str().map(str::to_owned)))
    }

    /// Since when a quote is stale; null when it is not.
    pub(crate) async fn stale_since(&self, caller: &Arc<Caller>, query: &str) -> Value {
        let call = self.read(caller, &function::QUOTE_READ);
        let read = view(self.production.read_quote(call, query, QuoteQuery::default()).await);
        read.unwrap()["staleSince"].clone()
    }

    /// Events of the call served last.
    pub(crate) fn told(&self) -> Vec<&'static str> {
        self.served().pop().unwrap().events
    }
}

fn role(role: &str) -> DisputeListQuery {
    DisputeListQuery { role: role.to_owned(), ..DisputeListQuery::default() }
}

/// A client that may see personal data.
fn clerk(of: &Arc<Caller>) -> Arc<Caller> {
    let mut rights = of.rights.to_vec();
    rights.push("production.personal_data.read".to_owned());
    Arc::new(Caller { rights: rights.into(), ..(**of).clone() })
}

#[tokio::test]
async fn an_upheld_dispute_makes_open_quotes_stale_and_gives_the_discount_back() {
    let market = Market::new().await;
    let world = &market.world;
    let opened = market.dispute().await.unwrap();
    let dispute_no = word(&opened, "/disputeNo");
    assert!(dispute_no.starts_with("08CPIC3200"), "{dispute_no}");
    assert_eq!(dispute_no[12..17], market.story.claim_code[12..17], "the slot of the claim");
    assert_eq!(opened["state"], json!("open"));
    assert_eq!((&opened["openedBy"], &opened["answeredBy"]), (&json!("CPIC"), &json!("PICC")));
    // Opened on Monday 2 March: five working days end on Monday the 9th at 24:00 in China.
    assert_eq!(opened["answerDueAt"], json!("2026-03-09T16:00:00Z"));
    assert_eq!(world.told(), ["production.claim.dispute_opened"]);
    assert!(!opened.to_string().contains("李芳"));
    // A dispute by itself changes no price.
    assert_eq!(world.stale_since(&world.cpic, &market.query).await, Value::Null);

    world.clock.set(noon(2026, 3, 3));
    let decided = world.decide(&world.picc, &dispute_no, &upheld()).await.unwrap();
    assert_eq!((&decided["state"], &decided["counts"]), (&json!("upheld"), &json!(false)));
    assert_eq!(world.told(), ["production.claim.dispute_decided", "production.claim.corrected"]);
    assert_eq!(world.stale_since(&world.cpic, &market.query).await, json!("2026-03-03T04:00:00Z"));
    let frozen = world.pre_confirm(&world.cpic, &market.query, &json!({})).await;
    assert_eq!(code(frozen).0, "E2012");
    assert_eq!(world.named_by_refusal(), [market.story.claim_code.as_str()]);

    world.pass(1);
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.cpic, &body).await.unwrap();
    let rating = &quoted["rating"]["compulsory"];
    assert_eq!(rating["premium"], json!("855.00"));
    assert_eq!(rating["accident"]["code"], json!("E1"));
    assert_eq!(rating["claims"][0]["verdict"], json!("markedNotCounting"));
    let query = word(&quoted, "/queryCode");
    assert_eq!(world.stale_since(&world.cpic, &query).await, Value::Null);
    world.pre_confirm(&world.cpic, &query, &json!({})).await.unwrap();

    let read = world.read_dispute(&world.cpic, &dispute_no, None).await.unwrap();
    assert_eq!(read["state"], json!("upheld"));
    assert_eq!(read["decidedAt"], json!("2026-03-03T04:00:00Z"));
}

#[tokio::test]
async fn a_correction_is_a_step_of_the_claim_and_follows_its_others() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    world.pass(1);
    let body = json!({ "decision": "upheld", "atFault": false });
    world.decide(&world.picc, &dispute_no, &body).await.unwrap();
    // Eight steps were uploaded; the correction is the ninth.
    let recovered = market.story.reopening("RO-1", 9);
    let reopened = world.step(&market.story, "reopen", &recovered).await.unwrap();
    assert_eq!(reopened["sequence"], json!(10));
    // Without fault the accident is no accident of the float.
    world.pass(1);
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.cpic, &body).await.unwrap();
    let rating = &quoted["rating"]["compulsory"];
    assert_eq!(rating["claims"][0]["verdict"], json!("noFault"));
    assert_eq!(rating["premium"], json!("855.00"));
}

#[tokio::test]
async fn a_rejected_dispute_leaves_everything_as_it_was() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    world.pass(1);
    let bare = world.decide(&world.picc, &dispute_no, &json!({ "decision": "rejected" })).await;
    assert_eq!(code(bare), ("E1001", vec!["S02".to_owned()]));
    let decided = world.decide(&world.picc, &dispute_no, &rejected()).await.unwrap();
    assert_eq!(decided["reason"], json!("责任认定书载明主责"));
    assert_eq!(world.told(), ["production.claim.dispute_decided"]);
    assert_eq!(world.stale_since(&world.cpic, &market.query).await, Value::Null);
    let again = world.decide(&world.picc, &dispute_no, &upheld()).await;
    assert_eq!(code(again).0, "E2052");
    let late = world.withdraw(&world.cpic, &dispute_no).await;
    assert_eq!(code(late).0, "E2052");
    // Who has more to say says it in another one.
    let second = word(&market.dispute().await.unwrap(), "/disputeNo");
    assert_ne!(second, dispute_no);
    world.pre_confirm(&world.cpic, &market.query, &json!({})).await.unwrap();
}

#[tokio::test]
async fn who_opened_a_dispute_may_withdraw_it_and_nobody_else() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    let theirs = world.withdraw(&world.picc, &dispute_no).await;
    assert_eq!(code(theirs).0, "E2051");
    let withdrawn = world.withdraw(&world.cpic, &dispute_no).await.unwrap();
    assert_eq!(withdrawn["state"], json!("withdrawn"));
    assert_eq!(world.told(), ["production.claim.dispute_withdrawn"]);
    let decided = world.decide(&world.picc, &dispute_no, &upheld()).await;
    assert_eq!(code(decided).0, "E2052");
    market.dispute().await.unwrap();
}

#[tokio::test]
async fn a_claim_has_one_open_dispute_and_the_second_is_told_of_it() {
    let market = Market::new().await;
    let world = &market.world;
    let call = world.call(&world.cpic, &function::CLAIM_DISPUTE);
    let open = |call: Call| {
        let (production, claim_code) = (&world.production, &market.story.claim_code);
        let body = parsed(&market.statement());
        async move { production.open_dispute(call, claim_code, &body).await }
    };
    let first = open(call.clone()).await.unwrap();
    let again = open(call).await.unwrap();
    assert!(again.replayed && again.body == first.body);
    let dispute_no = word(&view(Ok(first)).unwrap(), "/disputeNo");
    let paic = world.insurer("PAIC", "320000").await;
    let query = world.quoted(&paic, "950.00").await;
    let own = market.dispute().await;
    let served = world.served().len();
    let others = world.dispute(&paic, &market.story.claim_code, &statement(&query)).await;
    // The dispute is CPIC's: only PAIC is shown what is another's.
    assert_eq!(world.served().len(), served + 1);
    assert_eq!(world.named_by_refusal(), [dispute_no.as_str()]);
    for second in [own, others] {
        let problem = second.unwrap_err();
        assert_eq!(problem.code.code, "E2050");
        let document = serde_json::to_value(problem.document(None)).unwrap();
        assert_eq!(document["dispute"], json!(dispute_no));
    }
}

#[tokio::test]
async fn of_two_disputes_opened_at_once_one_stands() {
    let market = Market::new().await;
    let paic = market.world.insurer("PAIC", "320000").await;
    let theirs = statement(&market.world.quoted(&paic, "950.00").await);
    for _ in 0..10 {
        let (first, second) = tokio::join!(
            market.dispute(),
            market.world.dispute(&paic, &market.story.claim_code, &theirs),
        );
        let (won, lost, winner) = match (first, second) {
            (Ok(won), Err(lost)) => (won, lost, &market.world.cpic),
            (Err(lost), Ok(won)) => (won, lost, &paic),
            other => panic!("{other:?}"),
        };
        assert_eq!(lost.code.code, "E2050");
        let document = serde_json::to_value(lost.document(None)).unwrap();
        assert_eq!(document["dispute"], won["disputeNo"]);
        market.world.withdraw(winner, &word(&won, "/disputeNo")).await.unwrap();
    }
}

#[tokio::test]
async fn a_dispute_does_not_exist_for_a_stranger() {
    let market = Market::new().await;
    let world = &market.world;
    let claim_code = &market.story.claim_code;
    let paic = world.insurer("PAIC", "320000").await;
    // Another's query code, and an own one of another car.
    let borrowed = world.dispute(&paic, claim_code, &market.statement()).await;
    assert_eq!(code(borrowed).0, "E2000");
    let (other_vin, other_plate) = ("LSVAM4187C2184848", "苏A54321");
    world.sandbox.load(car(other_vin, other_plate));
    let body = compulsory(world.clock.now(), other_vin, other_plate);
    let query = word(&world.quote(&paic, &body).await.unwrap(), "/queryCode");
    let unseen = world.dispute(&paic, claim_code, &statement(&query)).await;
    assert_eq!(code(unseen).0, "E2000");

    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    assert_eq!(code(world.read_dispute(&paic, &dispute_no, None).await).0, "E2000");
    assert_eq!(code(world.decide(&paic, &dispute_no, &upheld()).await).0, "E2000");
    assert_eq!(code(world.withdraw(&paic, &dispute_no).await).0, "E2000");
    for side in ["opened", "answering"] {
        assert_eq!(world.listed(&paic, role(side)).await.unwrap(), (vec![], None));
    }
}

#[tokio::test]
async fn who_opened_a_dispute_does_not_decide_it() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    for answer in [upheld(), rejected()] {
        let own = world.decide(&world.cpic, &dispute_no, &answer).await;
        assert_eq!(code(own).0, "E2051");
    }
    assert_eq!(world.stale_since(&world.cpic, &market.query).await, Value::Null);
}

#[tokio::test]
async fn a_message_is_told_everything_that_is_wrong_with_it() {
    let market = Market::new().await;
    let world = &market.world;
    let empty = world.dispute(&world.cpic, &market.story.claim_code, &json!({})).await;
    let problem = empty.unwrap_err();
    let pointers: Vec<&str> = problem.errors.iter().map(|error| &*error.pointer).collect();
    assert_eq!(pointers, ["/queryCode", "/ground", "/statement"]);
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    let bodies = [
        json!({}),
        json!({ "decision": "maybe" }),
        json!({ "decision": "upheld", "reason": "属实" }),
        json!({ "decision": "rejected", "reason": "不实", "counts": true }),
    ];
    for body in bodies {
        assert_eq!(code(world.decide(&world.picc, &dispute_no, &body).await).0, "E1001", "{body}");
    }
}

#[tokio::test]
async fn what_the_customer_says_is_read_by_both_sides_with_the_right_and_a_purpose() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    for (side, query) in [(&world.cpic, json!(market.query)), (&world.picc, Value::Null)] {
        let masked = world.read_dispute(side, &dispute_no, None).await.unwrap();
        assert_eq!((&masked["statement"], &masked["documents"]), (&Value::Null, &Value::Null));
        // A query code is good for a sale, which is nobody else's business.
        assert_eq!(masked["queryCode"], query);
        assert_eq!(code(world.read_dispute(side, &dispute_no, Some(true)).await).0, "E1101");
        let whole = world.read_dispute(&clerk(side), &dispute_no, Some(true)).await.unwrap();
        assert_eq!(whole["statement"], json!("李芳当时未在现场"));
        assert_eq!(whole["documents"], json!(["李芳的责任认定书.pdf"]));
    }
    let kept: Vec<u8> = sqlx::query_scalar("select statement_sealed from production.claim_dispute")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    let said = "李芳".as_bytes();
    assert!(!kept.windows(said.len()).any(|window| window == said));
}

#[tokio::test]
async fn an_overdue_dispute_is_shown_and_can_still_be_answered() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    let state =
        |side: &str, state: &str| DisputeListQuery { state: Some(state.to_owned()), ..role(side) };
    let overdue = || world.listed(&world.picc, state("answering", "overdue"));
    world.clock.set("2026-03-09T15:59:59Z".parse().unwrap());
    assert_eq!(overdue().await.unwrap().0, Vec::<String>::new());
    world.clock.set("2026-03-09T16:00:00Z".parse().unwrap());
    assert_eq!(overdue().await.unwrap().0, std::slice::from_ref(&dispute_no));
    let read = world.read_dispute(&world.cpic, &dispute_no, None).await.unwrap();
    assert_eq!((&read["state"], &read["overdue"]), (&json!("open"), &json!(true)));
    world.decide(&world.picc, &dispute_no, &upheld()).await.unwrap();
    assert_eq!(overdue().await.unwrap().0, Vec::<String>::new());
    let upheld = world.listed(&world.cpic, state("opened", "upheld")).await.unwrap();
    assert_eq!(upheld.0, [dispute_no]);
}

/// Opened on Monday 2 March: with the 4th a holiday, five working days end on Tuesday 10th.
#[tokio::test]
async fn an_answer_is_not_waited_for_on_holidays_listed_when_the_dispute_is_opened() {
    let market = Market::new().await;
    let world = &market.world;
    // Invented.
    world.set_parameter("rest_days", "320000", "2026-03-04").await;
    let opened = market.dispute().await.unwrap();
    assert_eq!(opened["answerDueAt"], json!("2026-03-10T16:00:00Z"));
    world.clock.set(noon(2026, 3, 3));
    world.set_parameter("rest_days", "320000", "2026-03-04..2026-03-06").await;
    let read = world.read_dispute(&world.cpic, &word(&opened, "/disputeNo"), None).await.unwrap();
    assert_eq!(read["answerDueAt"], json!("2026-03-10T16:00:00Z"));
}

#[tokio::test]
async fn the_time_to_answer_is_a_parameter_of_the_region() {
    let market = Market::new().await;
    market.world.set_parameter("claim_dispute_answer_days", "320000", "2").await;
    let opened = market.dispute().await.unwrap();
    assert_eq!(opened["answerDueAt"], json!("2026-03-04T16:00:00Z"));
}

#[tokio::test]
async fn disputes_are_listed_by_side_and_page_latest_first() {
    let market = Market::new().await;
    let world = &market.world;
    let mut opened = Vec::new();
    for _ in 0..3 {
        let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
        world.pass(1);
        world.withdraw(&world.cpic, &dispute_no).await.unwrap();
        opened.insert(0, dispute_no);
    }
    let page = |after| DisputeListQuery { limit: Some(2), after, ..role("opened") };
    let (first, next) = world.listed(&world.cpic, page(None)).await.unwrap();
    let (second, last) = world.listed(&world.cpic, page(next)).await.unwrap();
    assert_eq!((first, second, last), (opened[..2].to_vec(), opened[2..].to_vec(), None));
    assert_eq!(world.listed(&world.picc, role("answering")).await.unwrap().0, opened);
    assert_eq!(world.listed(&world.picc, role("opened")).await.unwrap().0, Vec::<String>::new());
    let wrong = world.listed(&world.cpic, role("both")).await.unwrap_err();
    assert_eq!(wrong.code.code, "E1000");
}

#[tokio::test]
async fn a_claim_without_a_closing_is_not_corrected() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2026, 3, 2));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    // An open claim may be one with fault: no discount yet.
    let query = world.quoted(&world.cpic, "950.00").await;
    let opened = world.dispute(&world.cpic, &story.claim_code, &statement(&query)).await.unwrap();
    let dispute_no = word(&opened, "/disputeNo");
    let early = world.decide(&world.picc, &dispute_no, &upheld()).await.unwrap_err();
    assert_eq!(early.code.code, "E2042");
    assert!(early.detail.contains("before its close"), "{}", early.detail);
    let read = world.read_dispute(&world.cpic, &dispute_no, None).await.unwrap();
    assert_eq!(read["state"], json!("open"));
}

#[tokio::test]
async fn a_correction_corrects_something() {
    let market = Market::new().await;
    let world = &market.world;
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    let same = json!({ "decision": "upheld", "counts": true, "atFault": true });
    let nothing = world.decide(&world.picc, &dispute_no, &same).await;
    assert_eq!(code(nothing).0, "E2053");
    world.decide(&world.picc, &dispute_no, &upheld()).await.unwrap();
}

#[tokio::test]
async fn a_closing_after_a_correction_states_the_claim_anew() {
    let market = Market::new().await;
    let (world, story) = (&market.world, &market.story);
    let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
    world.pass(1);
    world.decide(&world.picc, &dispute_no, &upheld()).await.unwrap();
    world.pass(1);
    world.quoted(&world.cpic, "855.00").await;
    // Reopened, the claim stands as it was corrected; closed anew, as the new closing says.
    world.pass(1);
    world.step(story, "reopen", &story.reopening("RO-1", 9)).await.unwrap();
    world.pass(1);
    let corrected = world.quoted(&world.cpic, "855.00").await;
    world.pass(1);
    let adjusted = story.adjustment("AD-2", "2000.00", property("2000.00"));
    world.step(story, "adjust", &adjusted).await.unwrap();
    assert_eq!(world.stale_since(&world.cpic, &corrected).await, Value::Null);
    let closing = story.other(
        "CL-2",
        json!({ "closedAt": story.after(10), "total": "2000.00",
        "insured": true, "liability": "2" }),
    );
    world.step(story, "close", &closing).await.unwrap();
    assert_ne!(world.stale_since(&world.cpic, &corrected).await, Value::Null);
    world.pass(1);
    world.quoted(&world.cpic, "950.00").await;
}

#[tokio::test]
async fn of_two_decisions_at_once_one_wins() {
    let market = Market::new().await;
    let world = &market.world;
    for _ in 0..10 {
        let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
        world.pass(1);
        let (right, wrong) = (upheld(), rejected());
        let (uphold, reject) = tokio::join!(
            world.decide(&world.picc, &dispute_no, &right),
            world.decide(&world.picc, &dispute_no, &wrong),
        );
        let read = world.read_dispute(&world.cpic, &dispute_no, None).await.unwrap();
        let won = match (uphold, reject) {
            (Ok(_), Err(lost)) | (Err(lost), Ok(_)) if lost.code.code == "E2052" => {
                word(&read, "/state")
            }
            other => panic!("{other:?}"),
        };
        let counts = json!({ "decision": "upheld", "counts": true });
        world.pass(1);
        match won.as_str() {
            "rejected" => world.quoted(&world.cpic, "950.00").await,
            "upheld" => {
                world.quoted(&world.cpic, "855.00").await;
                // Back to where it was, for the next race.
                let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
                world.decide(&world.picc, &dispute_no, &counts).await.unwrap();
                world.pass(1);
                world.quoted(&world.cpic, "950.00").await
            }
            other => panic!("{other}"),
        };
    }
}

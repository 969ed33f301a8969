//! What an act makes of a recovery code, or why it is refused.

use jiff::Timestamp;
use kernel::Fen;

use super::{
    Act, Arbitration, Arbitrator, By, Cut, LARGEST_PANEL, Life, Open, Outcome, ReviewError, Side,
    Stage,
};

impl Life {
    /// The code after an act, or why not. `sides` are the insurers of both sides.
    pub fn accept(&self, act: &Act, by: By, sides: [&str; 2]) -> Result<Life, ReviewError> {
        if !act.is_for(by.side) {
            return Err(ReviewError::NotYours { act: act.name(), side: by.side });
        }
        match (act, &self.stage) {
            (Act::Cancel { cause }, Stage::Locked) => Ok(self.moved(void(cause), by.now)),
            (Act::Start { amount, computed }, Stage::Locked) => {
                self.claim(*amount, *computed, by.now)
            }
            (Act::SettleFlat { flat }, Stage::Locked) => {
                let mut life = self.ended(flat.module, false, by);
                if let Some(outcome) = life.outcomes.last_mut() {
                    outcome.flat = Some(flat.clone());
                }
                Ok(life)
            }
            (Act::Supplement { amount, computed, .. }, Stage::Ended) => {
                self.claim(*amount, *computed, by.now)
            }
            (
                Act::State { amount, cuts, .. },
                Stage::Open(open) | Stage::Arbitration { open, .. },
            ) => self.state(open, *amount, cuts, by),
            (Act::Withdraw { cause }, Stage::Open(_)) => {
                // What was agreed before stands; only the supplement is given up.
                let next = if self.outcomes.is_empty() { void(cause) } else { Stage::Ended };
                Ok(self.moved(next, by.now))
            }
            (Act::AskArbitration { grounds }, Stage::Open(open)) => {
                if open.paying.is_none() && !by.overdue {
                    return Err(ReviewError::TooEarly);
                }
                let arbitration = Arbitration {
                    asked_by: by.side,
                    grounds: grounds.clone(),
                    asked_at: by.now,
                    panel: Vec::new(),
                    appointed_at: None,
                };
                Ok(self.moved(Stage::Arbitration { open: open.clone(), arbitration }, by.now))
            }
            (Act::Appoint { members }, Stage::Arbitration { open, arbitration })
                if arbitration.panel.is_empty() =>
            {
                panel(members, sides)?;
                let arbitration = Arbitration {
                    panel: members.clone(),
                    appointed_at: Some(by.now),
                    ..arbitration.clone()
                };
                Ok(self.moved(Stage::Arbitration { open: open.clone(), arbitration }, by.now))
            }
            (Act::Award { amount, by: standing, .. }, Stage::Arbitration { open, arbitration })
                if !arbitration.panel.is_empty() =>
            {
                award(*amount, open, standing, &arbitration.panel)?;
                Ok(self.ended(*amount, true, by))
            }
            _ => Err(ReviewError::WrongStage { act: act.name(), status: self.status().name_en() }),
        }
    }

    fn moved(&self, stage: Stage, now: Timestamp) -> Life {
        Life { stage, since: now, outcomes: self.outcomes.clone() }
    }

    /// Opens a round (rule L60).
    fn claim(&self, amount: Fen, computed: Fen, now: Timestamp) -> Result<Life, ReviewError> {
        if amount <= Fen::ZERO {
            return Err(ReviewError::Amount("claim more than nothing".to_owned()));
        }
        if computed < amount {
            return Err(ReviewError::OverComputed { amount, computed });
        }
        let open = Open {
            claimed: amount,
            recovering: amount,
            paying: None,
            cuts: Vec::new(),
            waits_for: Side::Liable,
            since: now,
        };
        Ok(self.moved(Stage::Open(open), now))
    }

    fn state(&self, open: &Open, amount: Fen, cuts: &[Cut], by: By) -> Result<Life, ReviewError> {
        let mut next = open.clone();
        next.since = by.now;
        if by.side == Side::Recovering {
            comes_down(open, amount)?;
            next.recovering = amount;
            next.waits_for = Side::Liable;
        } else {
            goes_up(open, amount)?;
            adds_up(open, amount, cuts)?;
            next.paying = Some(amount);
            next.cuts = cuts.to_vec();
            next.waits_for = Side::Recovering;
        }
        if next.paying == Some(next.recovering) {
            return Ok(self.ended(amount, false, by));
        }
        let stage = match &self.stage {
            Stage::Arbitration { arbitration, .. } => {
                Stage::Arbitration { open: next, arbitration: arbitration.clone() }
            }
            _ => Stage::Open(next),
        };
        // Where it stands did not change; who is waited for did.
        let since = if self.arbitration().is_some() { self.since } else { by.now };
        Ok(self.moved(stage, since))
    }

    fn ended(&self, amount: Fen, awarded: bool, by: By) -> Life {
        let mut life = self.moved(Stage::Ended, by.now);
        let item_id = (Fen::ZERO < amount).then_some(by.item_id);
        let (round, at) = (self.round(), by.now);
        life.outcomes.push(Outcome { round, amount, awarded, at, flat: None, item_id });
        life
    }
}

fn void(cause: &str) -> Stage {
    Stage::Void { cause: cause.to_owned() }
}

/// The recovering side only comes down, and not below what it is offered.
fn comes_down(open: &Open, amount: Fen) -> Result<(), ReviewError> {
    let floor = open.paying.unwrap_or(Fen::ZERO);
    if floor <= amount && amount < open.recovering {
        return Ok(());
    }
    Err(ReviewError::Apart(format!(
        "stand by less than {} and no less than the {floor} the other side stands by",
        open.recovering
    )))
}

/// The liable side only goes up, and not beyond what is asked.
fn goes_up(open: &Open, amount: Fen) -> Result<(), ReviewError> {
    let more = open.paying.is_none_or(|paying| paying < amount);
    if more && Fen::ZERO <= amount && amount <= open.recovering {
        return Ok(());
    }
    let floor = open.paying.unwrap_or(Fen::ZERO);
    Err(ReviewError::Apart(format!(
        "stand by more than {floor} said before and by at most the {} asked for",
        open.recovering
    )))
}

/// Every yuan asked for and not stood by has a reason.
fn adds_up(open: &Open, amount: Fen, cuts: &[Cut]) -> Result<(), ReviewError> {
    let missing = Fen(open.recovering.0 - amount.0);
    let sum = Fen::sum(cuts.iter().map(|cut| cut.amount));
    let positive = cuts.iter().all(|cut| Fen::ZERO < cut.amount);
    if positive && sum == Some(missing) {
        return Ok(());
    }
    Err(ReviewError::Apart(format!(
        "give reasons for the {missing} between the {} asked for and the {amount} stood by",
        open.recovering
    )))
}

fn panel(members: &[Arbitrator], sides: [&str; 2]) -> Result<(), ReviewError> {
    let refuse = |detail: &str| Err(ReviewError::Panel(detail.to_owned()));
    if members.len().is_multiple_of(2) || members.len() > LARGEST_PANEL {
        return refuse("appoint an odd number of arbitrators, at most seven");
    }
    if members.iter().any(|member| sides.contains(&member.insurer.as_str())) {
        return refuse("an arbitrator comes from neither side's insurer");
    }
    let twice =
        |at: usize| members[..at].iter().any(|other| other.register_no == members[at].register_no);
    if (0..members.len()).any(twice) {
        return refuse("an arbitrator is there twice");
    }
    Ok(())
}

/// An award lies between what the sides stand by, and more than half of the panel stands by it.
fn award(
    amount: Fen,
    open: &Open,
    standing: &[String],
    panel: &[Arbitrator],
) -> Result<(), ReviewError> {
    let floor = open.paying.unwrap_or(Fen::ZERO);
    if amount < floor || open.recovering < amount {
        return Err(ReviewError::Amount(format!(
            "award between the {floor} and the {} the sides stand by",
            open.recovering
        )));
    }
    let stands = |member: &&Arbitrator| standing.contains(&member.register_no);
    let known = |no: &String| panel.iter().any(|member| member.register_no == *no);
    if !standing.iter().all(known) || panel.iter().filter(stands).count() * 2 <= panel.len() {
        let detail = "more than half of the panel, and nobody else, stands by an award";
        return Err(ReviewError::Panel(detail.to_owned()));
    }
    Ok(())
}

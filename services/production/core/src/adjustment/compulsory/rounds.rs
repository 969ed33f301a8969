//! Several losses against several limits, in rounds, by position alone.

use kernel::Fen;

/// What was shared out.
pub(super) struct Shared {
    /// By loss, then by limit.
    pub(super) paid: Vec<Vec<Fen>>,
    /// What each limit was asked for and granted, round by round.
    pub(super) grants: Vec<Grant>,
}

/// What one limit granted in one round.
pub(super) struct Grant {
    /// From 1.
    pub(super) round: usize,
    pub(super) vehicle: usize,
    pub(super) asked: Fen,
    pub(super) granted: Fen,
}

/// Covers `losses` out of `limits` as far as they `answer` (by loss, then by limit).
///
/// In a round every open loss is spread over the limits that answer and are not used up, by their
/// full size; a limit asked for more than it has left is shared by what is asked. A round without a
/// limit used up covers everything it spread, so there are at most as many rounds as limits, and
/// one more. Losses and limits are not negative and their sums fit.
pub(super) fn rounds(losses: &[Fen], limits: &[Fen], answers: &[Vec<bool>]) -> Shared {
    let mut open = losses.to_vec();
    let mut left = limits.to_vec();
    let mut paid = vec![vec![Fen::ZERO; limits.len()]; losses.len()];
    let mut grants = Vec::new();
    for round in 1.. {
        let asked: Vec<Vec<Fen>> = open
            .iter()
            .zip(answers)
            .map(|(loss, answers)| spread(*loss, limits, &left, answers))
            .collect();
        let before = grants.len();
        for vehicle in 0..limits.len() {
            let column: Vec<Fen> = asked.iter().map(|row| row[vehicle]).collect();
            let sum = Fen(column.iter().map(|amount| amount.0).sum());
            if sum == Fen::ZERO {
                continue;
            }
            let granted = sum.min(left[vehicle]);
            // Something is asked, so the shares exist; none is above what is asked.
            let shares = granted.apportion_by(&column).unwrap_or_default();
            for (loss, share) in shares.into_iter().enumerate() {
                paid[loss][vehicle] = Fen(paid[loss][vehicle].0 + share.0);
                open[loss] = Fen(open[loss].0 - share.0);
            }
            left[vehicle] = Fen(left[vehicle].0 - granted.0);
            grants.push(Grant { round, vehicle, asked: sum, granted });
        }
        if grants.len() == before {
            break;
        }
    }
    Shared { paid, grants }
}

/// `loss` over the limits that answer and have something left; nothing where none does.
fn spread(loss: Fen, limits: &[Fen], left: &[Fen], answers: &[bool]) -> Vec<Fen> {
    let weight = |at: usize| match answers[at] && left[at] > Fen::ZERO {
        true => limits[at],
        false => Fen::ZERO,
    };
    let weights: Vec<Fen> = (0..limits.len()).map(weight).collect();
    loss.apportion_by(&weights).unwrap_or_else(|| vec![Fen::ZERO; limits.len()])
}

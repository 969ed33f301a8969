//! What a case is still expected to cost.

use kernel::Fen;

use super::{Case, Stage};

impl Case {
    /// 未决: what is still expected to be paid. `None` on overflow.
    ///
    /// Nothing of a cancelled case; of a closed one what its closing still owes. While it is worked
    /// on: the latest estimate made since it was last opened; before
    /// there is one, the estimate of the registration less what was paid. A reopened case has
    /// nothing outstanding until it is estimated anew, as the law's estimate of a new case.
    pub fn outstanding(&self) -> Option<Fen> {
        match self.stage {
            Stage::Cancelled => Some(Fen::ZERO),
            stage if !stage.is_open() => self.due(),
            _ => {
                let fresh = |at| self.reopened_at.is_none_or(|reopened| reopened <= at);
                if let Some(estimate) = self.estimate.as_ref().filter(|one| fresh(one.at)) {
                    return Some(estimate.outstanding);
                }
                match self.registration.as_ref().filter(|one| fresh(one.at)) {
                    Some(registration) => {
                        Some(registration.estimate.minus(self.paid)?.max(Fen::ZERO))
                    }
                    None => Some(Fen::ZERO),
                }
            }
        }
    }
}

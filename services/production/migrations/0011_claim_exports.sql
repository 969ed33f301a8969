-- Exports read the steps of claims recorded in some days, in block ranges as other histories; claims
-- themselves lie under claim_own already, in the very order an export has.
create index claim_step_days on production.claim_step using brin (recorded_at);

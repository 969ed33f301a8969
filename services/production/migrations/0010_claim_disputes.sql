-- 争议: what an upheld dispute puts right, and what opening one must know of another insurer's claim.
alter table production.claim_dispute
    add column corrected_counts   boolean,
    add column corrected_at_fault boolean,
    add constraint claim_dispute_upheld_corrects
        check ((decision is not distinct from 'upheld')
               = (0 < num_nonnulls(corrected_counts, corrected_at_fault))),
    add constraint claim_dispute_rejection_has_a_reason
        check (decision is distinct from 'rejected' or reason is not null);

-- Whose a claim of a vehicle is, and which dispute of it is open; no row where the vehicle has no such
-- claim or it was cancelled. Holds the claim until the transaction ends, so that of two disputes opened
-- at once the second is told of the first.
create function production.disputed_claim(of_slot integer, of_claim text, of_frame text)
    returns table (tenant_id uuid, insurer text, open_dispute_no text)
    language plpgsql volatile security definer rows 1
    set search_path = pg_catalog as $$
begin
    perform from production.claim c
        where c.slot = of_slot and c.claim_no = of_claim and c.frame_no = of_frame
        for update;
    return query
        select c.tenant_id, c.insurer,
               (select d.dispute_no from production.claim_dispute d
                where d.slot = c.slot and d.claim_no = c.claim_no and d.decision is null)
        from production.claim c
        where c.slot = of_slot and c.claim_no = of_claim and c.frame_no = of_frame
          and c.stage <> 'CANCELLED';
end $$;

revoke execute on function production.disputed_claim from public;
grant execute on function production.disputed_claim to commonwheel_app;

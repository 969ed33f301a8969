-- Claims of a vehicle, of every insurer, as far as looks at the vehicle go: quotes rest on one from its
-- report to the platform until it is cancelled. Nothing of what it says.
create function production.claims_on_vehicle(wanted_slot integer, wanted_frame text,
                                             known_at timestamptz)
    returns table (claim_no text, recorded_at timestamptz, cancelled_at timestamptz)
    language plpgsql stable security definer rows 2
    set search_path = pg_catalog as $$
begin
    return query
        select c.claim_no, c.recorded_at, gone.recorded_at
        from production.claim c
        left join production.claim_step gone
          on gone.slot = c.slot and gone.claim_no = c.claim_no and gone.step = '54'
         and gone.recorded_at <= known_at
        where c.slot = wanted_slot and c.frame_no = wanted_frame and c.recorded_at <= known_at
        order by c.recorded_at, c.claim_no;
end $$;

revoke execute on function production.claims_on_vehicle from public;
grant execute on function production.claims_on_vehicle to commonwheel_app;

-- Confirmed endorsements of every policy of a vehicle, of every insurer, as they were known at an instant:
-- what was changed and from when. Answers neither reason, money nor party; the call that uses it states
-- its purpose and leaves its evidence row.
create function production.vehicle_endorsements(
    wanted_slot integer, wanted_frame text, known_at timestamptz)
    returns table (confirm_no text, endorse_times integer, kind text, effective_at timestamptz,
                   confirmed_at timestamptz)
    language plpgsql stable security definer rows 5
    set search_path = pg_catalog as $$
begin
    return query
        select e.confirm_no, e.endorse_times, e.kind, e.effective_at, e.confirmed_at
        from production.policy p
        join production.endorsement e on e.slot = p.slot and e.confirm_no = p.confirm_no
        where p.slot = wanted_slot and p.frame_no = wanted_frame
          and e.stage = 'confirmed' and e.confirmed_at <= known_at
        order by e.confirm_no, e.endorse_times;
end $$;

revoke execute on function production.vehicle_endorsements from public;
grant execute on function production.vehicle_endorsements to commonwheel_app;
